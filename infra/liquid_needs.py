"""What a Liquid template cannot do without: the variables that have no default, and that no condition around them asks for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from liquid import BoundTemplate, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions import BooleanExpression, FilteredExpression, Nil, Path
from liquid.builtin.expressions.logical import (
    ContainsExpression,
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LogicalAndExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.case_tag import CaseNode, MultiExpressionBlockNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.expression import Expression

_FALSE_OF_NOTHING = (ContainsExpression, EqExpression, GeExpression, GtExpression, LeExpression, LtExpression)
"""Comparisons that do not hold where a side is undefined (== but for nil)."""
_OF_ONE_SOURCE = ("entry", "event", "results")
Names = Mapping[str, str | None]
"""Names that the template made itself, each with the variable that it stands for, or None."""


def needed(template: BoundTemplate) -> frozenset[str]:
    """The dotted names that must have a value wherever the template is rendered.

    A condition never fails for want of a value; what it guards is not missed where it does not hold. It guards its own variables,
    and whatever else comes with the same event or the same step's result.
    """
    return frozenset(_Walk(template).of(template.nodes, frozenset(), {}))


def dotted(segments: Sequence[object]) -> str:
    """`profile.dog.name`; what follows a computed or numeric segment is left out, since it cannot be known."""
    parts: list[str] = []
    for segment in segments:
        if not isinstance(segment, str):
            break
        parts.append(segment)
    return ".".join(parts)


class _Walk:
    """Through the nodes in their order, with the guards around them."""

    def __init__(self, template: BoundTemplate) -> None:
        self._context = RenderContext(template)

    def of(self, nodes: Iterable[Node], guards: frozenset[str], names: Names) -> Iterator[str]:
        known = dict(names)
        for node in nodes:
            yield from self._node(node, guards, known)
            known |= _made(node, known)

    def _node(self, node: Node, guards: frozenset[str], names: Names) -> Iterator[str]:
        match node:
            case IfNode() | UnlessNode():
                held = _truths(node.condition, names)
                of_first, of_last = (held, frozenset[str]()) if isinstance(node, IfNode) else (frozenset[str](), held)
                yield from self.of([node.consequence], guards | of_first, names)
                for other in node.alternatives:
                    yield from self.of([other.block], guards | of_last | _truths(other.expression, names), names)
                if node.default is not None:
                    yield from self.of([node.default], guards | of_last, names)
            case CaseNode():
                subject = _name(node.expression, names)
                for block in node.blocks:
                    held = frozenset({subject}) if subject and isinstance(block, MultiExpressionBlockNode) else frozenset()
                    yield from self.of([block], guards | held, names)
            case MultiExpressionBlockNode():
                yield from self.of([node.block], guards, names)
            case AssignNode(expression=FilteredExpression(left=Path(), filters=None | [])):
                return  # what it stands for is needed where it is used
            case _:
                for expression in node.expressions():
                    for name in _used(expression, names):
                        if not any(_guards(guard, name) for guard in guards):
                            yield name
                inside = {**names, **{str(name): None for name in node.block_scope()}}
                yield from self.of(node.children(self._context, include_partials=False), guards, inside)


def _made(node: Node, names: Names) -> Names:
    """The names that a node makes for those behind it."""
    if isinstance(node, AssignNode) and isinstance(node.expression, FilteredExpression) and not node.expression.filters:
        return {str(node.name): _name(node.expression.left, names)}
    return {str(name): None for name in node.template_scope()}


def _used(expression: Expression, names: Names) -> Iterator[str]:
    match expression:
        case BooleanExpression():
            return
        case Path():
            if (name := _name(expression, names)) is not None:
                yield name
        case FilteredExpression(left=Path(), filters=[first, *_]) if first.name == "default":
            for argument in expression.children()[1:]:
                yield from _used(argument, names)
            return
        case _:
            pass
    for inner in expression.children():
        yield from _used(inner, names)


def _truths(condition: Expression, names: Names) -> frozenset[str]:
    """Variables that have a value wherever the condition holds."""
    match condition:
        case BooleanExpression():
            return _truths(condition.expression, names)
        case LogicalAndExpression():
            return _truths(condition.left, names) | _truths(condition.right, names)
        case EqExpression(left=Nil()) | EqExpression(right=Nil()) | EqExpression(left=Path(), right=Path()):
            return frozenset()
        case NeExpression(left=inner, right=Nil()) | NeExpression(left=Nil(), right=inner):
            return _truths(inner, names)
        case Path():
            name = _name(condition, names)
            return frozenset() if name is None else frozenset({name})
        case _ if isinstance(condition, _FALSE_OF_NOTHING):
            return _truths(condition.left, names) | _truths(condition.right, names)
        case _:
            return frozenset()


def _name(expression: Expression, names: Names) -> str | None:
    """The variable that an expression names; None where it names none, or one that the template made."""
    if not isinstance(expression, Path):
        return None
    root, *rest = dotted(expression.path).split(".")
    if root not in names:
        return ".".join((root, *rest))
    stands_for = names[root]
    return None if stands_for is None else ".".join((stands_for, *rest))


def _guards(guard: str, name: str) -> bool:
    if f"{name}.".startswith(f"{guard}.") or f"{guard}.".startswith(f"{name}."):
        return True
    return name.partition(".")[0] in _OF_ONE_SOURCE and guard.split(".")[:2] == name.split(".")[:2]
