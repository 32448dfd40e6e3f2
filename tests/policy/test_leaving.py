"""A message leaves outside quiet hours, with room in every cap, and not after it is valid."""

from datetime import UTC, datetime, timedelta

from policy import FrequencyCap, Later, No, QuietHours, Ready, Sent, expired, kept_back

NIGHT = datetime(2026, 3, 2, 23, tzinfo=UTC)
MORNING = datetime(2026, 3, 3, 8, tzinfo=UTC)
HOURS = QuietHours.parse("21:00-08:00", "UTC")
CAP = FrequencyCap(at_most=1, per=timedelta(hours=24))
GOT = [Sent(NIGHT - timedelta(hours=4), "email", "marketing", "other", "Welcome")]


def ready(*, purpose: str = "marketing", valid_until: datetime | None = None, zone: object = None) -> Ready:
    return Ready("one", "email", purpose, valid_until, (zone,))


def test_quiet_hours_of_where_the_person_lives_put_it_off_to_their_end() -> None:
    assert kept_back(ready(), NIGHT, HOURS, [CAP], GOT) == Later(MORNING, "email", "quiet_hours")
    assert kept_back(ready(zone="America/New_York"), NIGHT, HOURS, [], []) is None
    assert kept_back(ready(purpose="transactional"), NIGHT, HOURS, [CAP], GOT) is None


def test_a_full_cap_puts_it_off_until_there_is_room_and_names_what_fills_it() -> None:
    kept = kept_back(ready(), NIGHT, None, [CAP], GOT)
    assert isinstance(kept, Later)
    assert (kept.until, kept.reason) == (GOT[0].at + timedelta(hours=24), "frequency_cap")
    assert "Welcome" in kept.detail
    skips = CAP.model_copy(update={"otherwise": "skip"})
    assert kept_back(ready(), NIGHT, None, [skips], GOT) == No("frequency_cap", kept.detail)


def test_what_is_no_longer_valid_by_then_does_not_leave_at_all() -> None:
    kept = kept_back(ready(valid_until=MORNING), NIGHT, HOURS, [], [])
    assert isinstance(kept, No)
    assert kept.reason == "expired"
    assert "quiet hours last until 2026-03-03T08:00:00+00:00" in kept.detail
    capped = kept_back(ready(valid_until=MORNING), NIGHT, None, [CAP], GOT)
    assert isinstance(capped, No)
    assert capped.reason == "expired"
    assert kept_back(ready(valid_until=MORNING + timedelta(seconds=1)), NIGHT, HOURS, [], []) == Later(
        MORNING, "email", "quiet_hours"
    )


def test_a_message_is_valid_up_to_its_last_instant() -> None:
    assert expired(None, NIGHT) is None
    assert expired(MORNING, MORNING - timedelta(microseconds=1)) is None
    assert expired(MORNING, MORNING) == No("expired", "valid until 2026-03-03T08:00:00+00:00")
