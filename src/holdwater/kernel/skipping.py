"""A loop in which nothing is ready: which members are skipped, and which of the others are in a deadlock.

A member that never ran is skipped if its gates have decided against it, or if what it cannot do without is made by
skipped members.  Once nothing else can run, the others wait for these no longer.  Members that cannot run even so wait
for each other: such a loop has not completed.
"""

from __future__ import annotations

from typing import Final

from holdwater.kernel.compiled_plan import CompiledLoop
from holdwater.kernel.machine_state import MachineState

_MAX_NAMED_MEMBERS: Final = 10
"""members of a deadlock that its error names"""


def find_skippable(m: MachineState, loop: CompiledLoop) -> set[int]:
    """Find the members that are skipped in this state; linear in the edges of the loop."""
    never = [i for i in loop.nodes if not m.run_counts[i]]
    open_ = _admitted_by_rules(m, never)
    maker = {c: i for i in never for c in m.compiled_plan.write_cells[i]}
    out: set[int] = set()
    todo = never[::-1]
    while todo:
        i = todo.pop()
        if i not in out and (_is_refused_by_gate(m, i, open_, out, loop) or _has_no_writer_left(m, i, maker, out)):
            out.add(i)
            todo += [j for j in loop.dependents[i] if not m.run_counts[j]]
    return out


def _admitted_by_rules(m: MachineState, never: list[int]) -> set[int]:
    """Return the nodes whose rules would hold if all nodes they name had run."""
    m.waived_nodes = range(len(m.node_states))
    found = {i for i in never if (test := m.compiled_plan.rule_tests[i]) is None or test(m, i)}
    m.waived_nodes = ()
    return found


def _is_refused_by_gate(m: MachineState, i: int, open_: set[int], out: set[int], loop: CompiledLoop) -> bool:
    """Return True if no gate admits the node, and one over it has decided otherwise or will not decide."""
    unit, gates = m.compiled_plan.unit_of, m.compiled_plan.controlling_gates[i]
    return i not in open_ and (not gates or any([m.run_counts[g] or g in out or unit[g] != loop.unit for g in gates]))


def _has_no_writer_left(m: MachineState, i: int, maker: dict[int, int], out: set[int]) -> bool:
    """Return True if a required input was not written, and no member that could write it is still to run."""
    return any(
        [
            not any([m.versions[c] for c in cells]) and all([c not in maker or maker[c] in out for c in cells])
            for cells in m.compiled_plan.required_reads[i]
        ]
    )


def describe_deadlock(m: MachineState, loop: CompiledLoop, stuck: list[int]) -> str:
    """Describe which members each of these waits for; of many, the first ones."""
    nodes = m.compiled_plan.plan.nodes
    waits = []
    for i in stuck[:_MAX_NAMED_MEMBERS]:
        others = [nodes[j].name for j in stuck if j != i and i in loop.dependents[j]]
        waits.append(f"{nodes[i].name!r} waits for {', '.join(map(repr, others)) or 'what comes no more'}")
    rest = "; ..." if len(stuck) > _MAX_NAMED_MEMBERS else ""
    return f"a loop stands still, and no gate decided so: {'; '.join(waits)}{rest}"
