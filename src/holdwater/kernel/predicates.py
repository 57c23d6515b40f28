"""Rules compiled to tests of the machine's state.  Total: a test never raises and calls nothing a user wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from holdwater.kernel import gates
from holdwater.model.rules import After, AllOf, AnyOf, Not, Open, Ran, Rule, Value

if TYPE_CHECKING:
    from holdwater.kernel.machine import Machine

Test = Callable[["Machine", int], bool]


def compiled(rule: Rule | None, index: Mapping[str, int]) -> Test | None:
    """The test for a rule; None where there is nothing to test."""
    return None if rule is None else _compile(rule, index, iter(range(1 << 62)).__next__)


def _compile(rule: Rule, index: Mapping[str, int], number: Callable[[], int]) -> Test:
    match rule:
        case After(name, outcomes):
            node = index[name]
            return lambda m, i: m.state[node] in outcomes
        case Open(gate, target, default):
            return gates.opened(index[gate], index[target], target, default)
        case Value():
            k = number()
            return lambda m, i: m.truths[k]
        case Ran(name, never):
            node = index[name]
            if never:
                return lambda m, i: not m.fired[node]
            return lambda m, i: m.fired[node] > 0 or node in m.waived
        case Not(inner):
            test = _compile(inner, index, number)
            return lambda m, i: not test(m, i)
        case AllOf(rules):
            return _every([_compile(r, index, number) for r in rules], verdict=False)
        case AnyOf(rules):
            return _every([_compile(r, index, number) for r in rules], verdict=True)


def _every(tests: list[Test], *, verdict: bool) -> Test:
    if len(tests) == 1:
        return tests[0]

    def test(m: Machine, i: int) -> bool:
        for one in tests:
            if one(m, i) is verdict:
                return verdict
        return not verdict

    return test
