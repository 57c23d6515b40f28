"""What happened to each node of a run: states, times, attempts and errors, read from its journal."""

from __future__ import annotations

from dataclasses import dataclass

from holdwater.kernel import Machine
from holdwater.kernel.gates import WAITING
from holdwater.kernel.states import AWAITING_CHILDREN, AWAITING_INPUT, DELAYED, EVALUATING, ISSUED
from holdwater.model import events as ev
from holdwater.model.rules import CANCELLED, FAILED, SETTLED_OUTCOMES, SKIPPED, SUCCEEDED, UPSTREAM_FAILED
from holdwater.model.time import Micros
from holdwater.runtime.active_run import ActiveRun

DISPLAY_STATES = {
    WAITING: "Pending",
    EVALUATING: "Pending",
    ISSUED: "Ready",
    DELAYED: "Waiting",
    AWAITING_INPUT: "Waiting",
    AWAITING_CHILDREN: "Running",
    SUCCEEDED: "Completed",
    FAILED: "Failed",
    SKIPPED: "Skipped",
    UPSTREAM_FAILED: "Skipped",
    CANCELLED: "Cancelled",
}


@dataclass(slots=True)
class NodeHistory:
    """One node of a run.  Instants in microseconds since the epoch.

    `attempts`: bodies that began, as far as known, in the latest iteration; `iterations`: how often the node was
    executed: more than once in a loop, or because of new inputs.

    `error` and `traceback` are those of its last attempt, None if that did not fail or left none.
    """

    name: str
    state: str
    started_at: Micros | None = None
    ended_at: Micros | None = None
    attempts: int = 0
    iterations: int = 0
    error: str | None = None
    traceback: str | None = None
    reason: str | None = None
    notes: tuple[str, ...] = ()


def build_node_histories(run: ActiveRun) -> list[NodeHistory]:
    """The history of every node, in definition order."""
    machine = run.machine
    out = [
        NodeHistory(n.name, DISPLAY_STATES[machine.node_states[i]]) for i, n in enumerate(run.compiled_plan.plan.nodes)
    ]
    taken_back = _find_reset_nodes(run)
    closed = set(range(len(out)))  # the next attempt of these is the first of another iteration
    for k, entry in enumerate(run.entries):
        for i in taken_back.get(k, ()):
            h = out[i]
            h.started_at = h.ended_at = h.error = h.traceback = None
            if h.attempts:
                closed.discard(i)  # what is tried again goes on with its attempts
        match entry.event:
            case ev.Succeeded(node=i):
                h = out[i]
                _count_attempt(h, i, closed)
                closed.add(i)
                h.started_at, h.ended_at = h.started_at or entry.started_at, entry.ended_at
                h.error = h.traceback = None
            case ev.Failed(node=i, error=text, traceback=traceback):
                h = out[i]
                _count_attempt(h, i, closed)
                h.started_at, h.ended_at = h.started_at or entry.started_at or None, entry.ended_at
                h.error, h.traceback = text, traceback or None
            case ev.AttemptLost(node=i, counts_as_crash=True):
                h = out[i]
                _count_attempt(h, i, closed)
                h.error, h.traceback = "its process died", None
            case ev.Cancelled(node=i):
                h = out[i]
                if entry.started_at:
                    _count_attempt(h, i, closed)
                    h.started_at, h.ended_at = h.started_at or entry.started_at, entry.ended_at
            case ev.ChildRunsRequested(node=i):
                out[i].started_at = out[i].started_at or entry.started_at
                continue
            case ev.InputRequested(node=i):
                h = out[i]
                _count_attempt(h, i, closed)
                h.started_at, h.error, h.traceback = h.started_at or entry.started_at, None, None
            case ev.InputProvided(node=i):
                out[i].ended_at = entry.recorded_at
                closed.add(i)
                continue
            case _:
                continue
        if entry.observer_errors:
            h.notes += entry.observer_errors
    for i, row in run.work_rows.items():
        if row.started and row.kind == "execute" and out[i].state == "Ready":
            out[i].state = "Running"
    for i, h in enumerate(out):
        if machine.node_states[i] == UPSTREAM_FAILED:
            h.reason = _upstream_failure_reason(run, i)
        elif machine.node_states[i] == SKIPPED:
            h.reason = "a jump passed it over" if i in machine.skipped_nodes else "its trigger rule did not hold"
    return out


def _count_attempt(history: NodeHistory, node: int, closed: set[int]) -> None:
    """Count an attempt: one more, or the first of another iteration."""
    if node in closed:
        closed.discard(node)
        history.iterations += 1
        history.attempts = 0
    history.attempts += 1


def _find_reset_nodes(run: ActiveRun) -> dict[int, list[int]]:
    """Entry of a retry -> nodes that began anew with it: earlier attempts count, their times and errors do not."""
    found: dict[int, list[int]] = {}
    if run.machine.reset_count:
        machine = Machine(run.compiled_plan)
        for k, entry in enumerate(run.entries):
            rewinds = machine.reset_count
            machine.apply(entry.event)
            if machine.reset_count > rewinds:
                found[k] = [i for i, state in enumerate(machine.node_states) if state not in SETTLED_OUTCOMES]
    return found


def _upstream_failure_reason(run: ActiveRun, node: int) -> str:
    plan, state, index = run.compiled_plan.plan, run.machine.node_states, run.compiled_plan.node_index
    failed = [d for d in plan.nodes[node].after if state[index[d]] == FAILED]
    cut = [d for d in plan.nodes[node].after if state[index[d]] == UPSTREAM_FAILED]
    if failed:
        return f"upstream failed: {', '.join(failed)}"
    return f"upstream was skipped because of a failure: {', '.join(cut)}"
