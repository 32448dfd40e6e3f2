"""Findings about templates: those that a send names, and those that stand in a call itself."""

from collections.abc import Iterator

from pydantic import JsonValue

from conditions.problems import Problem, join
from conditions.references import References
from journeys.catalog import Catalog, TemplateFacts
from journeys.check_entry import brings_no_event
from journeys.check_results import result_problems
from journeys.mentions import Mention
from journeys.model import Call, EntryByApi, Journey, Send
from journeys.refs import PARTS, parse_ref, ref_remedy
from journeys.waking import Waking
from policy import purpose_mismatch


def flaws_of_call(path: str, step: Call, catalog: Catalog) -> Iterator[Problem]:
    """Templates of a call that cannot be read."""
    if catalog.call_template is None:
        return
    for where, text in _texts(path, step):
        if (flaw := catalog.call_template(text).flaw) is not None:
            yield Problem(path=where, message=f"is no Liquid template: {flaw}", remedy="look at the brackets and filters")


def mentions_of_call(path: str, step: Call, catalog: Catalog) -> Iterator[Mention]:
    """What the templates of a call cannot do without, as references; of what has a default, the traits alone."""
    if catalog.call_template is None:
        return
    for where, text in _texts(path, step):
        found = catalog.call_template(text)
        refs = frozenset(name for name in found.required if parse_ref(name) is not None)
        yield Mention(where, References(refs=refs, traits=_traits(found.used - refs)), "step", step.id)


def mentions_of_send(path: str, step: Send, catalog: Catalog) -> Iterator[Mention]:
    """The traits that a send's template uses, on the channels of the send."""
    found = catalog.template_facts.get(step.template)
    if found is not None:
        traits = _traits(frozenset(name for channel in step.channels for name in found.used.get(channel, ())))
        yield Mention(f"{path}.template", References(traits=traits), "step", step.id)


def template_problems(journey: Journey, path: str, step: Send, catalog: Catalog, waking: Waking) -> Iterator[Problem]:
    """A send that its template cannot serve, and what the template uses on the channels of the send and nothing supplies here."""
    found = catalog.template_facts.get(step.template)
    if found is None:
        return
    yield from _unserved(journey, path, step, found)
    required = {name for channel in step.channels for name in found.required.get(channel, ())}
    for name in sorted(required):
        yield from _missing(journey, f"{path}.template", step, name, catalog, waking)
    for name in sorted({name for channel in step.channels for name in found.used.get(channel, ())} - required):
        root, *rest = name.split(".")
        if root not in catalog.supplied and (root not in PARTS or (root != "results" and rest and rest[0] not in PARTS[root])):
            message = f"template {step.template!r} uses {name}, which nothing supplies: it never has a value"
            yield Problem(path=f"{path}.template", message=message, remedy=ref_remedy(name), severity="warning")


def _unserved(journey: Journey, path: str, step: Send, found: TemplateFacts) -> Iterator[Problem]:
    missing = [channel for channel in step.channels if found.channels is not None and channel not in found.channels]
    if missing:
        all_ = len(missing) == len(step.channels)
        message = f"the template {step.template!r} has no part for {', '.join(missing)}"
        remedy = "write that part, or drop the channel"
        yield Problem(path=f"{path}.channels", message=message, remedy=remedy, severity="error" if all_ else "warning")
    mismatch = purpose_mismatch(step.purpose or journey.purpose, step.template, found.purpose)
    if mismatch is not None:
        whose = "send's" if step.purpose else "journey's"
        yield Problem(path=f"{path}.template", message=mismatch, remedy=f"change the template's purpose, or the {whose}")


def _missing(journey: Journey, path: str, step: Send, name: str, catalog: Catalog, waking: Waking) -> Iterator[Problem]:
    root, *rest = name.split(".")
    if root in catalog.supplied:
        return
    needs = f"template {step.template!r} needs {name}"
    if root == "results" and len(rest) > 1:
        at_send = Mention(path, References(), "step", step.id)
        yield from result_problems(journey.index, at_send, rest[0], rest[1])
    elif root not in PARTS or (rest and root != "results" and rest[0] not in PARTS[root]):
        yield Problem(path=path, message=f"{needs}, which nothing supplies", remedy=ref_remedy(name))
    elif root == "profile" and rest[:1] == ["computed"]:
        message = f"{needs}, but templates do not see computed traits"
        yield Problem(path=path, message=message, remedy="copy it into a trait by an update_profile step before the send")
    elif root == "entry" and (how := brings_no_event(journey)) and rest[:1] == ["properties"]:
        message = f"{needs}, but whoever enters {how} brings no event"
        yield Problem(path=path, message=message, remedy="use profile.traits.… in the template, or give the name a default")
    elif root == "entry" and isinstance(journey.entry, EntryByApi) and rest[:1] == ["properties"]:
        message = f"{needs}, which is there only if whoever starts the journey gives it"
        yield Problem(path=path, message=message, remedy="give the name a default in the template", severity="warning")
    elif root == "event" and (lack := waking.lack(step.id, "".join(rest[:1]))):
        message = f"{needs}, but {lack}"
        yield Problem(path=path, message=message, remedy="use entry.… in the template, or give the name a default")


def _traits(names: frozenset[str]) -> frozenset[str]:
    return frozenset(trait for name in names if (trait := name.partition("profile.traits.")[2]))


def _texts(path: str, step: Call) -> Iterator[tuple[str, str]]:
    """The templates in a call, each with its JSON path."""
    yield f"{path}.url", step.url
    for name, value in step.headers.items():
        yield join(f"{path}.headers", name), value
    yield from _texts_in(f"{path}.body", step.body)


def _texts_in(path: str, value: JsonValue) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if "{" in value:
            yield path, value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _texts_in(join(path, name), part)
    elif isinstance(value, list):
        for position, part in enumerate(value):
            yield from _texts_in(join(path, position), part)
