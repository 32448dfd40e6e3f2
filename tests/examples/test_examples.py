"""The example journeys, segments, templates and computed traits say what they should, and fit together."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from conditions import parse_condition
from conditions.computed import ComputedDraft
from contracts.channels import Channel
from contracts.segments import SegmentDraft
from demo.gatherings import Visit
from demo.people import Person
from demo.script import Script, write_script
from journeys import Catalog, check, parse_journey
from journeys.catalog import TemplateFacts
from journeys.check import errors
from journeys.model import Send
from services.channels.decision import render_context
from services.channels.templates import Compiled, TemplateInput, compiled

EXAMPLES = Path(__file__).parents[2] / "examples"
SHOPS = ("publisher", "petshop")
_ID = UUID(int=1)
URL = "http://127.0.0.1:8003/u/token"


def definitions(kind: str) -> dict[str, dict[str, Any]]:
    files = sorted(path for path in EXAMPLES.glob(f"*/{kind}/*.json") if not path.name.endswith(".test.json"))
    assert files, kind
    read = {path.stem: orjson.loads(path.read_bytes()) for path in files}
    assert all(body["key"] == name for name, body in read.items())
    return read


def templates() -> dict[str, Compiled]:
    return {
        key: compiled(key, 1, TemplateInput.model_validate({name: value for name, value in body.items() if name != "key"}))
        for key, body in definitions("templates").items()
    }


@pytest.fixture(scope="module")
def script() -> Script:
    return write_script(1, datetime(2026, 3, 2, 8, tzinfo=UTC))


def test_every_journey_is_valid_with_what_the_examples_bring() -> None:
    read = definitions("journeys")
    catalog = Catalog(
        templates=frozenset(definitions("templates")),
        segments=frozenset(definitions("segments")),
        journeys=frozenset(read),
        template_facts={
            key: TemplateFacts(
                used={at.value: frozenset(names) for at, names in each.variables().items()},
                required={at.value: frozenset(names) for at, names in each.required().items()},
                channels=frozenset(at.value for at in each.sources),
                purpose=each.purpose,
            )
            for key, each in templates().items()
        },
    )
    assert [problem for body in read.values() for problem in errors(check(parse_journey(body), catalog))] == []


def test_every_template_has_a_part_for_each_channel_that_a_journey_sends_it_on() -> None:
    written = templates()
    used = set()
    for body in definitions("journeys").values():
        for step in parse_journey(body).index.steps.values():
            if isinstance(step, Send):
                used.add(step.template)
                assert {Channel(channel) for channel in step.channels} <= set(written[step.template].sources), step.id
    assert used == set(written), "a template that no journey sends"


def test_segments_and_computed_traits_are_what_the_service_takes() -> None:
    for body in definitions("segments").values():
        draft = SegmentDraft.model_validate({name: value for name, value in body.items() if name != "key"})
        parse_condition(draft.condition)
    for body in definitions("computed").values():
        ComputedDraft.model_validate({name: value for name, value in body.items() if name != "key"})


def _texts(template: Compiled, context: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"{channel}.{name}": text
        for channel in template.sources
        for name, text in template.render(channel, context).model_dump().items()
        if isinstance(text, str)
    }


def _sample(script: Script) -> list[tuple[Person, dict[str, Any], dict[str, Any]]]:
    """Traits and entry of people as the demo makes them, and of people of whom next to nothing is known."""
    visits: tuple[Visit, ...] = script.visits[::17]
    readers: list[tuple[Person, dict[str, Any], dict[str, Any]]] = [
        (visit.reader.person, visit.reader.person.traits(), visit.gathering.as_properties()) for visit in visits
    ]
    owners: list[tuple[Person, dict[str, Any], dict[str, Any]]] = [
        (owner.person, {**owner.person.traits(), "dog": owner.dog.traits()}, {}) for owner in script.population.owners[::9]
    ]
    return [*readers, *owners]


def test_templates_render_for_the_demos_people_with_nothing_missing(script: Script) -> None:
    for key, template in templates().items():
        for person, traits, properties in _sample(script):
            weekend = bool(properties)
            if not (EXAMPLES / ("publisher" if weekend else "petshop") / "templates" / f"{key}.json").exists():
                continue
            context = render_context(_ID, traits, {"entry": {"properties": properties}}, "any", URL)
            for place, text in _texts(template, context).items():
                assert "{{" not in text, (key, place)
                assert "{%" not in text, (key, place)
                assert "  " not in text.replace("\n", " ").strip() or "html" in place or "text" in place, (key, place, text)
            names = " ".join(_texts(template, context).values())
            assert person.first_name in names or (not weekend and str(traits["dog"]["name"]) in names), key


def test_templates_render_for_somebody_of_whom_nothing_is_known() -> None:
    when = {"starts_at": "2026-06-12T18:00:00+01:00"}
    for key, template in templates().items():
        texts = _texts(template, render_context(_ID, {}, {"entry": {"properties": when}}, "any", URL))
        assert all(text.strip() for place, text in texts.items() if not place.endswith(("unsubscribe_url", "content_sid"))), key


def test_every_email_can_be_unsubscribed_from_and_every_text_says_how_to_stop() -> None:
    context = render_context(_ID, {}, {"entry": {"properties": {"starts_at": "2026-06-12T18:00:00+01:00"}}}, "any", URL)
    for key, template in templates().items():
        texts = _texts(template, context)
        for channel in template.sources:
            match channel:
                case Channel.EMAIL:
                    assert URL in texts[f"{channel}.html"], key
                    assert URL in texts[f"{channel}.text"], key
                case Channel.SMS:
                    assert "STOP" in texts[f"{channel}.body"], key
                    assert len(texts[f"{channel}.body"]) <= 320, key
                case Channel.WHATSAPP:
                    assert "STOP" in texts[f"{channel}.body"], key
                case Channel.WEB_PUSH:
                    assert len(texts[f"{channel}.body"]) <= 120, key


def test_the_reminder_names_the_local_time_of_the_place() -> None:
    properties = {
        "title": "The Slow Bread Weekend",
        "starts_at": "2026-06-12T18:00:00+01:00",
        "venue": "The Reading Room",
        "city": "London",
    }
    context = render_context(_ID, {"first_name": "Anna"}, {"entry": {"properties": properties}}, "any", URL)
    assert "Friday, 12 June at 18:00" in _texts(templates()["event-reminder"], context)["sms.body"]
