"""Readiness rules: data, evaluated once, when everything a node waits for has settled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

# Outcomes a settled node can have.  UPSTREAM_FAILED: not run because of a failure upstream; it propagates, SKIPPED does
# not.
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
SKIPPED: Final = "skipped"
UPSTREAM_FAILED: Final = "upstream_failed"
CANCELLED: Final = "cancelled"
OK_OUTCOMES: Final = frozenset({SUCCEEDED, SKIPPED})
SETTLED_OUTCOMES: Final = frozenset({SUCCEEDED, FAILED, SKIPPED, UPSTREAM_FAILED, CANCELLED})


@dataclass(frozen=True, slots=True)
class After:
    """A node settled with one of these outcomes."""

    node: str
    outcomes: frozenset[str] = OK_OUTCOMES


@dataclass(frozen=True, slots=True)
class GateOpen:
    """A gate's unconsumed decision names the target; `default`: open as long as the gate has not run."""

    gate: str
    target: str
    default: bool = True


@dataclass(frozen=True, slots=True)
class ValuePredicate:
    """A predicate on one value in the node's own view.

    The machine never looks at values: it asks the driver (`Evaluate`) and is told the truth (`RuleEvaluated`).
    """

    name: str
    op: str
    literal: Any = None


@dataclass(frozen=True, slots=True)
class HasRun:
    """A node has succeeded at least once; `negated`: it has not, so far."""

    node: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class AllOf:
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf:
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    rule: Rule


Rule = After | GateOpen | ValuePredicate | HasRun | AllOf | AnyOf | Not


def rule_leaves(rule: Rule | None) -> Iterator[After | GateOpen | ValuePredicate | HasRun]:
    """The leaves of a rule, left to right; iterative, a generated rule may be deep."""
    stack: list[Rule] = [] if rule is None else [rule]
    while stack:
        match stack.pop():
            case AllOf(rules) | AnyOf(rules):
                stack.extend(reversed(rules))
            case Not(inner):
                stack.append(inner)
            case leaf:
                yield leaf


# -- predicates on values: total functions, `"a" > 5` is False and never raises


class _Missing:
    """`text` is what stands for it in a journal: no value is encoded so."""

    text = '{"$t":"missing"}'

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final[Any] = _Missing()
"""No value.  A node that gives it leaves the cell as it was."""


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def _contains(a: Any, b: Any) -> bool:
    if isinstance(a, str):
        return isinstance(b, str) and b in a
    return isinstance(a, (list, tuple, set, frozenset, dict)) and any(x == b for x in a)


OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "equals": lambda a, b: a is not MISSING and bool(a == b),
    "not_equals": lambda a, b: a is MISSING or bool(a != b),
    "greater_than": lambda a, b: _is_number(a) and _is_number(b) and a > b,
    "less_than": lambda a, b: _is_number(a) and _is_number(b) and a < b,
    "greater_or_equal": lambda a, b: _is_number(a) and _is_number(b) and a >= b,
    "less_or_equal": lambda a, b: _is_number(a) and _is_number(b) and a <= b,
    "contains": _contains,
    "not_contains": lambda a, b: not _contains(a, b),
    "exists": lambda a, b: a is not MISSING,
    "not_exists": lambda a, b: a is MISSING,
}


def evaluate_predicate(rule: ValuePredicate, value: Any) -> bool:
    """Return True if `value` (MISSING if the view has none of that name) satisfies the predicate."""
    return OPERATORS[rule.op](value, rule.literal)


# -- rules as JSON


def to_data(rule: Rule | None) -> Any:
    """A rule as JSON data; the inverse of `from_data`."""
    match rule:
        case None:
            return None
        case After(node, outcomes):
            return ["after", node, sorted(outcomes)]
        case GateOpen(gate, target, default):
            return ["open", gate, target, default]
        case ValuePredicate(name, op, literal):
            return ["value", name, op, literal]
        case HasRun(node, never):
            return ["ran", node, never]
        case AllOf(rules):
            return ["all", *map(to_data, rules)]
        case AnyOf(rules):
            return ["any", *map(to_data, rules)]
        case Not(inner):
            return ["not", to_data(inner)]


def from_data(data: Any) -> Rule:
    """The rule that `to_data` wrote."""
    kind, *rest = data
    match kind:
        case "after":
            return After(rest[0], frozenset(rest[1]))
        case "open":
            return GateOpen(*rest)
        case "value":
            return ValuePredicate(*rest)
        case "ran":
            return HasRun(*rest)
        case "all":
            return AllOf(tuple(map(from_data, rest)))
        case "any":
            return AnyOf(tuple(map(from_data, rest)))
        case _:
            return Not(from_data(rest[0]))
