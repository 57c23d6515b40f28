"""Runs for databases of earlier versions, and what a reader must see of them on every database."""

from __future__ import annotations

from holdwater import DefaultRunner, Graph, node
from holdwater.graphs import interrupt
from holdwater.model.records import RunFilter
from holdwater.operations import (
    list_questions,
    list_runners,
    list_runs,
    list_schedules,
    list_workflows,
    page_runs,
    read_logs,
    run_histogram,
    show_run,
    verify_database,
)
from holdwater.operations.bulk_jobs import list_bulk_jobs
from holdwater.operations.databases import Database
from holdwater.operations.doctor import diagnose_installation, diagnose_run
from holdwater.operations.pruning import get_retention
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS


@node(output_name="total")
def add(x: int) -> int:
    return x + 1


@interrupt(answer_name="approved", response_type=bool)
def ask(total: int) -> str:
    return f"spend {total}?"


def submit_waiting_run(runner: DefaultRunner) -> str:
    """Start a run that waits for an answer; returns its id."""
    handle = runner.submit(Graph([add, ask], name="spending"), {"x": 3}, labels={"env": "prod"})
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    return handle.run_id


def check_everything_is_read(database: Database, run_id: str, pending_count: int) -> None:
    """Read all there is.  `pending_count`: migrations that the database lacks."""
    assert len(database.store.inspect().pending) == pending_count
    (run,) = list_runs(database.runs, RunFilter(), 10)
    assert (run.id, run.status, run.workflow) == (run_id, "paused", "spending")
    view = show_run(database.runs, run_id)
    assert [pause.answer_name for pause in view.pauses] == ["approved"]
    assert view.outputs_of("add") != {}
    assert "spending" in [workflow.name for workflow in list_workflows(database)]
    assert read_logs(database.runs, run_id).lines == ()
    assert list_schedules(database) == (), list_schedules(database)
    assert list_runners(database) == (), list_runners(database)
    assert verify_database(database, print).violations == 0
    assert next(finding.code for finding in diagnose_run(database, run_id)) == "waits_for_answer"
    assert any(finding.code == "schema_outdated" for finding in diagnose_installation(database))
    list_questions(database)
    (found,) = page_runs(database.runs, RunFilter(text=run_id, labels={}, top_level=True)).runs
    assert found.id == run_id
    now = database.clock.now()
    histogram = run_histogram(database.runs, RunFilter(), type(now)(now - 3_600_000_000), now)
    assert sum(histogram.counts.values()) == 1
    assert (list_bulk_jobs(database), get_retention(database).rule.is_empty) == ([], True)
    store = database.store
    assert (store.list_releases(), store.list_releases("shop"), store.list_trusted_keys()) == ([], [], [])
    assert (store.get_release("1" * 16), store.get_archive("1" * 16), store.count_open_runs("1" * 16)) == (
        None,
        None,
        0,
    )
    assert (found.release, list_runs(database.runs, RunFilter(release="1" * 16), 10)) == (None, ())
