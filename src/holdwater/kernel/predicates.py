"""Rules compiled to tests of the machine's state.  Total: a test never raises and calls nothing a user wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from holdwater.kernel import gates
from holdwater.kernel.gates import RuleState
from holdwater.model.rules import After, AllOf, AnyOf, GateOpen, HasRun, Not, Rule, ValuePredicate

RuleTest = Callable[[RuleState, int], bool]


def compile_rule(rule: Rule | None, index: Mapping[str, int]) -> RuleTest | None:
    """The test for a rule; None where there is nothing to test."""
    return None if rule is None else _compile_node(rule, index, iter(range(1 << 62)).__next__)


def _compile_node(rule: Rule, index: Mapping[str, int], number: Callable[[], int]) -> RuleTest:
    match rule:
        case After(name, outcomes):
            node = index[name]
            return lambda m, i: m.node_states[node] in outcomes
        case GateOpen(gate, target, default):
            return gates.gate_open_test(index[gate], index[target], target, default)
        case ValuePredicate():
            k = number()
            return lambda m, i: m.rule_results[k]
        case HasRun(name, never):
            node = index[name]
            if never:
                return lambda m, i: not m.run_counts[node]
            return lambda m, i: m.run_counts[node] > 0 or node in m.waived_nodes
        case Not(inner):
            test = _compile_node(inner, index, number)
            return lambda m, i: not test(m, i)
        case AllOf(rules):
            return _combine_tests([_compile_node(r, index, number) for r in rules], decisive=False)
        case AnyOf(rules):
            return _combine_tests([_compile_node(r, index, number) for r in rules], decisive=True)


def _combine_tests(tests: list[RuleTest], *, decisive: bool) -> RuleTest:
    if len(tests) == 1:
        return tests[0]

    def test(m: RuleState, i: int) -> bool:
        for one in tests:
            if one(m, i) is decisive:
                return decisive
        return not decisive

    return test
