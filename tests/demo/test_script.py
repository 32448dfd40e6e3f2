from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from demo.actions import Identify, Track
from demo.gatherings import Turnout
from demo.kennel import Fate, Habit, fate, first_birthday, habit
from demo.people import CHANNELS, OWNERS, READERS
from demo.script import DAYS, VIP_ORDERS, Script, write_script

DAY_ZERO = datetime(2026, 3, 2, 7, 13, tzinfo=UTC)
WEEK = timedelta(weeks=1)


@pytest.fixture(scope="module", params=[1, 2, 77])
def script(request: pytest.FixtureRequest) -> Script:
    return write_script(request.param, DAY_ZERO)


def test_the_same_seed_gives_the_same_script(script: Script) -> None:
    assert write_script(script.seed, DAY_ZERO) == script
    assert write_script(script.seed + 1, DAY_ZERO) != script


def test_there_are_as_many_people_as_promised_and_nobody_twice(script: Script) -> None:
    people = script.population.people
    assert len(script.population.readers) == READERS >= 200
    assert len(script.population.owners) == OWNERS >= 100
    for field in ("id", "name", "email", "phone"):
        values = [value for person in people if (value := getattr(person, field)) is not None]
        assert len(values) == len(set(values)), field


def test_every_action_has_its_time_and_its_own_message_id(script: Script) -> None:
    assert all(each.at < DAY_ZERO for each in script.history)
    assert all(DAY_ZERO <= each.at <= DAY_ZERO + timedelta(days=DAYS) for each in script.future)
    for part in (script.history, script.future):
        assert [each.at for each in part] == sorted(each.at for each in part)
    tracked = [each.action.message_id for each in (*script.history, *script.future) if isinstance(each.action, Track)]
    assert len(tracked) == len(set(tracked))


def test_everybody_is_known_and_has_consented_or_not_before_the_first_day(script: Script) -> None:
    known = {each.action.user_id for each in script.history if isinstance(each.action, Identify)}
    assert known == {person.id for person in script.population.people}


def test_some_lack_each_consent_some_cannot_be_reached_and_some_phones_are_off(script: Script) -> None:
    people = script.population.people
    for channel in CHANNELS:
        assert 0.05 < sum(channel not in person.consents for person in people) / len(people) < 0.7, channel
    assert any(not person.consents for person in people)
    assert any(person.email is None and person.phone is None for person in people)
    assert any(person.email is None and person.phone is not None for person in people)
    assert any(person.phone is None and person.email is not None for person in people)
    assert any(person.push for person in people)
    assert any(person.bounces for person in people)
    assert any(person.phone_off and "whatsapp" in person.consents and "sms" in person.consents for person in people)
    assert any(person.no_whatsapp and {"whatsapp", "sms"} <= person.consents for person in people)
    assert {"Europe/Lundon", None, "America/New_York"} <= {person.zone for person in people}


def test_every_way_through_the_weekends_is_taken_by_somebody(script: Script) -> None:
    visits = script.visits
    assert {visit.turnout for visit in visits} == set(Turnout)
    assert any(visit.after_reminder_time for visit in visits)
    finished = [
        each for each in visits if each.turnout is Turnout.ATTENDS and each.gathering.ends + 3 * timedelta(days=1) < script.end
    ]
    owning = [each for each in finished if each.gathering.topic.key in each.reader.topics]
    spending = [each for each in finished if each.reader.big_spender and each not in owning]
    others = [each for each in finished if not each.reader.big_spender and each not in owning]
    assert min(len(owning), len(spending), len(others)) >= 5
    assert any(visit.orders_at is not None and visit.orders_at - visit.signs_up < 2 * WEEK for visit in finished)
    away = [each for each in visits if each.turnout is Turnout.STAYS_AWAY and each.gathering.ends + WEEK + WEEK < script.end]
    assert sum("whatsapp" in each.reader.person.consents for each in away) >= 10
    assert any(not each.reader.person.consents for each in visits)


def test_nobody_signs_up_for_two_weekends_close_to_each_other(script: Script) -> None:
    starts: dict[str, list[datetime]] = {}
    for visit in script.visits:
        starts.setdefault(visit.reader.person.id, []).append(visit.gathering.starts)
    for days in starts.values():
        days.sort()
        assert all(later - earlier >= timedelta(days=12) for earlier, later in pairwise(days))


def test_signing_up_comes_before_everything_else_about_a_weekend(script: Script) -> None:
    for visit in script.visits:
        first, *rest = visit.actions()
        assert isinstance(first.action, Track)
        assert first.action.event == "Event Signup"
        assert all(first.at < later.at for later in rest), visit


def test_who_is_to_be_a_vip_has_the_orders_for_it(script: Script) -> None:
    bought = Counter(each.action.user_id for each in script.history if isinstance(each.action, Track))
    assert all(bought[reader.person.id] >= VIP_ORDERS for reader in script.population.readers if reader.big_spender)


def test_every_way_through_the_puppys_first_year_is_taken_by_some_dog(script: Script) -> None:
    owners, puppies = script.population.owners, script.puppy_owners
    ages = {owner: owner.joins - owner.dog.born for owner in owners}
    assert len(puppies) < len(owners)
    assert any(ages[each] < timedelta(weeks=8) and each.dog.born + timedelta(weeks=8) < script.end for each in puppies)
    assert any(timedelta(weeks=9) < ages[each] and each.dog.born + timedelta(days=123) < script.end for each in puppies)
    assert any(timedelta(days=130) < ages[each] for each in puppies)
    assert sum(first_birthday(each) + timedelta(days=30) < script.end for each in puppies) >= 5
    assert {habit(script.seed, each) for each in puppies} == set(Habit)
    assert {fate(each) for each in puppies} == set(Fate)
    assert min(ages.values()) < timedelta(days=4)
    assert max(ages.values()) > timedelta(days=13.8 * 30)


def test_whoever_enters_is_beyond_doubt(script: Script) -> None:
    for owner in script.population.owners:
        assert abs(owner.joins - first_birthday(owner)) > timedelta(days=1), owner.dog


def test_a_dog_that_died_or_left_buys_nothing_more(script: Script) -> None:
    ended: dict[str, datetime] = {}
    for each in script.future:
        match each.action:
            case Track(event="Dog Deceased", user_id=user) | Identify(user_id=user, traits={"dog": None}):
                ended[user] = each.at
            case Track(user_id=user):
                assert user not in ended
            case _:
                pass
    assert len(ended) == 4


def test_the_entrants_are_those_who_signed_up_or_joined_by_then(script: Script) -> None:
    half = DAY_ZERO + timedelta(days=DAYS / 2)
    for journey, event in (("event-follow-up", "Event Signup"),):
        signed = [
            each for each in script.future if isinstance(each.action, Track) and each.action.event == event and each.at <= half
        ]
        assert len(script.entrants(journey, half)) == len(signed)
    assert len(script.entrants("puppy-to-adult", script.end)) == len(script.puppy_owners)
    assert script.entrants("unknown", half) == ()
