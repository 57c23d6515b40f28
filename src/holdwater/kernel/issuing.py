"""Issue and completion of nodes: attempts, timers, questions and children."""

from __future__ import annotations

from typing import Any

from holdwater.kernel import barrier, fanout
from holdwater.kernel.machine_state import MachineState
from holdwater.kernel.states import AWAITING_INPUT
from holdwater.model.commands import StartTimer
from holdwater.model.rules import SUCCEEDED


def issue_node(m: MachineState, i: int) -> None:
    """Issue a node: an attempt, a timer, a question or its children."""
    node = m.compiled_plan.plan.nodes[i]
    if m.deferred_until and i in m.deferred_until:
        m.start_timer(i, StartTimer(i, at=m.deferred_until[i]))
    elif node.kind == "call":
        m.issue_execute(i)
    elif node.kind == "wait":
        m.start_timer(i, StartTimer(i, after_seconds=node.wait_seconds))
    elif node.kind == "fan_out":
        retry_node(m, i)
    elif node.kind == "interrupt" and not m.early_inputs.get(i):
        m.issue_execute(i)
    else:
        request_input(m, i, None)


def request_input(m: MachineState, i: int, question: Any) -> None:
    """Open the node's question, or take the answer that came before it."""
    if m.early_inputs.get(i):
        complete_node(m, i, m.early_inputs[i].pop(0), None)
    else:
        m.node_states[i] = AWAITING_INPUT
        m.pending_inputs[i] = question


def retry_node(m: MachineState, i: int) -> None:
    """Issue a node that may have children: those that have not completed are started first."""
    if not fanout.retry_incomplete(m, i):
        m.issue_execute(i)


def complete_node(m: MachineState, i: int, values: tuple[Any, ...], decision: tuple[str, ...] | None) -> None:
    """Take the outputs of a node; in a loop they are published when the superstep is complete."""
    if m.failure_counts:
        m.failure_counts.pop(i, None)
    if m.deferred_until:
        m.deferred_until.pop(i, None)
    if m.fan_outs:
        m.fan_outs.pop(i, None)
    compiled_plan = m.compiled_plan
    loop = compiled_plan.loop_of[compiled_plan.unit_of[i]]
    if loop is None:
        m.write_outputs(i, values, decision)
        m.settle_node(i, SUCCEEDED)
    else:
        barrier.complete_member(m, loop, i, values, decision)
