"""The thread of the server that executes bulk jobs: left ones, those of dead processes, and none while it ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdwater import DefaultRunner
from holdwater.client import Client
from holdwater.engine import Engine
from holdwater.model.bulk_jobs import CHUNK_RUNS
from holdwater.model.time import Micros
from holdwater.operations.bulk_jobs import SelectedRuns, create_bulk_job, get_bulk_job
from holdwater.operations.databases import Database, open_for_control
from holdwater.server import bulk_worker
from holdwater.server.bulk_worker import BulkWorker
from tests.server.live import serve_database
from tests.suite.runners import Define

WAIT_SECONDS = 20


@pytest.fixture
def url(tmp_path: Path, define: Define) -> str:
    url = f"sqlite:///{tmp_path}/runs.db"
    define("waiting", ("one", lambda context: None, {}))
    with DefaultRunner(url) as runner:
        runner.announce()
    return url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    with open_for_control(url) as opened:
        yield opened


def submit(url: str, count: int) -> SelectedRuns:
    with Client(url) as client:
        return SelectedRuns(tuple([handle.run_id for handle in client.submit_many("waiting", [{}] * count)]))


def test_what_an_earlier_server_has_left_is_done_at_start(url: str, engine: Engine) -> None:
    job = create_bulk_job(Database.of(engine), "cancel", submit(url, 3))
    with serve_database(url) as live:
        assert live.app.state.tenants.only.bulk_worker.wait_idle(WAIT_SECONDS)
        assert get_bulk_job(Database.of(engine), job.id).done_count == 3


def test_a_job_of_a_process_that_says_nothing_is_taken_over(
    url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_worker, "RETRY_SECONDS", 0.01)
    job = create_bulk_job(Database.of(engine), "cancel", submit(url, 3))
    now = engine.clock.now()
    assert engine.store.claim_bulk_job(job.id, "a dead process", now, Micros(now + 100_000))
    worker = BulkWorker(engine)
    worker.start()
    assert worker.wait_idle(WAIT_SECONDS)
    assert get_bulk_job(Database.of(engine), job.id).state == "completed"
    worker.close()


def test_a_server_that_ends_leaves_the_rest(url: str, engine: Engine) -> None:
    job = create_bulk_job(Database.of(engine), "cancel", submit(url, CHUNK_RUNS * 3))
    worker = BulkWorker(engine)
    worker.start()
    worker.close()
    worker.start()
    left = get_bulk_job(Database.of(engine), job.id)
    assert left.state == "running" or left.left_count == 0
    assert worker.wait_idle(WAIT_SECONDS), "it executes nothing any more"
    other = BulkWorker(engine)
    other.start()
    assert other.wait_idle(WAIT_SECONDS)
    assert get_bulk_job(Database.of(engine), job.id).done_count == CHUNK_RUNS * 3
    other.close()


def test_nothing_is_executed_on_a_database_that_is_only_read() -> None:
    worker = BulkWorker(None)
    worker.start()
    assert worker.wait_idle(0)
    worker.close()
