from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from holdwater import Context, DefaultRunner, WorkflowBuilder, task
from holdwater.model.records import CappedCount, RunFilter
from holdwater.operations import bulk_control
from holdwater.operations.bulk_control import control_matching_runs, control_runs
from holdwater.operations.databases import open_for_control


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database with three failed runs and one that completed."""
    url = f"sqlite:///{tmp_path}/runs.db"
    with WorkflowBuilder("bulk"):

        @task()
        def work(context: Context) -> None:
            if context.get("fails"):
                raise ValueError("no")

    with DefaultRunner(url) as runner:
        for fails in (True, True, True, False):
            runner.execute("bulk", {"fails": fails})
    return url


def test_every_matching_run_is_controlled(url: str) -> None:
    with open_for_control(url) as engine:
        result = control_matching_runs(engine, "retry", RunFilter(status="failed"), "again", by="ui")
        assert (result.done_count, result.refused_count, result.has_more) == (3, 0, False)
        counted = engine.store.count_runs(RunFilter())
        assert counted == {"running": CappedCount(3), "completed": CappedCount(1)}


def test_a_run_it_does_not_fit_is_told_and_left(url: str) -> None:
    with open_for_control(url) as engine:
        ids = [run.id for run in engine.store.list_runs(RunFilter())]
        result = control_runs(engine, "retry", [*ids, "unknown", *ids])
        assert (result.done_count, result.refused_count) == (3, 2)
        assert "there is no run" in result.refusals["unknown"]


def test_a_run_that_cannot_be_read_does_not_hold_up_the_others(url: str) -> None:
    with open_for_control(url) as engine:
        newest, second, *_ = [run.id for run in engine.store.list_runs(RunFilter(status="failed"))]
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            connection.execute("UPDATE runs SET style = 'of a later version' WHERE id = ?", [newest])
        result = control_runs(engine, "retry", [newest, "no\0id", second])
        assert (result.done_count, result.refused_count) == (1, 2)
        assert "which this version does not know" in result.refusals[newest]
        assert "NUL" in result.refusals["no\0id"]


def test_one_request_takes_so_many_runs(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_control, "MAX_RUNS", 2)
    with open_for_control(url) as engine:
        result = control_matching_runs(engine, "retry", RunFilter(status="failed"))
        assert (result.done_count, result.has_more) == (2, True)
        assert control_matching_runs(engine, "retry", RunFilter(status="failed")).has_more is False
