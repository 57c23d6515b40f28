"""Outstanding work of a running run: executed, claimed, queued, lost, or due later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdwater.model.events import CancelRequested, Resumed
from holdwater.model.records import WorkRow
from holdwater.model.time import Micros, seconds_between, to_rfc3339
from holdwater.operations.doctor.commands import continue_command
from holdwater.operations.doctor.findings import Finding
from holdwater.operations.doctor.queue import queue_findings
from holdwater.operations.doctor.state import MAX_NAMES, DatabaseState, name_list
from holdwater.operations.limits import LimitInfo, full_limits, list_limits
from holdwater.runs.nodes import NodeView
from holdwater.runs.view import RunView

MAX_TIMERS: Final = 5
MAX_OWNERS: Final = 10


@dataclass(frozen=True, slots=True)
class TaskWork:
    """A row of the queue, with the node it is of."""

    row: WorkRow
    node: NodeView


def work_findings(state: DatabaseState, view: RunView) -> Iterator[Finding]:
    """Find out about the outstanding work of a run that is running.  Raises StoreUnavailable."""
    rows = state.database.store.work_of_run(view.id)
    work = [TaskWork(row, view.nodes[row.node]) for row in rows if row.kind != "children"]
    held = [one for one in work if one.row.owner is not None]
    free = [one for one in work if one.row.owner is None]
    lost = [one for one in free if one.row.reclaimed]
    yield from _cancel_findings(view)
    yield from _owner_findings(state, view, held)
    if lost:
        yield _orphaned_finding(state, view, lost, None)
    due = [one for one in free if not one.row.reclaimed and (one.row.kind == "execute" or one.row.due_at <= state.now)]
    if due:
        owners = [one.row.owner for one in held if one.row.owner and not state.is_dead(one.row)]
        blocked, due = _split_limited(state, due)
        for limit, work_of_limit in blocked:
            yield _limit_finding(state, view, limit, work_of_limit)
        if due:
            yield from queue_findings(state, view, [one.row for one in due], [one.node.name for one in due], owners)
    timers = [one for one in work if one.row.kind == "timer" and one.row.due_at > state.now and not one.row.reclaimed]
    yield from _timer_findings(state, view, timers)
    if not rows and not view.own_pauses:
        yield Finding(
            "nothing_outstanding",
            "warning",
            "The run has not ended, and no work of it is queued.  If this lasts, `holdwater verify` tells if it is a"
            " defect.",
            {},
            ("verify",),
            view.id,
        )


def _cancel_findings(view: RunView) -> Iterator[Finding]:
    for entry in reversed(view.journal):
        if isinstance(entry.event, Resumed):
            return
        if isinstance(entry.event, CancelRequested):
            by, why = entry.event.by, entry.event.reason
            yield Finding(
                "cancelling",
                "info",
                f"The run is being cancelled{f' by {by}' if by else ''}{f': {why}' if why else ''}; it ends when what"
                " is executed has.",
                {"by": by or None, "reason": why or None, "requested_at": to_rfc3339(entry.recorded_at)},
                run_id=view.id,
            )
            return


# -- work that waits for a place in a concurrency limit


def _split_limited(
    state: DatabaseState, due: Sequence[TaskWork]
) -> tuple[list[tuple[LimitInfo, list[TaskWork]]], list[TaskWork]]:
    """Split work that is due: by the first full limit it counts towards, and that which no limit holds up."""
    if not any([one.row.limit_keys for one in due]):
        return [], list(due)
    limits = list_limits(state.database)
    blocked: dict[str, tuple[LimitInfo, list[TaskWork]]] = {}
    rest: list[TaskWork] = []
    for one in due:
        full = full_limits(limits, one.row.limit_keys)
        if full:
            blocked.setdefault(full[0].key, (full[0], []))[1].append(one)
        else:
            rest.append(one)
    return list(blocked.values()), rest


def _limit_finding(state: DatabaseState, view: RunView, limit: LimitInfo, work: Sequence[TaskWork]) -> Finding:
    names = [f"{one.task!r} of run {one.run_id} on {state.describe_owner(one.runner)}" for one in limit.holders[:3]]
    more = limit.used_count - len(names)
    held = f", held by {'; '.join(names)}{f' and {more:,} more' if more > 0 else ''}" if names else ""
    waits = "waits" if len(work) == 1 else "wait"
    return Finding(
        "limit_full",
        "problem" if not limit.max_running else "info",
        f"{_tasks(work)} {waits} for a place in the limit {limit.key!r}, which is full: {limit.used_count:,} of"
        f" {limit.max_running:,}{held}.",
        {
            **_work_facts(work),
            "limit": limit.key,
            "max": limit.max_running,
            "used": limit.used_count,
            "waiting": limit.waiting_count,
            "holders": [{"run_id": one.run_id, "task": one.task, "runner": one.runner} for one in limit.holders],
        },
        ("limits", "list"),
        view.id,
    )


# -- work that runners have


def _owner_findings(state: DatabaseState, view: RunView, held: Sequence[TaskWork]) -> Iterator[Finding]:
    by_owner: dict[str, list[TaskWork]] = {}
    for one in held:
        by_owner.setdefault(one.row.owner or "", []).append(one)
    for owner, work in list(by_owner.items())[:MAX_OWNERS]:
        if state.is_dead(work[0].row):
            yield _orphaned_finding(state, view, work, owner)
            continue
        tasks = [one for one in work if one.row.kind == "execute"]
        runner = state.find_runner(owner)
        if runner is not None and runner.status in ("unresponsive", "gone"):
            yield _silent_finding(state, view, work, owner, runner.seen_at)
        elif any(one.row.started for one in tasks):
            yield _executing_finding(state, view, [one for one in tasks if one.row.started], owner)
        elif tasks:
            yield _claimed_finding(state, view, tasks, owner)


def _executing_finding(state: DatabaseState, view: RunView, work: Sequence[TaskWork], owner: str) -> Finding:
    runner = state.find_runner(owner)
    heard = "" if runner is None else f", last heard of {state.ago(runner.seen_at)}"
    return Finding(
        "executing",
        "info",
        f"{_tasks(work)} {_is(work)} executed by {state.describe_owner(owner)}{heard}; its lease ends"
        f" {state.ahead(_lease_end(work))}, unless it is renewed.",
        {**_work_facts(work), **state.owner_facts(owner), "lease_until": to_rfc3339(_lease_end(work))},
        ("runs", "logs", view.id, "--follow"),
        view.id,
    )


def _claimed_finding(state: DatabaseState, view: RunView, work: Sequence[TaskWork], owner: str) -> Finding:
    return Finding(
        "claimed",
        "info",
        f"{_tasks(work)} {_is(work)} claimed by {state.describe_owner(owner)} and not begun: its slots are full, or"
        " it is about to begin.",
        {**_work_facts(work), **state.owner_facts(owner), "lease_until": to_rfc3339(_lease_end(work))},
        run_id=view.id,
    )


def _silent_finding(
    state: DatabaseState, view: RunView, work: Sequence[TaskWork], owner: str, seen_at: Micros
) -> Finding:
    alive = state.database.store.is_alive(owner)
    if alive:
        then = "its process lives, and keeps what it has: look at that process (`py-spy dump`), or end it"
    else:
        then = f"others take this over when its lease has ended, {state.ahead(_lease_end(work))}"
    return Finding(
        "runner_silent",
        "problem" if alive or not state.takers(view.info.claim_key) else "warning",
        f"{_tasks(work)} {_is(work)} held by {state.describe_owner(owner)}, which was last heard of"
        f" {state.ago(seen_at)}; {then}.",
        {**_work_facts(work), **state.owner_facts(owner), "lease_until": to_rfc3339(_lease_end(work))},
        run_id=view.id,
    )


def _orphaned_finding(state: DatabaseState, view: RunView, work: Sequence[TaskWork], owner: str | None) -> Finding:
    """Work of a runner that died.  `owner`: None if the work was taken from it already."""
    takers = state.takers(view.info.claim_key)
    lost = "died or lost its lease" if owner is None else "is dead"
    who = "the runner that had it" if owner is None else state.describe_owner(owner)
    if takers:
        then = f"{name_list([runner.name for runner in takers])} will take the run over"
    else:
        then = "no live runner has the workflow: start one, and the run goes on there"
    facts = {**_work_facts(work), **({} if owner is None else state.owner_facts(owner))}
    return Finding(
        "orphaned",
        "warning" if takers else "problem",
        f"{_tasks(work)} {_was(work)} lost: {who} {lost}; {then}.",
        facts | {"taken_by": [runner.name for runner in takers[:MAX_NAMES]]},
        () if takers else continue_command(state, view),
        view.id,
    )


# -- timers


def _timer_findings(state: DatabaseState, view: RunView, timers: Sequence[TaskWork]) -> Iterator[Finding]:
    ordered = sorted(timers, key=lambda one: one.row.due_at)
    for one in ordered[:MAX_TIMERS]:
        yield _timer_finding(state, view, one)
    if len(ordered) > MAX_TIMERS:
        yield Finding(
            "waiting_until",
            "info",
            f"{len(ordered) - MAX_TIMERS:,} more tasks wait for later instants.",
            {"tasks": [one.node.name for one in ordered[MAX_TIMERS:][:MAX_NAMES]]},
            run_id=view.id,
        )


def _timer_finding(state: DatabaseState, view: RunView, work: TaskWork) -> Finding:
    at, node = work.row.due_at, work.node
    workflow, key = view.info.workflow, view.info.claim_key
    is_watched = work.row.owner is not None or bool(state.takers(key) or state.possible_takers(key))
    unwatched = "" if is_watched else "  No live runner has the workflow, so nothing will happen then."
    severity: Any = "info" if is_watched else "problem"
    command = () if is_watched else continue_command(state, view)
    last = node.attempts[-1] if node.attempts else None
    if last is not None and last.retry_at is not None and node.deferred_until is None:
        retry = state.node_facts(workflow, node.name).get("retry") or {}
        limit = retry.get("max_attempts")
        of = f" of {limit}" if limit else ""
        facts = {
            "task": node.name,
            "attempt": last.number,
            "max_attempts": limit,
            "error": last.error,
            "retry_at": to_rfc3339(at),
        }
        error = (last.error or "").partition("\n")[0]
        sentence = f"Task {node.name!r} failed at attempt {last.number}{of} ({error}) and is tried again"
        return Finding("retry_waiting", severity, f"{sentence} {state.ahead(at)}.{unwatched}", facts, command, view.id)
    return Finding(
        "waiting_until",
        severity,
        f"Task {node.name!r} waits until {to_rfc3339(at)[:19]}Z, which is in"
        f" {state.ahead(at).removeprefix('in ').partition(',')[0]}.{unwatched}",
        {"task": node.name, "until": to_rfc3339(at), "wait_seconds": max(0.0, seconds_between(state.now, at))},
        command,
        view.id,
    )


# -- texts


def _tasks(work: Sequence[TaskWork]) -> str:
    names = [one.node.name for one in work]
    return f"{'Task' if len(names) == 1 else 'Tasks'} {name_list(names)}"


def _is(work: Sequence[TaskWork]) -> str:
    return "is" if len(work) == 1 else "are"


def _was(work: Sequence[TaskWork]) -> str:
    return "was" if len(work) == 1 else "were"


def _lease_end(work: Sequence[TaskWork]) -> Micros:
    return min([one.row.lease_until for one in work])


def _work_facts(work: Sequence[TaskWork]) -> dict[str, Any]:
    return {"tasks": [one.node.name for one in work[:MAX_NAMES]]}
