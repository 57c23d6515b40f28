"""Gates: a decision is state of the machine, consumed when the node it opened has succeeded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from holdwater.model.rules import FAILED, UPSTREAM_FAILED

if TYPE_CHECKING:
    from holdwater.kernel.machine import Machine

END: Final = "END"
"""A decision that opens nothing: the loop may come to rest."""

WAITING: Final = "waiting"


def is_open(gate: int, target: int, name: str, default: bool) -> Callable[[Machine, int], bool]:
    """The test of an `Open` rule: the gate's pending decision names the target, or it is open by default."""

    def test(m: Machine, i: int) -> bool:
        named = m.open_targets.get(gate)
        if named and name in named:
            return not (m.compiled_plan.controllers[gate] and is_unreachable(m, gate))
        return (
            default
            and not m.run_counts[gate]
            and not m.run_counts[target]
            and not is_unreachable(m, gate)
            and m.state[gate] not in (UPSTREAM_FAILED, FAILED)
        )

    return test


def is_unreachable(m: Machine, gate: int) -> bool:
    """All gates above this gate have decided against it, or are cut off themselves.

    One gate that has not is enough to say no, however far above.  Gates may stand over each other in a circle; a gate
    already on the way counts as not cut off.  Iterative, and every gate above is visited once: thousands of chained
    gates are normal.
    """
    controllers, nodes = m.compiled_plan.controllers, m.compiled_plan.plan.nodes
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
            elif m.state[above] != WAITING or not controllers[above] or above in on_way:
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


def gates_first(m: Machine, ready: list[int]) -> list[int]:
    """Which of the ready nodes of a loop go now.

    A ready gate holds back its targets; decisions of a gate it controls wait too, unless nothing else can run.
    """
    targets, nodes = m.compiled_plan.targets, m.compiled_plan.plan.nodes
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
