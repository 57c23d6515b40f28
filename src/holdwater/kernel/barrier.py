"""The end of a superstep of a loop: the outputs of its nodes are published together, in plan order.

Decisions and versions are consumed here, before anything new is written.  A version counts writes, not equality: an
equal value is a new value.
"""

from __future__ import annotations

from typing import Any

from holdwater.kernel.compiled_plan import CompiledLoop
from holdwater.kernel.machine_state import MachineState, Superstep
from holdwater.model.rules import SUCCEEDED


def complete_member(
    m: MachineState, loop: CompiledLoop, node: int, values: tuple[Any, ...], decision: tuple[str, ...] | None
) -> None:
    """Complete a node of the current superstep; the last one publishes the outputs of all."""
    m.node_states[node] = SUCCEEDED
    r = m.supersteps[loop.unit]
    r.results[node] = (values, decision)
    r.remaining -= 1
    if not r.remaining:
        commit_superstep(m, loop, r)


def commit_superstep(m: MachineState, loop: CompiledLoop, r: Superstep) -> None:
    """Consume the decisions the nodes have used, and write their outputs, in plan order."""
    for i in r.issued_nodes:
        m.consumed_versions[i] = read_versions(m, i)
        for g in m.compiled_plan.controlling_gates[i]:
            if m.open_targets.get(g):
                name = m.compiled_plan.plan.nodes[i].name
                if name in m.open_targets[g]:
                    m.open_targets[g].discard(name)
                    if m.compiled_plan.unit_of[g] != loop.unit:
                        m.consumed_gates.setdefault(i, set()).add(g)
    for i in r.issued_nodes:
        values, decision = r.results.pop(i)
        m.write_outputs(i, values, decision)
        r.candidates.update(loop.dependents[i])
        if i in loop.gates_of_gates:
            r.candidates.update(loop.gated_by_gates)
    m.ready_units.append(loop.unit)


def read_versions(m: MachineState, i: int) -> list[int]:
    """Return the latest version of each read of the node."""
    stamp = m.versions
    single = m.compiled_plan.single_cell_reads[i]
    if single is not None:
        return [stamp[c] for c in single]
    return [max([stamp[c] for c in cells], default=0) for cells in m.compiled_plan.read_cells[i]]
