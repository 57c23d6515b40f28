"""Fan-out: nodes with child runs.

A node requests them (`ChildRunsRequested`), they are run, and it is executed again when all of them have ended.
Results of children are kept as long as the node has not succeeded: a retry runs only those that did not complete.
"""

from __future__ import annotations

from holdwater.kernel.machine_state import ACTIVE_CHILD_STATUSES, FINAL_CHILD_STATUSES, FanOut, MachineState
from holdwater.kernel.states import AWAITING_CHILDREN
from holdwater.model import events as ev
from holdwater.model.commands import AwaitChildren
from holdwater.model.fanout import ChildResult


def start_children(m: MachineState, e: ev.ChildRunsRequested) -> None:
    """Take a request for child runs."""
    count = len(e.inputs)
    m.fan_outs[e.node] = FanOut(e.fence, e.inputs, e.max_concurrency, e.fail_fast, ["waiting"] * count, [0] * count)


def advance(m: MachineState, i: int) -> None:
    """Start children up to `max_concurrency`; when none is left, execute the node again."""
    fan = m.fan_outs[i]
    while fan.has_startable and len(fan.running) < (fan.max_concurrency or len(fan.statuses)):
        k = fan.next_index
        fan.next_index += 1
        if fan.statuses[k] == "waiting":
            fan.statuses[k] = "running"
            fan.start_counts[k] += 1
            fan.running.add(k)
    if fan.is_finished:
        m.todo.pop(i, None)
        m.issue_execute(i)
        return
    m.node_states[i] = AWAITING_CHILDREN
    command = AwaitChildren(i, fan.generation)
    m.todo[i] = command
    m.new_commands.append(command)


def accepts_child_status(m: MachineState, e: ev.ChildStatusChanged) -> bool:
    """Return True if the child is of this generation, has not ended, and had another status."""
    fan = m.fan_outs.get(e.node)
    if (
        fan is None
        or fan.generation != e.generation
        or not 0 <= e.index < len(fan.statuses)
        or type(m.todo.get(e.node)) is not AwaitChildren
    ):
        return False
    return (
        fan.statuses[e.index] in ACTIVE_CHILD_STATUSES
        and e.status != fan.statuses[e.index]
        and e.status in (*ACTIVE_CHILD_STATUSES, *FINAL_CHILD_STATUSES)
    )


def on_child_status(m: MachineState, e: ev.ChildStatusChanged) -> None:
    """Take the new status of a child."""
    fan, k = m.fan_outs[e.node], e.index
    fan.running.discard(k)
    fan.paused.discard(k)
    match e.status:
        case "running":
            fan.running.add(k)
            fan.statuses[k] = "running"
        case "paused":
            fan.paused.add(k)
            fan.statuses[k] = "paused"
        case "completed":
            fan.statuses[k] = "completed"
            fan.results_by_index[k] = ChildResult("completed", e.values)
        case "failed" | "cancelled" as status:
            fan.statuses[k] = status
            fan.results_by_index[k] = ChildResult(status, {}, e.error)
            fan.failed = True
    advance(m, e.node)


def retry_incomplete(m: MachineState, i: int) -> bool:
    """Start the children that have not completed again, for a retry of the node.  Returns False if there are none."""
    fan = m.fan_outs.get(i)
    if fan is None:
        return False
    left = [k for k, state in enumerate(fan.statuses) if state != "completed"]
    if not left:
        return False
    fan.running.clear()
    fan.paused.clear()
    fan.failed = False
    fan.next_index = left[0]
    for k in left:
        fan.statuses[k] = "waiting"
        fan.results_by_index.pop(k, None)
    advance(m, i)
    return True


def all_paused(m: MachineState) -> bool:
    """Return True if all outstanding work are children, and all active ones are paused."""
    return all(
        type(c) is AwaitChildren and not m.fan_outs[c.node].running and not m.fan_outs[c.node].is_stopping
        for c in m.todo.values()
    )
