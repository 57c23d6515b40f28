"""The page of ops, as a browser without scripts uses it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from holdwater import Context, DefaultRunner
from holdwater.model.retention import RetentionRule
from holdwater.model.time import add_seconds
from holdwater.operations.bulk_jobs import SelectedRuns, create_bulk_job
from holdwater.operations.databases import Database, open_for_reading
from holdwater.operations.pruning import PRUNE_BATCH_RUNS, get_retention, prune_runs
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


def test_the_rule_of_the_database_is_set(browser: httpx.Client, runner: DefaultRunner) -> None:
    assert "There is no rule" in browser.get("/ui/public/ops").text
    fields = {"days": "30", "days_failed": "90.5", "keep_labels": "audit, env=prod", "logs_days": ""}
    page = post_form(browser, "/ops/retention", **fields)
    assert "The rule is set" in page.text
    assert 'value="audit, env=prod"' in page.text
    assert 'value="90.5"' in page.text
    rule = get_retention(Database.of(runner._engine)).rule
    assert rule == RetentionRule(30.0, 90.5, ("audit", "env=prod"), None)
    for wrong, said in (({"days": "x"}, "is no number of days"), ({"days": "-1"}, "days is a finite number")):
        assert said in post_form(browser, "/ops/retention", **wrong).text
    assert "has at most" in post_form(browser, "/ops/retention", keep_labels=",".join("abcdefghijklmnop" * 3)).text
    assert get_retention(Database.of(runner._engine)).rule == rule
    assert "There is no rule any more." in post_form(browser, "/ops/retention").text


def test_bulk_jobs_are_shown_and_stopped(browser: httpx.Client, runner: DefaultRunner) -> None:
    assert "Nothing was done to many runs at once yet." in browser.get("/ui/public/ops").text
    database = Database.of(runner._engine)
    job = create_bulk_job(database, "forget", SelectedRuns(("x", "y")), "no <b>use</b>", by="cli:alice")
    now = database.clock.now()
    database.store.claim_bulk_job(job.id, "another process", now, add_seconds(now, 3600))
    shown = browser.get("/ui/public/ops", params={"fragment": "bulk"}).text
    assert 'data-again="2000"' in shown, "it is looked at again while it goes on"
    assert "0 of 2" in shown
    assert "no &lt;b&gt;use" in shown
    assert "2 runs were not looked at" in post_form(browser, f"/ops/bulk/{job.id}/stop").text
    assert "stopped already" in post_form(browser, f"/ops/bulk/{job.id}/stop").text
    assert "data-again" not in browser.get("/ui/public/ops", params={"fragment": "bulk"}).text


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
