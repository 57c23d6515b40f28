"""Finding, listing, showing and following runs, in memory and in a file."""

from __future__ import annotations

import base64
import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner
from holdwater.errors import AmbiguousRun, InvalidArgument, RunNotFound
from holdwater.model.records import CappedCount, RunFilter
from holdwater.model.statuses import RunStatus
from holdwater.model.time import Micros
from holdwater.operations.cursors import encode_cursor
from holdwater.operations.databases import Database, open_for_reading
from holdwater.operations.pruning import prune_runs
from holdwater.operations.runs import (
    count_runs,
    find_run,
    follow_run,
    list_runs,
    page_runs,
    run_histogram,
    show_run,
)
from holdwater.operations.starting import start_run
from holdwater.operations.verification import verify_database
from holdwater.runs.verify.checker import Violation
from holdwater.storage import open_store
from holdwater.storage.sql import run_lists
from tests.storage.factories import new_run_update
from tests.suite.runners import Define, define

__all__ = ["define"]


@pytest.fixture(params=["memory", "sqlite"])
def runner(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DefaultRunner]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/runs.db"
    with DefaultRunner(url) as made:
        yield made


@pytest.fixture
def database(runner: DefaultRunner) -> Database:
    return Database.of(runner._engine)


def double(context: Any) -> None:
    context["y"] = 2 * context["x"]


def test_finding(runner: DefaultRunner, database: Database, define: Define) -> None:
    define("w", ("a", double, {}))
    runs = database.runs
    with pytest.raises(RunNotFound):
        find_run(runs, "@last")
    first, second = (runner.execute("w", {"x": x}).run_id for x in (1, 2))
    assert find_run(runs, first).id == find_run(runs, f" {first[-8:]} ").id == first
    assert find_run(runs, "@last").id == second
    common = first[:5]
    with pytest.raises(AmbiguousRun, match=f"several runs are meant by '{common}'") as several:
        find_run(runs, common)
    assert set(several.value.candidates) == {first, second}
    assert all(run_id in several.value.message for run_id in (first, second))
    for missing in ("", "  ", "@first", "zzzz", "%"):
        with pytest.raises(RunNotFound):
            find_run(runs, missing)
    with pytest.raises(InvalidArgument):
        find_run(runs, "a\0b")


def test_listing_and_counting(runner: DefaultRunner, database: Database, define: Define) -> None:
    define("w", ("a", double, {}))
    ids = [runner.execute("w", {"x": x} if x % 2 else {}).run_id for x in range(5)]
    found = list_runs(database.runs, RunFilter(), 3)
    assert [run.id for run in found] == ids[:1:-1]
    assert [run.status for run in found] == [RunStatus.FAILED, RunStatus.COMPLETED, RunStatus.FAILED]
    assert all(run.activity is not None and run.activity.state == run.status for run in found)
    assert [run.id for run in list_runs(database.runs, RunFilter(status="completed"), 10)] == [ids[3], ids[1]]
    assert list_runs(database.runs, RunFilter(), 0) == ()
    assert count_runs(database.runs, RunFilter(limit=1)) == {
        "completed": CappedCount(2),
        "failed": CappedCount(3),
    }
    with pytest.raises(RunNotFound):
        list_runs(database.runs, RunFilter(before_id="none"), 1)


def test_pages_and_their_cursors(runner: DefaultRunner, database: Database, define: Define) -> None:
    define("w", ("a", double, {}))
    ids = [runner.execute("w", {"x": x}, labels={"env": "prod"}).run_id for x in range(5)]
    which = RunFilter(top_level=True, labels={"env": "prod"}, limit=2)
    first = page_runs(database.runs, which)
    assert [run.id for run in first.runs] == ids[:2:-1]
    assert (first.newer_cursor, first.searched_until) == (None, None)
    second = page_runs(database.runs, which, first.older_cursor)
    assert [run.id for run in second.runs] == [ids[2], ids[1]]
    last = page_runs(database.runs, which, second.older_cursor)
    assert ([run.id for run in last.runs], last.older_cursor) == ([ids[0]], None)
    back = page_runs(database.runs, which, last.newer_cursor)
    assert back.runs == second.runs
    front = page_runs(database.runs, which, back.newer_cursor)
    assert (front.runs, front.newer_cursor) == (first.runs, None)
    assert page_runs(database.runs, which, front.older_cursor) == second


def test_there_is_nothing_newer_than_the_first_page(runner: DefaultRunner, database: Database, define: Define) -> None:
    define("w", ("a", double, {}))
    for x in range(4):
        runner.execute("w", {"x": x})
    first = page_runs(database.runs, RunFilter(limit=3))
    assert first.older_cursor is not None
    second = page_runs(database.runs, RunFilter(limit=3), first.older_cursor)
    newer = encode_cursor(RunFilter(), (Micros(1 << 62), "x"), newer=True)
    assert page_runs(database.runs, RunFilter(limit=3), newer) == first
    assert page_runs(database.runs, RunFilter(limit=3), second.newer_cursor) == first


def test_a_search_says_how_far_it_looked_and_finds_older_runs_by_their_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_lists, "_SCAN_STEPS_RUNS", (2, 3))
    url = f"sqlite:///{tmp_path}/runs.db"
    with contextlib.closing(open_store(url)) as store:
        store.commit(
            [new_run_update(f"generated-{n:02}", created_at=n, error="odd" if n % 4 == 0 else None) for n in range(20)]
        )
    with open_for_reading(url) as database:
        which = RunFilter(text="odd", limit=3)
        page = page_runs(database.runs, which)
        assert [run.id for run in page.runs] == ["generated-16"]
        assert page.searched_until == 15
        assert page.older_cursor is not None
        page = page_runs(database.runs, which, page.older_cursor)
        assert ([run.id for run in page.runs], page.searched_until) == (["generated-12"], 10)
        found = page_runs(database.runs, RunFilter(text="generated-0", limit=3))
        assert [run.id for run in found.runs] == ["generated-02", "generated-01", "generated-00"], "far behind"
        assert page_runs(database.runs, RunFilter(text="gener", limit=30)).searched_until == 15
        assert [run.id for run in list_runs(database.runs, which, 10)][-1] == "generated-00", "a list is whole"


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "%%", "é", "e30", "W10", "WzEsMiwzLDRd", "A" * 5_000, base64.b64encode(b'["a",1,1e999,"x"]').decode()],
)
def test_a_text_that_is_no_cursor_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(InvalidArgument, match="no cursor"):
        page_runs(database.runs, RunFilter(), cursor)


def test_a_cursor_of_another_filter_is_refused(database: Database) -> None:
    cursor = encode_cursor(RunFilter(status="failed"), (Micros(1), "r"), newer=False)
    with pytest.raises(InvalidArgument, match="another filter"):
        page_runs(database.runs, RunFilter(), cursor)
    assert page_runs(database.runs, RunFilter(status="failed", limit=3), cursor).runs == ()
    later = RunFilter(status="failed", since=Micros(1))
    assert page_runs(database.runs, later, cursor).runs == (), "the last hour is another span at each request"


@pytest.mark.parametrize(
    "which",
    [
        RunFilter(status="odd"),
        RunFilter(statuses=("Failed",)),
        RunFilter(excluded_statuses=("",)),
        RunFilter(origins=("web",)),
        RunFilter(workflow="a\0b"),
        RunFilter(workflows=("",)),
        RunFilter(excluded_workflows=("\ud800",)),
        RunFilter(workflows=("a",) * 51),
        RunFilter(text=""),
        RunFilter(text="x" * 1_001),
        RunFilter(labels={"1": "x"}),
        RunFilter(labels={"a": "\n"}),
    ],
)
def test_a_filter_that_cannot_be_is_refused(database: Database, which: RunFilter) -> None:
    for ask in (page_runs, count_runs):
        with pytest.raises(InvalidArgument):
            ask(database.runs, which)


def test_a_histogram(runner: DefaultRunner, database: Database, define: Define) -> None:
    define("w", ("a", double, {}))
    first, *_, last = [runner.execute("w", {"x": x} if x % 2 else {}) for x in range(5)]
    born = [database.runs.info(run.run_id).created_at for run in (first, last)]
    found = run_histogram(database.runs, RunFilter(top_level=True), born[0], Micros(born[1] + 1), 4)
    assert (sum(found.counts.values()), found.complete_since) == (5, born[0])
    assert {status for _, status in found.counts} == {"completed", "failed"}
    assert {(at - born[0]) % found.bucket_us for at, _ in found.counts} == {0}
    for since, until, buckets in ((born[1], born[0], 4), (born[0], born[1], 0), (born[0], born[1], 1_001)):
        with pytest.raises(InvalidArgument):
            run_histogram(database.runs, RunFilter(), since, until, buckets)


def test_showing_and_following(runner: DefaultRunner, database: Database, define: Define) -> None:
    define("w", ("a", double, {}))
    run_id = runner.execute("w", {"x": 4}).run_id
    run = show_run(database.runs, run_id[-6:])
    assert (run.id, run.result["y"].copy(), run.activity.state) == (run_id, 8, "completed")
    assert list(follow_run(database.runs, "@last")) == list(run.events)
    assert list(follow_run(database.runs, run_id, run.events[1].position)) == list(run.events[2:])
    with pytest.raises(InvalidArgument):
        follow_run(database.runs, run_id, -1)
    for look in (show_run, follow_run):
        with pytest.raises(RunNotFound):
            look(database.runs, "none")


def test_starting(runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", double, {}))
    engine = runner._engine
    started = start_run(engine, "w", {"x": 3}, idempotency_key="k")
    assert started.is_new
    assert started.future.result(20).result["y"].copy() == 6
    again = start_run(engine, "w", {"x": 3}, idempotency_key="k")
    assert (again.is_new, again.info.id) == (False, started.info.id)
    with pytest.raises(ValueError, match="no workflow named 'v'"):
        start_run(engine, "v")


def test_pruning(runner: DefaultRunner, database: Database, define: Define) -> None:
    define("w", ("a", double, {}))
    ids = [runner.execute("w", {"x": 1}).run_id for _ in range(3)]
    ended = database.runs.info(ids[0]).finished_at
    assert ended is not None
    assert prune_runs(database, ended) == 0
    assert prune_runs(database, database.clock.now(), keep=ids[1:2]) == 2
    assert [run.id for run in list_runs(database.runs, RunFilter(), 10)] == ids[1:2]


def test_verifying(runner: DefaultRunner, database: Database, define: Define) -> None:
    define("w", ("a", double, {}))
    runner.execute("w", {"x": 1})
    found: list[Violation] = []
    report = verify_database(database, found.append)
    assert (found, report.runs, report.work, report.violations, report.unstable) == ([], 1, 0, 0, 0)
    assert report.entries > 1


def test_violations_are_told(tmp_path: Path, define: Define) -> None:
    define("w", ("a", double, {}))
    url = f"sqlite:///{tmp_path}/runs.db"
    with DefaultRunner(url) as runner:
        run_id = runner.execute("w", {"x": 1}).run_id
    with contextlib.closing(sqlite3.connect(tmp_path / "runs.db")) as connection, connection:
        connection.execute("UPDATE runs SET status = 'failed'")
    found: list[Violation] = []
    with open_for_reading(url) as database:
        assert verify_database(database, found.append).violations == 1
    assert [(one.invariant, one.run_id) for one in found] == [("I5", run_id)]
