"""Bulk jobs: the runs are those of the instant of asking, each is acted on once, and a job outlives its process."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holdwater import Context, DefaultRunner, WorkflowBuilder, task
from holdwater.client import Client
from holdwater.engine import Engine
from holdwater.errors import BulkJobNotFound, IdempotencyConflict, InvalidArgument, InvalidTransition
from holdwater.model.bulk_jobs import CHUNK_RUNS, BulkJob
from holdwater.model.records import CappedCount, RunFilter
from holdwater.model.time import add_seconds
from holdwater.operations import bulk_jobs
from holdwater.operations.bulk_jobs import (
    SelectedRuns,
    create_bulk_job,
    execute_bulk_job,
    get_bulk_job,
    list_bulk_jobs,
    preview_bulk_job,
    stop_bulk_job,
)
from holdwater.operations.databases import Database, open_for_control
from holdwater.runs.event_reader import RunEventReader

FAILED = SelectedRuns(which=RunFilter(status="failed"))
WAIT_SECONDS = 30


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database with three failed runs and one that completed."""
    url = f"sqlite:///{tmp_path}/runs.db"
    with WorkflowBuilder("bulk"):

        @task(retry_attempts=1)
        def work(context: Context) -> None:
            if context.get("fails"):
                raise ValueError("no")

    with DefaultRunner(url) as runner:
        for fails in (True, True, True, False):
            runner.execute("bulk", {"fails": fails})
        runner.announce()
    return url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    with open_for_control(url) as opened:
        yield opened


def start(engine: Engine, verb: Any, selection: SelectedRuns, reason: str = "", **options: Any) -> BulkJob:
    return create_bulk_job(Database.of(engine), verb, selection, reason, **options)


def authors(engine: Engine, run_id: str) -> list[str]:
    """Those of all requests in the journal of a run, that which started it left out."""
    events = RunEventReader(engine.store, run_id).read()
    return [event.by for event in events[1:] if getattr(event, "by", "")]  # type: ignore[attr-defined]


def test_every_matching_run_is_controlled(engine: Engine) -> None:
    job = start(engine, "retry", FAILED, "again", by="ui")
    assert (job.matched_count, job.left_count, job.has_more, job.state) == (3, 3, False, "running")
    done = execute_bulk_job(engine, job.id)
    assert (done.state, done.done_count, done.refused_count, done.left_count) == ("completed", 3, 0, 0)
    assert engine.store.count_runs(RunFilter()) == {"running": CappedCount(3), "completed": CappedCount(1)}
    newest = engine.store.list_runs(RunFilter(status="running"))[0]
    assert authors(engine, newest.id) == [f"ui bulk:{job.id}"]
    assert list_bulk_jobs(Database.of(engine)) == [done]
    assert execute_bulk_job(engine, job.id) == done, "there is nothing left to do"


def test_a_run_it_does_not_fit_is_told_and_left(engine: Engine) -> None:
    ids = [run.id for run in engine.store.list_runs(RunFilter())]
    done = execute_bulk_job(engine, start(engine, "retry", SelectedRuns((*ids, "unknown", *ids))).id)
    assert (done.matched_count, done.done_count, done.refused_count) == (5, 3, 2)
    assert "there is no run" in done.refusals["unknown"]


def test_a_run_that_cannot_be_read_does_not_hold_up_the_others(engine: Engine, url: str) -> None:
    newest, second, *_ = [run.id for run in engine.store.list_runs(RunFilter(status="failed"))]
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("UPDATE runs SET style = 'of a later version' WHERE id = ?", [newest])
    done = execute_bulk_job(engine, start(engine, "retry", SelectedRuns((newest, "no\0id \ud800", second))).id)
    assert (done.done_count, done.refused_count) == (1, 2)
    assert "which this version does not know" in done.refusals[newest]
    assert "NUL" in done.refusals["no\0id \ud800"]


def test_runs_that_match_later_are_left_alone(engine: Engine, url: str) -> None:
    job = start(engine, "retry", FAILED)
    with DefaultRunner(url) as runner:
        later = runner.execute("bulk", {"fails": True}).run_id
    assert execute_bulk_job(engine, job.id).done_count == 3
    assert engine.reader.row(later).status == "failed"


def test_one_job_takes_so_many_runs(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_jobs, "MAX_BULK_RUNS", 2)
    job = start(engine, "retry", FAILED)
    assert (job.matched_count, job.has_more) == (2, True)
    execute_bulk_job(engine, job.id)
    assert start(engine, "retry", FAILED).has_more is False


def test_ended_runs_are_forgotten_with_their_children(engine: Engine, url: str) -> None:
    with WorkflowBuilder("parent"):

        @task()
        def call(context: Context, handle: Any) -> None:
            handle.execute("bulk", {})

    with DefaultRunner(url) as runner:
        parent = runner.execute("parent", {}).run_id
    (child,) = engine.store.list_runs(RunFilter(parent_id=parent))
    with Client(url) as client:
        waiting = client.submit("bulk").run_id
    database, everything = Database.of(engine), SelectedRuns(which=RunFilter())
    counts = preview_bulk_job(database, everything)
    assert counts == {"failed": CappedCount(3), "completed": CappedCount(3), "running": CappedCount(1)}
    assert preview_bulk_job(database, SelectedRuns((parent, "unknown"))) == {"completed": CappedCount(1)}
    done = execute_bulk_job(engine, start(engine, "forget", everything).id)
    assert (done.done_count, done.refused_count) == (5, 2)
    assert "it is running" in done.refusals[waiting]
    assert parent in done.refusals[child.id]
    assert [run.id for run in engine.store.iter_runs()] == [waiting]


def test_a_key_finds_its_job(engine: Engine) -> None:
    job = start(engine, "retry", FAILED, "again", idempotency_key="once")
    done = execute_bulk_job(engine, job.id)
    assert start(engine, "retry", FAILED, "again", idempotency_key="once") == done
    with pytest.raises(IdempotencyConflict):
        start(engine, "cancel", FAILED, "again", idempotency_key="once")


def test_a_job_is_stopped(engine: Engine) -> None:
    database, job = Database.of(engine), start(engine, "retry", FAILED)
    stopped = stop_bulk_job(database, job.id)
    assert (stopped.state, stopped.left_count, stopped.ended_at is None) == ("stopped", 3, False)
    assert execute_bulk_job(engine, job.id) == stopped
    assert engine.store.count_runs(RunFilter(status="failed")) == {"failed": CappedCount(3)}
    with pytest.raises(InvalidTransition, match="stopped already"):
        stop_bulk_job(database, job.id)
    with pytest.raises(BulkJobNotFound):
        get_bulk_job(database, "nothing")
    with pytest.raises(InvalidArgument, match="cannot be done to runs"):
        start(engine, "explode", FAILED)


def test_two_processes_do_not_execute_one_job(engine: Engine, url: str) -> None:
    job = start(engine, "retry", FAILED)
    now = engine.clock.now()
    assert engine.store.claim_bulk_job(job.id, "another", now, add_seconds(now, 60))
    with pytest.raises(InvalidTransition, match="executed by another process"):
        execute_bulk_job(engine, job.id)


def test_what_was_done_in_a_chunk_is_not_done_again(engine: Engine) -> None:
    """A process died between its acts on runs and the note that it had done them."""
    job = start(engine, "retry", FAILED, by="api")
    first, *_ = [run.id for run in engine.store.list_runs(RunFilter(status="failed"))]
    now = engine.clock.now()
    assert engine.store.claim_bulk_job(job.id, "a dead process", now, now)
    engine.control.retry(first, by=f"api bulk:{job.id}")
    engine.control.cancel(first, by="someone else")  # so that retrying it would be possible, and wrong
    done = execute_bulk_job(engine, job.id)
    assert (done.done_count, done.refused_count) == (3, 0)
    assert authors(engine, first) == [f"api bulk:{job.id}", "someone else"]


def test_deletions_of_a_dead_process_count_as_done(engine: Engine) -> None:
    job = start(engine, "forget", FAILED)
    first, *_ = [run.id for run in engine.store.list_runs(RunFilter(status="failed"))]
    now = engine.clock.now()
    assert engine.store.claim_bulk_job(job.id, "a dead process", now, now)
    assert engine.store.delete_runs([first]) == [first]
    done = execute_bulk_job(engine, job.id)
    assert (done.done_count, done.refused_count) == (3, 0)


def test_a_job_that_is_left_is_gone_on_with(engine: Engine, url: str) -> None:
    with Client(url) as client:
        handles = client.submit_many("bulk", [{}] * (CHUNK_RUNS + 1))
    job = start(engine, "cancel", SelectedRuns(tuple([handle.run_id for handle in handles])))
    stopping = threading.Event()
    left = execute_bulk_job(engine, job.id, stopping=stopping, on_progress=lambda _: stopping.set())
    assert (left.state, left.done_count, left.left_count) == ("running", CHUNK_RUNS, 1)
    with open_for_control(url) as other:
        assert execute_bulk_job(other, job.id).done_count == CHUNK_RUNS + 1


PROGRAM = """
import sys
from holdwater.operations.bulk_jobs import execute_bulk_job
from holdwater.operations.databases import open_for_control

url, job_id = sys.argv[1:]
with open_for_control(url) as engine:
    cancel = engine.control.cancel

    def cancel_and_say(run_id, *given, **options):
        cancel(run_id, *given, **options)
        print(run_id, flush=True)
        if len(done) == 120:
            sys.stdin.read()  # it is killed here, in the middle of the second chunk
        done.append(run_id)

    done = []
    engine.control.cancel = cancel_and_say
    execute_bulk_job(engine, job_id)
"""


def test_no_run_is_acted_on_twice_when_the_process_is_killed(
    engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Client(url) as client:
        handles = client.submit_many("bulk", [{}] * (2 * CHUNK_RUNS + 5))
    ids = [handle.run_id for handle in handles]
    job = start(engine, "cancel", SelectedRuns(tuple(ids)), by="api")
    command = [sys.executable, "-c", PROGRAM, url, job.id]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(121)]
        process.kill()
        process.wait(WAIT_SECONDS)
    assert said[-1].strip() == ids[120]
    left = get_bulk_job(Database.of(engine), job.id)
    assert (left.done_count, left.state) == (CHUNK_RUNS, "running")
    assert engine.store.save_bulk_progress(replace(left, lease_until=engine.clock.now()), None), "its lease ends"
    done = execute_bulk_job(engine, job.id)
    assert (done.state, done.done_count, done.refused_count) == ("completed", len(ids), 0)
    assert {tuple(authors(engine, run_id)) for run_id in ids} == {(f"api bulk:{job.id}",)}
