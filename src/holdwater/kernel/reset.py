"""Resumption of runs, and reset of nodes whose causes are done anew.

A node that is reset is as if it had never run.  Fencing tokens are never reset.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from holdwater.kernel.compiled_plan import RUN_INDEX
from holdwater.kernel.issuing import issue_node
from holdwater.kernel.machine_state import MachineState
from holdwater.kernel.states import WAITING
from holdwater.model import events as ev
from holdwater.model.rules import FAILED, SKIPPED


def resume_run(m: MachineState, e: ev.Resumed) -> None:
    """Resume a run, with new inputs if there are any, from a node of a sequence if one is given."""
    ended, unhurt = m.ended, not m.halted and not m.failed
    m.suspended = False
    m.status = "running"
    anew = _set_inputs(m, e.inputs)
    if e.start_node is not None:
        anew += _restart_from(m, e.start_node)
    if not ended and not anew:
        return
    again = _reset_nodes(m, anew, include_failures=ended, keep_loop_state=unhurt)
    if ended:
        m.start_count += 1
    m.reset_count += 1
    held, m.halted_nodes, m.halted = m.halted_nodes, [], ""
    m.errors.pop(RUN_INDEX, None)
    for u in m.ready_units:  # a loop that ran out of iterations
        for i in m.compiled_plan.unit_members[u]:
            m.errors.pop(i, None)
    for i in held + again:
        for counted in (m.errors, m.failure_counts, m.crash_counts):
            counted.pop(i, None)
        issue_node(m, i)
    m.failed = any(m.compiled_plan.plan.nodes[i].on_error != "ignore" for i in m.errors)


def _set_inputs(m: MachineState, inputs: Mapping[str, Any]) -> list[int]:
    """Write new inputs, each the latest write of its cell.  Returns the nodes that read them."""
    for name, value in inputs.items():
        m.write_input(m.compiled_plan.cell_index[name], value)
    return m.compiled_plan.readers(inputs) if inputs else []


def _restart_from(m: MachineState, start: int) -> list[int]:
    """Let a sequence go on from `start`: nodes before it that have not succeeded are skipped.

    A range that an earlier decision skipped and that has `start` in it is void.  Returns the nodes to evaluate again.
    """
    nodes, held = m.compiled_plan.plan.nodes, set(m.halted_nodes)
    for i in [i for i in m.errors if 0 <= i < start and i not in held and nodes[i].on_error != "ignore"]:
        m.node_states[i] = SKIPPED
        del m.errors[i]
    for i, pairs in m.last_decision.items():
        left = [k for k, span in enumerate(m.compiled_plan.node_ranges(pairs)) if start not in span]
        m.last_decision[i] = tuple([name for k in left for name in pairs[2 * k : 2 * k + 2]])
    m.last_decision[RUN_INDEX] = (nodes[0].name, nodes[start].name)
    return [i for i in (*m.halted_nodes, *m.todo, *m.pending_inputs) if i < start] + [start]


def _reset_nodes(
    m: MachineState, changed_nodes: Iterable[int], *, include_failures: bool, keep_loop_state: bool
) -> list[int]:
    """Reset the changed nodes, failures that let the run go on, and all nodes after either.

    What ran because of a failure must not stand beside its success.  A failure that counts for nothing (`ignore`)
    stays: the run is not in want of it, and what came after it is done.  Returns the failed nodes that can start again
    now; what is to be done anew is looked at again, and what is behind another one comes when that has settled.
    """
    compiled_plan, need, nodes = m.compiled_plan, m.unmet_counts, m.compiled_plan.plan.nodes
    held = set(m.halted_nodes)
    failed: list[int] = []
    if include_failures:
        failed = [
            i for i, s in enumerate(m.node_states) if s == FAILED and i not in held and nodes[i].on_error != "ignore"
        ]
    begun = {
        compiled_plan.unit_of[i]
        for i in changed_nodes
        if m.node_states[i] != WAITING or compiled_plan.unit_of[i] in m.supersteps
    }
    back = compiled_plan.descendants([*begun, *[compiled_plan.unit_of[i] for i in failed]])
    # A unit that waits for no other, is not queued, not halted and has no work has settled.
    queued, busy = set(m.ready_units), held.union(m.todo, m.pending_inputs)
    settled = [u for u in back if not need[u] and u not in queued and busy.isdisjoint(compiled_plan.unit_members[u])]
    for u in settled:
        for v in compiled_plan.successors[u]:
            need[v] += 1
    again = [i for i in failed if not need[compiled_plan.unit_of[i]] and compiled_plan.unit_of[i] not in begun]
    fans = {i: m.fan_outs[i] for i in again if i in m.fan_outs}
    m.ready_units = deque(u for u in m.ready_units if u not in back)
    m.halted_nodes = [i for i in m.halted_nodes if compiled_plan.unit_of[i] not in back]
    if keep_loop_state:
        _keep_loop_state(m, back)
    for u in back:
        m.supersteps.pop(u, None)
        for i in compiled_plan.unit_members[u]:
            _reset_node(m, i)
    m.fan_outs.update(fans)
    if compiled_plan.plan.sequence:
        m.skipped_nodes.clear()
        for pairs in m.last_decision.values():
            m.skip_ranges(pairs)
    m.new_commands = [c for c in m.new_commands if m.todo.get(c.node) is c]
    m.ready_units.extend(u for u in sorted(begun) if not need[u])
    return again


def _keep_loop_state(m: MachineState, units: Iterable[int]) -> None:
    """Keep the values that loops both read and write: a loop that is done anew begins with its last ones."""
    compiled_plan = m.compiled_plan
    seeds = {compiled_plan.cell_index[name] for name in compiled_plan.plan.aliases}
    for u in units if seeds else ():
        inside = compiled_plan.unit_members[u]
        made = seeds.intersection([c for i in inside for c in compiled_plan.write_cells[i] if m.versions[c]])
        for c in made.intersection([c for i in inside for cells in compiled_plan.read_cells[i] for c in cells]):
            m.given_values[c] = (m.values[c], m.versions[c])


def _reset_node(m: MachineState, i: int) -> None:
    """Reset a node to the state before its first evaluation."""
    m.node_states[i] = WAITING
    m.run_counts[i] = 0
    m.closed_gates.discard(i)
    for known in (
        m.errors,
        m.failure_counts,
        m.crash_counts,
        m.consumed_versions,
        m.open_targets,
        m.last_decision,
        m.deferred_until,
        m.fan_outs,
        m.pending_inputs,
        m.todo,
    ):
        known.pop(i, None)
    for g in m.consumed_gates.pop(i, ()):
        if g in m.open_targets:
            m.open_targets[g].add(m.compiled_plan.plan.nodes[i].name)
    for c in m.compiled_plan.write_cells[i]:
        m.values[c], m.versions[c] = m.given_values.get(c, (None, 0))
