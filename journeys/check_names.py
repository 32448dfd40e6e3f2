"""Findings about names: references, segments, templates and their variables, journeys."""

from collections.abc import Iterable, Iterator
from itertools import chain

from conditions.problems import Problem, did_you_mean, nearest
from journeys.catalog import Catalog
from journeys.check_entry import brings_no_event
from journeys.check_results import result_problems
from journeys.check_templates import mentions_of_call, mentions_of_send, template_problems
from journeys.index import JourneyIndex
from journeys.mentions import Mention, emitted_events, mentions, written_traits
from journeys.model import Call, Journey, Send, StartJourney
from journeys.refs import parse_ref, ref_remedy
from journeys.waking import Waking
from policy import TRANSACTIONAL

_NEARLY = 0.87
"""A slip of the finger in a name of some length; `first_name` and `last_name` are less alike."""


def name_problems(journey: Journey, catalog: Catalog) -> Iterator[Problem]:
    """Every finding of this kind."""
    yield from _purposes(journey, catalog)
    index = journey.index
    waking = Waking.of(index)
    traits = _extended(catalog.traits, written_traits(journey))
    events = _extended(catalog.events, emitted_events(journey))
    for mention in chain(mentions(journey), _in_templates(index, catalog)):
        for event in sorted(mention.names.events):
            yield from _seen(mention.path, "event", event, events, all_seen=catalog.all_seen)
        for trait in sorted(mention.names.traits):
            yield from _seen(mention.path, "trait", trait, traits, all_seen=catalog.all_seen)
        for ref in sorted(mention.names.refs):
            yield from _ref(journey, mention, ref, waking)
            name = ref.partition("profile.traits.")[2]
            if name:
                yield from _seen(mention.path, "trait", name, traits, all_seen=catalog.all_seen)
            name = ref.partition("profile.computed.")[2]
            if name:
                yield from _seen(mention.path, "computed trait", name, catalog.computed)
        for segment in sorted(mention.names.segments):
            yield from _known(mention.path, "segment", segment, catalog.segments)
    for step_id, step in index.steps.items():
        path = index.places[step_id].path
        if isinstance(step, StartJourney):
            yield from _known(f"{path}.journey", "journey", step.journey, catalog.journeys)
        elif isinstance(step, Send):
            yield from _known(f"{path}.template", "template", step.template, catalog.templates)
            yield from template_problems(journey, path, step, catalog, waking)


def _purposes(journey: Journey, catalog: Catalog) -> Iterator[Problem]:
    """Purposes that are nearly one that others have: nobody has agreed to those."""
    known = {TRANSACTIONAL, "marketing"} | {facts.purpose for facts in catalog.template_facts.values() if facts.purpose}
    written = [("$.purpose", journey.purpose)]
    for step_id, step in journey.index.steps.items():
        if isinstance(step, Send) and step.purpose is not None:
            written.append((f"{journey.index.places[step_id].path}.purpose", step.purpose))
    for path, purpose in written:
        if purpose not in known and nearest(purpose, known, _NEARLY) is not None:
            message = f"nobody gets these messages who has not agreed to {purpose!r} by that very name"
            yield Problem(path=path, message=message, remedy=did_you_mean(purpose, known), severity="warning")


def _in_templates(index: JourneyIndex, catalog: Catalog) -> Iterator[Mention]:
    for step_id, step in index.steps.items():
        if isinstance(step, Call):
            yield from mentions_of_call(index.places[step_id].path, step, catalog)
        elif isinstance(step, Send):
            yield from mentions_of_send(index.places[step_id].path, step, catalog)


def _extended(known: frozenset[str] | None, more: Iterable[str]) -> frozenset[str] | None:
    return None if known is None else known | frozenset(more)


def _seen(path: str, kind: str, name: str, known: frozenset[str] | None, *, all_seen: bool = True) -> Iterator[Problem]:
    """A trait is known by its parts, too: `dog` where there is `dog.birthdate`, and the other way round."""
    if known is None or name in known:
        return
    if kind != "event" and any(other.startswith(f"{name}.") or name.startswith(f"{other}.") for other in known):
        return
    if all_seen or nearest(name, known, _NEARLY) is not None:
        message = f"no {kind} {name!r} has been seen yet"
        yield Problem(path=path, message=message, remedy=did_you_mean(name, known), severity="warning")


def _known(path: str, kind: str, name: str, known: frozenset[str] | None) -> Iterator[Problem]:
    if known is not None and name not in known:
        yield Problem(path=path, message=f"there is no {kind} {name!r}", remedy=did_you_mean(name, known))


def _ref(journey: Journey, mention: Mention, ref: str, waking: Waking) -> Iterator[Problem]:
    parsed = parse_ref(ref)
    if parsed is None:
        yield Problem(path=mention.path, message=f"{ref!r} is no reference", remedy=ref_remedy(ref))
    elif mention.scope == "entry":
        message = f"{ref} is not known yet: the entry's filter looks at the entering event alone"
        yield Problem(path=mention.path, message=message, remedy="compare with a constant, or exit by a branch after entry")
    elif parsed.root == "profile":
        return
    elif parsed.root == "results":
        yield from result_problems(journey.index, mention, *parsed.path[:2])
    elif parsed.path[0] == "properties" and (how := brings_no_event(journey)) and _of_entry(mention, parsed.root):
        message = f"{ref} leads nowhere: whoever enters {how} brings no event"
        yield Problem(path=mention.path, message=message, remedy="refer to profile.traits.… instead, or enter by an event")
    elif parsed.root == "event" and mention.scope == "registered":
        message = f"{ref} is not known: exit rules and the goal are fixed on entry"
        yield Problem(path=mention.path, message=message, remedy="refer to entry.… or profile.…")
    elif parsed.root == "event" and mention.scope == "step" and (lack := waking.lack(mention.step, parsed.path[0])):
        message = f"{ref} leads nowhere: {lack}"
        yield Problem(path=mention.path, message=message, remedy="refer to entry.… for the entering event")


def _of_entry(mention: Mention, root: str) -> bool:
    return root == "entry" or mention.scope == "key"
