"""The events of a run, made from its journal."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from holdwater import DefaultRunner
from holdwater.events import run_events as events
from holdwater.events.stream import RunEventStream, run_events
from holdwater.runtime.active_run import ActiveRun
from tests.suite.runners import Define, define

__all__ = ["define"]


def fail_first(failures: int) -> Callable[[object], None]:
    left = [failures]

    def body(context: object) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError("no route")

    return body


def briefly(event: events.RunEvent) -> str:
    return f"{event.type} {event.node}" if isinstance(event, events.NodeEvent) else event.type


@pytest.fixture
def failed_run(define: Define) -> ActiveRun:
    """A run of three tasks: the second fails once and is tried again, the third fails for good."""
    name = define(
        "etl",
        ("load", fail_first(0), {}),
        ("clean", fail_first(1), {"dependencies": ["load"], "retry_attempts": 2, "retry_delay_ms": 1}),
        ("store", fail_first(9), {"dependencies": ["clean"], "retry_attempts": 1}),
        ("mail", fail_first(0), {"dependencies": ["store"]}),
    )
    with DefaultRunner("memory://") as runner:
        reader = runner._engine.reader
        return reader.fold(reader.row(runner.execute(name).run_id))


def test_a_journal_tells_what_happened(failed_run: ActiveRun) -> None:
    found = run_events(failed_run.row, failed_run.compiled_plan, failed_run.entries, failed_run.style)
    assert [briefly(event) for event in found] == [
        "workflow_started",
        "task_marked_ready load",
        "task_started load",
        "task_completed load",
        "task_marked_ready clean",
        "task_started clean",
        "task_failed clean",
        "task_retry_scheduled clean",
        "task_marked_ready clean",
        "task_started clean",
        "task_completed clean",
        "task_marked_ready store",
        "task_started store",
        "task_failed store",
        "task_skipped mail",
        "workflow_failed",
    ]
    retried, given_up = (event for event in found if isinstance(event, events.NodeFailed))
    assert retried.retry_at is not None
    assert retried.error == "OSError: no route"
    assert (given_up.retry_at, given_up.attempt, given_up.category) == (None, 1, "OSError")
    assert "no route" in given_up.traceback


def test_each_position_goes_on_behind_itself(failed_run: ActiveRun) -> None:
    def after(place: int | events.EventPosition) -> list[events.RunEvent]:
        return run_events(failed_run.row, failed_run.compiled_plan, failed_run.entries, failed_run.style, after=place)

    whole = after(0)
    assert len({event.position for event in whole}) == len(whole)
    assert [event.position for event in whole] == sorted(event.position for event in whole)
    for k, event in enumerate(whole):
        assert after(event.position) == whole[k + 1 :]
        assert after(event.seq) == [later for later in whole if later.seq > event.seq]


def test_a_stream_says_whether_the_run_has_ended(failed_run: ActiveRun) -> None:
    stream = RunEventStream(failed_run.row, failed_run.compiled_plan, failed_run.style)
    ends = []
    for entry in failed_run.entries:
        stream.append(entry)
        ends.append(stream.has_ended)
    assert ends == [False] * (len(failed_run.entries) - 1) + [True]
    assert stream.seq == failed_run.row.seq
