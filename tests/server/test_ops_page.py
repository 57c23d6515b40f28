"""The page of ops, as a browser without scripts uses it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from holdwater import Context, DefaultRunner
from holdwater.operations.databases import Database, open_for_reading
from holdwater.operations.pruning import PRUNE_BATCH_RUNS, prune_runs
from holdwater.server.pages.ops.verification import VerificationJob
from tests.server.live import Live, serve_database
from tests.server.pages_client import post_form
from tests.suite.runners import Define


def noop(context: Context) -> None:
    pass


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def runner(url: str) -> Iterator[DefaultRunner]:
    with DefaultRunner(url) as opened:
        yield opened


@pytest.fixture
def served(url: str, runner: DefaultRunner) -> Iterator[Live]:
    with serve_database(url) as live:
        yield live


@pytest.fixture
def browser(served: Live) -> Iterator[httpx.Client]:
    with served.browser() as client:
        yield client


def test_what_the_doctor_finds_and_the_facts_of_the_database(browser: httpx.Client) -> None:
    page = browser.get("/ui/public/ops").text
    assert 'data-finding="schema' in page
    assert "SQLite" in page
    assert "read and write" in page


def test_a_verification_runs_in_the_background(browser: httpx.Client, url: str, runner: DefaultRunner) -> None:
    begun = post_form(browser, "/ops/verify")
    assert "The verification has begun." in begun.text
    with open_for_reading(url) as database:
        job = VerificationJob(database)
        job.wait()
        assert (job.is_running, job.violations, job.error) == (False, [], "")


def test_a_verification_that_loses_its_database_says_so(url: str, runner: DefaultRunner) -> None:
    with open_for_reading(url) as database:
        pass
    job = VerificationJob(database)
    job.wait()
    assert job.error


def test_old_runs_are_counted_and_deleted(browser: httpx.Client, runner: DefaultRunner, define: Define) -> None:
    define("old", ("work", noop, {}))
    runner.execute("old", {})
    assert "No run ended more than 30 days ago." in browser.get("/ui/public/ops").text
    page = browser.get("/ui/public/ops", params={"fragment": "retention", "days": "1"}).text
    assert page.lstrip().startswith("<div")
    assert "runs prune --older-than 1d " in page
    deleted = post_form(browser, "/ops/prune", days="1")
    assert "0 runs deleted" in deleted.text


@pytest.mark.parametrize("days", ["0", "-1", "x", "99999999", "000030999999999", ""])
def test_a_number_of_days_that_is_none_deletes_nothing(browser: httpx.Client, days: str) -> None:
    assert "is no number of days" in post_form(browser, "/ops/prune", days=days).text


def test_so_many_runs_are_deleted_at_once(runner: DefaultRunner, define: Define) -> None:
    define("old", ("work", noop, {}))
    for _ in range(3):
        runner.execute("old", {})
    database = Database.of(runner._engine)
    now = database.clock.now()
    assert prune_runs(database, now, limit=0) == 0
    assert prune_runs(database, now, limit=1) == 3 <= PRUNE_BATCH_RUNS


def test_a_reader_sees_no_controls(url: str, runner: DefaultRunner) -> None:
    with serve_database(url, read_only=True) as live, live.browser() as reader:
        page = reader.get("/ui/public/ops").text
        assert "Verify the database" not in page
        assert "Delete them" not in page
