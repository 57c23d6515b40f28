"""Loops: supersteps behind a barrier, published together in plan order, so that no interleaving can be seen.

Decisions and versions are consumed at the barrier, before anything new is written.  A version counts writes, not
equality: an equal value is a new value.
"""

from __future__ import annotations

from collections.abc import Container

from holdwater.kernel.barrier import read_versions
from holdwater.kernel.compiled_plan import CompiledLoop
from holdwater.kernel.gates import END, hold_back_targets, is_unreachable
from holdwater.kernel.issuing import issue_node
from holdwater.kernel.machine_state import MachineState, Superstep
from holdwater.kernel.skipping import describe_deadlock, find_skippable
from holdwater.model.rules import SKIPPED, SUCCEEDED


def start_superstep(m: MachineState, loop: CompiledLoop) -> None:
    """Issue the ready nodes of a loop, or settle it if there are none."""
    compiled_plan = m.compiled_plan
    r = m.supersteps.get(loop.unit)
    if r is None:
        r = m.supersteps[loop.unit] = Superstep(set(loop.nodes))
    for i in r.candidates:  # a decision taken on old inputs is void, END is not
        named = m.open_targets.get(i)
        if named and (
            (compiled_plan.controlling_gates[i] and is_unreachable(m, i))
            or (END not in named and _has_new_inputs(m, i))
        ):
            m.open_targets[i] = set()
    ready = [i for i in sorted(r.candidates) if _is_ready(m, i)]
    if not ready:
        ready, stuck = _resolve_no_ready(m, loop)
        if stuck:
            m.ready_units.appendleft(loop.unit)
            m.errors[stuck[0]] = ("deadlock", describe_deadlock(m, loop, stuck))
            m.failed = True
            m.halt("failed")
            return
    run = ready if len(ready) < 2 else hold_back_targets(m, ready)
    r.candidates = set(ready).difference(run) if len(ready) > 1 else set()
    if not run:
        m.closed_gates.update(
            [i for i in loop.nodes if compiled_plan.gate_targets[i] and not m.run_counts[i] and is_unreachable(m, i)]
        )
        for i in loop.nodes:
            m.node_states[i] = SUCCEEDED if m.run_counts[i] else SKIPPED
        m.release_successors(loop.unit)
        return
    if r.iteration == compiled_plan.plan.max_iterations:  # resuming the run grants as many again
        r.iteration = 0
        r.candidates.update(ready)
        m.ready_units.appendleft(loop.unit)
        m.errors[run[0]] = ("loop", f"more than {compiled_plan.plan.max_iterations} iterations")
        m.failed = True
        m.halt("failed")
        return
    r.iteration += 1
    r.remaining, r.issued_nodes = len(run), run
    for i in run:
        issue_node(m, i)


def _resolve_no_ready(m: MachineState, loop: CompiledLoop) -> tuple[list[int], list[int]]:
    """Find the nodes that are ready once skipped members are waived; if there are none, the members in a deadlock.

    One of these that has all it needs, and is the only one, goes before those that wait for it in their turn.  In a
    deadlock is also what a gate has opened again, and what waits for a signal that comes no more.
    """
    if not all([m.run_counts[i] for i in loop.nodes]):
        without = find_skippable(m, loop)
        ready = _ready_nodes(m, [i for i in loop.nodes if i not in without], without)
        if ready:
            return ready, []
        stuck = [i for i in loop.nodes if not m.run_counts[i] and i not in without]
        if stuck:
            first = _ready_nodes(m, stuck, range(len(m.node_states)))
            return (first, []) if len(first) == 1 else ([], stuck)
    return [], [i for i in loop.nodes if m.compiled_plan.newer_reads[i] and m.run_counts[i] and _is_opened(m, i)]


def _ready_nodes(m: MachineState, nodes: list[int], waived: Container[int]) -> list[int]:
    """Return the nodes that are ready if rules count the waived ones as run."""
    m.waived_nodes = waived
    ready = [i for i in nodes if _is_ready(m, i)]
    m.waived_nodes = ()
    return ready


def _is_opened(m: MachineState, i: int) -> bool:
    """Return True if a gate has opened the node and it has not run since."""
    name, controllers = m.compiled_plan.plan.nodes[i].name, m.compiled_plan.controlling_gates
    return any(
        [name in m.open_targets.get(g, ()) and not (controllers[g] and is_unreachable(m, g)) for g in controllers[i]]
    )


def _has_new_inputs(m: MachineState, i: int) -> bool:
    now, was, which = read_versions(m, i), m.consumed_versions[i], m.compiled_plan.rerun_reads[i]
    return now != was if which is None else any([now[k] != was[k] for k in which])


def _is_ready(m: MachineState, i: int) -> bool:
    compiled_plan = m.compiled_plan
    test = compiled_plan.rule_tests[i]
    if test is not None and not test(m, i):
        return False
    if not m.run_counts[i]:
        return m.has_inputs(i)
    if compiled_plan.newer_reads[i]:
        now = read_versions(m, i)
        if any([now[k] <= m.consumed_versions[i][k] for k in compiled_plan.newer_reads[i]]):
            return False
    name = compiled_plan.plan.nodes[i].name
    for g in compiled_plan.controlling_gates[i]:
        if g in m.open_targets and name in m.open_targets[g]:
            return True
    return _has_new_inputs(m, i)
