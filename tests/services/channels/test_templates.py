"""Templates are checked when they are stored, and say what they need."""

from typing import Any

import pytest

from tests.services.channels.support import World


async def test_a_template_says_which_variables_it_uses_and_a_change_makes_a_new_version(world: World) -> None:
    parts = {
        "purpose": "marketing",
        "email": {
            "subject": "{{ entry.title | default: 'Hello' }}",
            "html": "{% for x in profile.dogs %}{{ x.name }}{% endfor %}<a href='{{ unsubscribe_url }}'>no</a>",
        },
        "sms": {"body": "{{ profile.traits.name }} {{ event.properties.city }} {{ journey }}"},
    }
    first = (await world.api.put("/v1/templates/party", json=parts)).json()
    assert first["variables"] == {
        "email": ["entry.title", "profile.dogs", "unsubscribe_url"],
        "sms": ["event.properties.city", "journey", "profile.traits.name"],
    }
    assert first["required"] == {
        "email": ["profile.dogs", "unsubscribe_url"],
        "sms": ["event.properties.city", "journey", "profile.traits.name"],
    }
    assert (await world.api.put("/v1/templates/party", json=parts)).json()["version"] == 1
    assert (await world.api.put("/v1/templates/party", json=parts | {"sms": {"body": "x"}})).json()["version"] == 2
    listed = (await world.api.get("/v1/templates")).json()["templates"]
    assert [t["required"] for t in listed][1] == {**first["required"], "sms": []}
    assert [(t["key"], t["version"], t["purpose"]) for t in listed] == [("hello", 1, None), ("party", 2, "marketing")]
    assert (await world.api.get("/v1/templates/none")).status_code == 404


@pytest.mark.parametrize(
    ("source", "path", "said"),
    [
        ("{{ profile.name", "$.sms.body", "expected '}}'"),
        ("a\n{{ profile.name | shout }}", "$.sms.body", "line 2: there is no filter 'shout'"),
        ("{% include 'x' %}", "$.sms.body", "loads another template"),
        ("{{ customer.name }}", "$.sms.body", "starts with 'customer'"),
        ("{% if %}x{% endif %}", "$.sms.body", "line 1"),
    ],
)
async def test_a_wrong_template_is_refused_with_place_and_remedy(world: World, source: str, path: str, said: str) -> None:
    answer = await world.api.put("/v1/templates/wrong", json={"sms": {"body": source}})
    assert answer.status_code == 422
    (flaw,) = answer.json()["errors"]
    assert flaw["path"] == path
    assert said in flaw["message"]
    assert flaw["remedy"]


async def test_a_mail_whose_text_cannot_be_made_of_its_html_is_refused_until_somebody_writes_it(world: World) -> None:
    mail = {"subject": "Hi", "html": '<a href="{{ profile.page | default: "https://shop.example" }}">Look</a>'}
    answer = await world.api.put("/v1/templates/wrong", json={"email": mail})
    (flaw,) = answer.json()["errors"]
    assert flaw["path"] == "$.email.text"
    assert flaw["remedy"].startswith("write 'text' too")
    await world.put_template("right", email={**mail, "text": "Look"})


async def test_a_preview_renders_each_channel_or_says_why_not(world: World) -> None:
    await world.put_template("p", sms={"body": "Hi {{ entry.x }}"}, email={"subject": "S", "html": "<b>{{ profile.name }}</b>"})
    body: dict[str, Any] = {"traits": {"name": "A & B"}}
    answer = (await world.api.post("/v1/templates/p/preview", json=body)).json()
    assert answer["channels"]["email"]["content"]["html"] == "<b>A &amp; B</b>"
    assert answer["channels"]["email"]["content"]["text"] == "A & B"
    assert answer["channels"]["sms"]["error"] == "sms.body: entry.x is undefined"


async def test_a_message_that_cannot_be_rendered_is_skipped_and_says_what_was_missing(world: World) -> None:
    await world.put_template("p", sms={"body": "Hi {{ entry.x }}"})
    ada = world.people.add(phone="+15550002001")
    result = await world.send_one(ada, template="p")
    assert (result.status, result.reason) == ("skipped", "template_error")
    assert "entry.x is undefined" in result.detail
    assert (await world.send_one(ada, template="none")).reason == "unknown_template"
    assert (await world.send_one(ada, template="p", context={"entry": {"x": 1}})).status == "accepted"


async def test_a_template_cannot_run_for_ever_or_fill_the_memory(world: World) -> None:
    loops = "{% for a in (1..9999) %}{% for b in (1..9999) %}x{% endfor %}{% endfor %}"
    await world.put_template("p", sms={"body": loops})
    result = await world.send_one(world.people.add(phone="+15550002001"), template="p")
    assert (result.status, result.reason) == ("skipped", "template_error")


async def test_a_marketing_template_is_not_sent_as_transactional(world: World) -> None:
    await world.put_template("p", purpose="marketing", sms={"body": "Buy"})
    result = await world.send_one(world.people.add(phone="+15550002001"), template="p")
    assert result.reason == "purpose_mismatch"


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ profile.x | date: '%Y' }}", 1735689600000),
        ("{{ profile.x | ceil }}", "nan"),
        ("{{ profile.x | base64_decode }}", "gICA"),
        ("{{ profile.x | url_decode }}", "a%00b"),
        ("{{ 5 | modulo: profile.x }}", 0),
    ],
)
async def test_a_value_that_a_filter_cannot_take_skips_its_message_and_no_other(world: World, source: str, value: Any) -> None:
    await world.put_template("p", sms={"body": source})
    ada = world.people.add(phone="+15550002001", x=value)
    bob = world.people.add(name="Bob", phone="+15550002002")
    odd, fine = await world.send(world.request(ada, template="p"), world.request(bob))
    assert (odd.status, odd.reason, fine.status) == ("skipped", "template_error", "accepted")
    assert odd.detail.startswith("sms: template_error (sms.body: ")
