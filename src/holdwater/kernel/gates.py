"""Gates: a decision is state of the machine, consumed when the node it opened has succeeded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from typing import Final, Protocol

from holdwater.kernel.states import WAITING
from holdwater.model.plan import Plan
from holdwater.model.rules import FAILED, UPSTREAM_FAILED

END: Final = "END"
"""A decision that opens nothing: the loop may come to rest."""


class GatePlan(Protocol):
    """Gates over nodes, by number."""

    @property
    def plan(self) -> Plan: ...
    @property
    def controlling_gates(self) -> Sequence[tuple[int, ...]]:
        """By node: the gates over it."""

    @property
    def gate_targets(self) -> Sequence[tuple[int, ...]]:
        """By gate: what it may open."""


class RuleState(Protocol):
    """The part of a run's state that rules read."""

    @property
    def compiled_plan(self) -> GatePlan: ...
    @property
    def node_states(self) -> Sequence[str]: ...
    @property
    def run_counts(self) -> Sequence[int]: ...
    @property
    def last_decision(self) -> Mapping[int, Sequence[str]]: ...
    @property
    def open_targets(self) -> Mapping[int, Collection[str]]: ...
    @property
    def closed_gates(self) -> Container[int]: ...
    @property
    def rule_results(self) -> Sequence[bool]: ...
    @property
    def waived_nodes(self) -> Container[int]: ...


def gate_open_test(gate: int, target: int, name: str, default: bool) -> Callable[[RuleState, int], bool]:
    """The test of an `Open` rule: the gate's pending decision names the target, or it is open by default."""

    def test(m: RuleState, i: int) -> bool:
        named = m.open_targets.get(gate)
        if named and name in named:
            return not (m.compiled_plan.controlling_gates[gate] and is_unreachable(m, gate))
        return (
            default
            and not m.run_counts[gate]
            and not m.run_counts[target]
            and not is_unreachable(m, gate)
            and m.node_states[gate] not in (UPSTREAM_FAILED, FAILED)
        )

    return test


def is_unreachable(m: RuleState, gate: int) -> bool:
    """Return True if all gates above this one have decided against it, or are unreachable themselves.

    One gate that has not is enough to say no, however far above.  Gates may stand over each other in a circle; a gate
    already on the path counts as reachable.  Iterative, and every gate above is visited once: thousands of chained
    gates are normal.
    """
    controllers, nodes = m.compiled_plan.controlling_gates, m.compiled_plan.plan.nodes
    if not controllers[gate]:
        return False
    cut: set[int] = set()
    on_way = {gate}
    path = [(gate, iter(controllers[gate]))]
    while path:
        g, rest = path[-1]
        for above in rest:
            if above == g or above in cut or (above in m.closed_gates and not m.run_counts[above]):
                continue
            if m.run_counts[above]:
                if nodes[g].name in m.last_decision.get(above, ()):
                    return False
            elif m.node_states[above] != WAITING or not controllers[above] or above in on_way:
                return False
            else:
                on_way.add(above)
                path.append((above, iter(controllers[above])))
                break
        else:
            path.pop()
            on_way.discard(g)
            cut.add(g)
    return True


def hold_back_targets(m: RuleState, ready: list[int]) -> list[int]:
    """Select the ready nodes of a loop that run now.

    A ready gate holds back its targets; decisions of a gate it controls wait too, unless nothing else can run.
    """
    targets, nodes = m.compiled_plan.gate_targets, m.compiled_plan.plan.nodes
    held: set[int] = set()
    for i in ready:
        held.update(targets[i])
    far: set[int] = set()
    stack = [t for t in held if targets[t]]
    while stack:
        g = stack.pop()
        for t in targets[g]:
            if t not in far and nodes[t].name in m.open_targets.get(g, ()):
                far.add(t)
                stack.append(t)
    run = [i for i in ready if i not in held] or ready  # gates that hold each other all go
    return [i for i in run if i not in far] or run
