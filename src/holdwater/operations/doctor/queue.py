"""Work that is due and that no runner has taken: no runner, no executor, or no free slot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from holdwater.model.duration_text import format_duration
from holdwater.model.records import WorkRow
from holdwater.model.suggestions import did_you_mean
from holdwater.model.time import seconds_between, to_rfc3339
from holdwater.operations.doctor.commands import continue_command
from holdwater.operations.doctor.findings import Finding
from holdwater.operations.doctor.releases import no_release_finding
from holdwater.operations.doctor.state import MAX_NAMES, DatabaseState, name_list
from holdwater.operations.runners import RunnerInfo
from holdwater.runs.view import RunView

LONG_WAIT_SECONDS: Final = 60.0
"""in the queue, after which that is worth a warning"""
MAX_COUNTED: Final = 1000
"""tasks before this one in the queue that are counted"""


def queue_findings(
    state: DatabaseState, view: RunView, rows: Sequence[WorkRow], names: Sequence[str], owners: Sequence[str]
) -> Iterator[Finding]:
    """Find out why work that is due is not taken.

    `names`: of the tasks of `rows`.  `owners`: live runners that have other work of the run.
    """
    workflow = view.info.workflow
    takers = state.takers(view.info.claim_key)
    wanted = {name: state.node_facts(workflow, name).get("executor") for name in names}
    served = {executor for runner in state.runners if runner.is_alive for executor in runner.executors}
    missing = [
        executor for executor in dict.fromkeys(wanted.values()) if executor is not None and executor not in served
    ]
    for executor in missing:
        yield _no_executor_finding(state, view, executor, [name for name in names if wanted[name] == executor])
    if not takers:
        if owners:
            yield _own_runner_finding(state, view, owners[0], rows, names)
        elif view.info.release is not None:
            facts = {"tasks": list(names[:MAX_NAMES]), "due_at": to_rfc3339(min([one.due_at for one in rows]))}
            yield no_release_finding(state, view, "", facts)
        elif not (missing and served):
            yield _no_runner_finding(state, view, rows, names)
        return
    rest = [(row, name) for row, name in zip(rows, names, strict=True) if wanted[name] not in missing]
    if rest:
        yield _slots_finding(state, view, takers, [row for row, _ in rest], [name for _, name in rest])


def _no_runner_finding(state: DatabaseState, view: RunView, rows: Sequence[WorkRow], names: Sequence[str]) -> Finding:
    workflow = view.info.workflow
    row = state.workflow(workflow)
    if row is None:
        known = [name for runner in state.runners for name in runner.workflows]
        near = did_you_mean(workflow, known)
        announced = "no runner of this database has ever announced it"
    else:
        near, announced = "", f"it was last announced {state.ago(row.seen_at)}"
    private = [runner.name for runner in state.possible_takers(view.info.claim_key)]
    others = [one for one in state.runners if one.is_alive]
    there = f"{len(others):,} other {'runner is' if len(others) == 1 else 'runners are'} up" if others else "none is up"
    alone = (
        f"  {name_list(private)} {'has' if len(private) == 1 else 'have'} it, for runs of its own." if private else ""
    )
    return Finding(
        "no_runner",
        "warning" if private else "problem",
        f"No live runner takes runs of workflow {workflow!r}: {announced}; {there}.{alone}{near and '  '}{near}",
        {
            "workflow": workflow,
            "tasks": list(names[:MAX_NAMES]),
            "due_at": to_rfc3339(min([one.due_at for one in rows])),
            "announced_at": None if row is None else to_rfc3339(row.seen_at),
            "runners": state.runner_facts(),
        },
        continue_command(state, view),
        view.id,
    )


def _own_runner_finding(
    state: DatabaseState, view: RunView, owner: str, rows: Sequence[WorkRow], names: Sequence[str]
) -> Finding:
    """Tell of work behind that of a runner that has the run: one of its own, or too young to be listed."""
    waited = max(0.0, seconds_between(min([row.due_at for row in rows]), state.now))
    return Finding(
        "queued",
        _severity(waited),
        f"{'Task' if len(names) == 1 else 'Tasks'} {name_list(list(names))} {'has' if len(names) == 1 else 'have'} been"
        f" queued for {format_duration(waited)}; {state.describe_owner(owner)} executes the run and should take"
        f" {'it' if len(names) == 1 else 'them'}.",
        {"tasks": list(names[:MAX_NAMES]), **state.owner_facts(owner)},
        run_id=view.id,
    )


def _no_executor_finding(state: DatabaseState, view: RunView, executor: str, names: Sequence[str]) -> Finding:
    has = {runner.name: sorted(runner.executors) for runner in state.runners[:MAX_NAMES] if runner.is_alive}
    said = "; ".join([f"{name!r} has {name_list(executors)}" for name, executors in list(has.items())[:5]])
    return Finding(
        "no_executor",
        "problem",
        f"{'Task' if len(names) == 1 else 'Tasks'} {name_list(list(names))} {'needs' if len(names) == 1 else 'need'}"
        f" the executor {executor!r}, and no live runner has it{f': {said}' if said else ''}.",
        {"executor": executor, "tasks": list(names[:MAX_NAMES]), "executors": has},
        run_id=view.id,
    )


def _slots_finding(
    state: DatabaseState, view: RunView, takers: Sequence[RunnerInfo], rows: Sequence[WorkRow], names: Sequence[str]
) -> Finding:
    slots = sum([sum(runner.executors.values()) for runner in takers])
    held = [row for runner in takers for row in state.database.store.work_of_owner(runner.owner)]
    busy = sum([row.kind == "execute" for row in held])
    first = min(rows, key=lambda row: (row.due_at, row.node))
    waited = seconds_between(first.due_at, state.now)
    before = _count_before(state, first)
    queued = f"{'Task' if len(names) == 1 else 'Tasks'} {name_list(list(names))} {'has' if len(names) == 1 else 'have'}"
    facts: dict[str, Any] = {
        "tasks": list(names[:MAX_NAMES]),
        "due_at": to_rfc3339(first.due_at),
        "slots": slots,
        "busy": busy,
        "queued_before": before,
        "runners": [runner.name for runner in takers[:MAX_NAMES]],
    }
    ahead = f"{'at least ' if before >= MAX_COUNTED else ''}{before:,} ready task{'' if before == 1 else 's'}"
    if busy >= slots:
        sentence = (
            f"{queued} been queued for {format_duration(max(0.0, waited))}, behind {ahead}: all {slots} slots of"
            f" {name_list([runner.name for runner in takers])} are taken."
        )
        return Finding("slots_full", _severity(waited), sentence, facts, run_id=view.id)
    sentence = (
        f"{queued} been queued for {format_duration(max(0.0, waited))}, behind {ahead};"
        f" {name_list([runner.name for runner in takers])} should take the run."
    )
    return Finding("queued", _severity(waited), sentence, facts, run_id=view.id)


def _severity(waited_seconds: float) -> Any:
    return "warning" if waited_seconds > LONG_WAIT_SECONDS else "info"


def _count_before(state: DatabaseState, row: WorkRow) -> int:
    """Count the ready tasks that are older than this one."""
    place = (row.due_at, row.run_id, row.node, row.fence)
    ready = state.database.store.list_ready_work(MAX_COUNTED)
    return sum([(one.due_at, one.run_id, one.node, one.fence) < place for one in ready])
