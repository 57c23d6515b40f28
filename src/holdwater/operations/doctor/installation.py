"""Diagnosis of a database as a whole: its state, its runners, its queue and its schedules."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from typing import Final

from holdwater.model.duration_text import format_duration
from holdwater.model.time import seconds_between, to_rfc3339
from holdwater.operations.databases import Database
from holdwater.operations.doctor.database import database_findings
from holdwater.operations.doctor.findings import Finding, worst_first
from holdwater.operations.doctor.state import MAX_NAMES, DatabaseState, name_list
from holdwater.operations.schedule_queries import list_schedules

MAX_READY_SECONDS: Final = 60.0
"""in the queue"""
MAX_LATE_SECONDS: Final = 60.0
"""of a schedule behind its instant"""
MAX_READY_ROWS: Final = 1000
MAX_SCHEDULES: Final = 1000


def diagnose_installation(database: Database) -> tuple[Finding, ...]:
    """Find out if a database, its runners and this installation are well, the worst first.

    Changes nothing.  Raises StoreUnavailable.
    """
    state = DatabaseState.of(database)
    return worst_first(
        [
            *database_findings(database),
            *_runner_findings(state),
            *_queue_findings(state),
            *_schedule_findings(state),
            _version_finding(),
        ]
    )


def _runner_findings(state: DatabaseState) -> Iterator[Finding]:
    facts = {"runners": state.runner_facts()}
    alive = [runner for runner in state.runners if runner.is_alive]
    if alive:
        said = f"{len(alive):,} {'runner is' if len(alive) == 1 else 'runners are'} up"
        yield Finding("runners", "ok", f"{said}: {name_list([one.name for one in alive])}.", facts)
    else:
        yield Finding("no_runners", "warning", "No runner is up: nothing is executed, and no schedule fires.", facts)
    for runner in state.runners:
        place = {"runner": runner.name, "host": runner.host, "pid": runner.pid, "seen_at": to_rfc3339(runner.seen_at)}
        who = f"{runner.name!r} ({runner.host}, process {runner.pid})"
        if runner.status == "unresponsive":
            yield Finding(
                "runner_silent",
                "problem",
                f"Runner {who} lives and was last heard of {state.ago(runner.seen_at)}: look at its process"
                " (`py-spy dump`), or end it.",
                place,
            )
        elif runner.status == "gone":
            yield Finding(
                "runner_gone",
                "info",
                f"Runner {who} died, or cannot reach the database; it was last heard of {state.ago(runner.seen_at)}.",
                place,
            )
        elif runner.version != _version():
            yield Finding(
                "version_differs",
                "warning",
                f"Runner {who} is Holdwater {runner.version}, this is {_version()}.",
                {**place, "version": runner.version},
            )


def _queue_findings(state: DatabaseState) -> Iterator[Finding]:
    ready = state.database.store.list_ready_work(MAX_READY_ROWS)
    if not ready:
        yield Finding("queue", "ok", "No task waits for a runner.")
        return
    waited = seconds_between(ready[0].due_at, state.now)
    count = f"{'at least ' if len(ready) >= MAX_READY_ROWS else ''}{len(ready):,}"
    said = f"{count} task{'' if len(ready) == 1 else 's'} wait{'s' if len(ready) == 1 else ''} for a runner"
    facts = {
        "ready": len(ready),
        "oldest_due_at": to_rfc3339(ready[0].due_at),
        "oldest_run": ready[0].run_id,
        "oldest_workflow": ready[0].workflow,
    }
    severity = "warning" if waited > MAX_READY_SECONDS else "info"
    sentence = f"{said}, the oldest for {format_duration(max(0.0, waited))} (workflow {ready[0].workflow!r})."
    yield Finding("queue", severity, sentence, facts, ("doctor", ready[0].run_id))  # type: ignore[arg-type]
    stranded = {row.workflow: row.run_id for row in reversed(ready) if not state.takers(row.workflow)}
    if stranded:
        names = sorted(stranded)
        yield Finding(
            "no_runner",
            "problem",
            f"Tasks of {name_list(names)} wait, and no live runner takes runs of"
            f" {'it' if len(names) == 1 else 'these workflows'}.",
            {"workflows": names[:MAX_NAMES], "runs": [stranded[name] for name in names[:MAX_NAMES]]},
            ("doctor", stranded[names[0]]),
        )


def _schedule_findings(state: DatabaseState) -> Iterator[Finding]:
    for schedule in list_schedules(state.database, enabled_only=True, limit=MAX_SCHEDULES):
        name = schedule.name or schedule.id
        if schedule.kind == "cron" and schedule.next_at is not None:
            late = seconds_between(schedule.next_at, state.now)
            if late > MAX_LATE_SECONDS:
                has_runner = bool(state.starters(schedule.workflow))
                why = "although a runner has its workflow" if has_runner else "as no live runner has its workflow"
                yield Finding(
                    "schedule_late",
                    "problem",
                    f"Schedule {name!r} of {schedule.workflow!r} should have fired {state.ago(schedule.next_at)},"
                    f" and has not, {why}.",
                    {"schedule": schedule.id, "workflow": schedule.workflow, "due_at": to_rfc3339(schedule.next_at)},
                    ("schedules", "show", name),
                )
        if schedule.last_error:
            yield Finding(
                "schedule_failing",
                "warning",
                f"Schedule {name!r} of {schedule.workflow!r} failed: {schedule.last_error.partition(chr(10))[0]}.",
                {"schedule": schedule.id, "workflow": schedule.workflow, "error": schedule.last_error},
                ("schedules", "show", name),
            )


def _version_finding() -> Finding:
    python = platform.python_version()
    return Finding(
        "versions",
        "ok",
        f"Holdwater {_version()} on Python {python}, {platform.system()}.",
        {"holdwater": _version(), "python": python, "platform": platform.platform()},
    )


def _version() -> str:
    return str(sys.modules["holdwater"].__version__)
