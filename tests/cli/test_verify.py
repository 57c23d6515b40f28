"""`holdwater verify`: silent on what the engine writes, loud on what it must never write."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner, WorkflowBuilder, task
from holdwater.model.records import RunRow
from holdwater.model.time import Micros, wall_now
from holdwater.runs.verify.checker import MAX_VIOLATIONS_PER_RUN, StoreChecker
from holdwater.storage import open_store
from tests.cli.conftest import FLOWS, Shell
from tests.suite.forking import ForkServer

Tampering = Callable[["TamperedDatabase"], None]
FAR_FUTURE = 4_000_000_000_000_000
"""an instant long after this test, microseconds since the epoch"""


class TamperedDatabase:
    """A database in the hands of somebody who should not have it; one run."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        (self.run_id,) = self.db.execute("SELECT id FROM runs").fetchone()

    def execute(self, statement: str, *parameters: Any) -> None:
        assert self.db.execute(statement, parameters).rowcount, "the doctor missed"

    def journal_entries(self) -> list[tuple[int, Any]]:
        """(at, entry) of the whole journal."""
        rows = self.db.execute("SELECT at, entries FROM journal ORDER BY seq").fetchall()
        return [(at, entry) for at, text in rows for entry in json.loads(text)]

    def rewrite_journal(self, entries: list[tuple[int, Any]]) -> None:
        """The journal as one row per entry, and a head that fits."""
        self.db.execute("DELETE FROM journal")
        for k, (at, entry) in enumerate(entries, start=1):
            self.execute("INSERT INTO journal VALUES (?, ?, ?, ?)", self.run_id, k, at, json.dumps([entry]))
        self.execute("UPDATE runs SET seq = ?", len(entries))

    def edit_journal(self, edit: Callable[[list[tuple[int, Any]]], None]) -> None:
        entries = self.journal_entries()
        edit(entries)
        self.rewrite_journal(entries)

    def insert_work(self, node: int, fence: int, **columns: Any) -> None:
        row = dict(run_id=self.run_id, node=node, fence=fence, kind="execute", workflow="waits", due_at=0, owner=None,
                   lease_until=0, started=0, reclaimed=0, parked=0) | columns  # fmt: skip
        names, places = ", ".join(row), ", ".join("?" * len(row))
        self.execute(f"INSERT INTO work ({names}) VALUES ({places})", *row.values())


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory, interpreter: ForkServer) -> dict[str, Path]:
    """Databases with one run each: completed, and killed while its second task ran."""
    made = {}
    for name in ("completed", "killed"):
        home = made[name] = tmp_path_factory.mktemp(name)
        (home / "flows.py").write_text(FLOWS)
        shell = Shell(home, interpreter)
        if name == "completed":
            shell.release_tasks()
        process = shell.start("run", "flows:waits")
        if name == "killed":
            shell.wait_until((home / "blocked").exists, process)
            process.kill()
        process.communicate()
    return made


@pytest.fixture
def at_home(homes: dict[str, Path], shell: Shell) -> Iterator[Callable[[str], TamperedDatabase]]:
    """A private copy of one of them, where `shell` is."""
    books: list[TamperedDatabase] = []

    def copied(name: str) -> TamperedDatabase:
        for file in homes[name].glob("holdwater.db*"):
            if file.is_file():  # beside it stand the pipes of those who listen
                shutil.copy(file, shell.home)
        books.append(TamperedDatabase(shell.home / "holdwater.db"))
        return books[-1]

    yield copied
    for book in books:
        book.db.close()


@pytest.mark.parametrize("name", ["completed", "killed"])
def test_a_store_written_by_the_engine_has_no_violations(
    name: str, at_home: Callable[[str], TamperedDatabase], shell: Shell
) -> None:
    at_home(name)
    done = shell("verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 run, ")
    assert done.stdout.endswith(": 0 violations\n")
    assert json.loads(shell("verify", "--json").stdout)["violations"] == []


def duplicate_result(book: TamperedDatabase) -> None:
    book.edit_journal(lambda entries: entries.append(next(e for e in entries if e[1][:2] == ["succeeded", 0])))


def lease_twice(book: TamperedDatabase) -> None:
    book.execute("UPDATE work SET owner = 'a', lease_until = ?", FAR_FUTURE)
    book.insert_work(1, 2, owner="b", lease_until=FAR_FUTURE)


def append_entry_after_end(book: TamperedDatabase) -> None:
    book.edit_journal(lambda entries: entries.append((FAR_FUTURE, ["cancel_requested", "too late"])))


def append_result_after_end(book: TamperedDatabase) -> None:
    book.edit_journal(
        lambda entries: entries.append((FAR_FUTURE, ["succeeded", 2, 1, FAR_FUTURE, FAR_FUTURE, [], None]))
    )


def append_unknown_fence(book: TamperedDatabase) -> None:
    book.edit_journal(
        lambda entries: entries.append((FAR_FUTURE, ["succeeded", 1, 9, FAR_FUTURE, FAR_FUTURE, [], None]))
    )


def backdate_start(book: TamperedDatabase) -> None:
    def edit(entries: list[tuple[int, Any]]) -> None:
        for at, entry in entries:
            if entry[:2] == ["succeeded", 1]:
                entry[3] = at - 3_600_000_000

    book.edit_journal(edit)


def swap_last_entries(book: TamperedDatabase) -> None:
    def edit(entries: list[tuple[int, Any]]) -> None:
        last, before = entries[-1], entries[-2]
        entries[-2:] = [(before[0], last[1]), (last[0], before[1])]

    book.edit_journal(edit)


def backdate_last_entry(book: TamperedDatabase) -> None:
    book.edit_journal(lambda entries: entries.__setitem__(-1, (entries[-1][0] - 3_600_000_000, entries[-1][1])))


def delete_journal_row(book: TamperedDatabase) -> None:
    book.edit_journal(lambda entries: None)
    book.execute("DELETE FROM journal WHERE seq = 2")


def run_sql(statement: str, *parameters: Any) -> Tampering:
    return lambda book: book.execute(statement, *parameters)


CASES: dict[str, tuple[str, str, Tampering, str]] = {
    "two results": ("killed", "I2", duplicate_result, "two recorded results"),
    "a fence nobody issued": ("killed", "I2", append_unknown_fence, "fence 9"),
    "two leases": ("killed", "I4", lease_twice, "at the same time"),
    "a foreign fence": ("killed", "I4", run_sql("UPDATE work SET fence = 7"), "fence 7"),
    "a foreign kind": ("killed", "I4", run_sql("UPDATE work SET kind = 'wake'"), "to wake"),
    "an entry after the end": ("completed", "I5", append_entry_after_end, "after the run had completed"),
    "a result after the end": ("completed", "I5", append_result_after_end, "after the run had completed"),
    "a head that lies": ("completed", "I5", run_sql("UPDATE runs SET status = 'failed'"), "journal says completed"),
    "a head that lies about a failure": (
        "killed",
        "I5",
        run_sql("UPDATE runs SET status = 'completed'"),
        "says running",
    ),
    "an end without a time": ("completed", "I5", run_sql("UPDATE runs SET finished_at = NULL"), "no end time"),
    "work that is lost": ("killed", "I6", run_sql("DELETE FROM work"), "the queue does not know of it"),
    "work nobody may take": ("killed", "I6", run_sql("UPDATE work SET parked = 1"), "no runner claims it"),
    "work of an ended run": ("completed", "I6", lambda book: book.insert_work(0, 1), "of a run that is completed"),
    "work not outstanding": ("killed", "I6", lambda book: book.insert_work(2, 1), "that is not outstanding"),
    "a gap": ("completed", "I9", delete_journal_row, "entry 3 follows entry 1"),
    "a head that counts wrong": ("completed", "I9", run_sql("UPDATE runs SET seq = seq + 1"), "its head counts"),
    "time that runs back": ("completed", "I9", backdate_last_entry, "before the one ahead of it"),
    "a body before its cause": ("completed", "I9", backdate_start, "which let it begin"),
    "a result before its cause": ("completed", "I9", swap_last_entries, "although 'two' had no result yet"),
    "no plan": ("completed", "I9", run_sql("DELETE FROM plans"), "is not in the store"),
    "a plan that is none": ("completed", "I9", run_sql("UPDATE plans SET plan = '{\"nodes\":[{}]}'"), "cannot be read"),
    "no list": ("completed", "I9", run_sql("UPDATE journal SET entries = '{' WHERE seq > 1"), "no list of entries"),
    "an unknown entry": (
        "completed",
        "I9",
        run_sql("UPDATE journal SET entries = '[[\"?\"]]' WHERE seq > 1"),
        "be read",
    ),
    "an entry of nonsense": ("completed", "I9", run_sql("UPDATE journal SET entries = '[7]' WHERE seq > 1"), "be read"),
}


@pytest.mark.parametrize("case", list(CASES))
def test_a_violation_is_found(case: str, at_home: Callable[[str], TamperedDatabase], shell: Shell) -> None:
    name, promise, doctor, said = CASES[case]
    book = at_home(name)
    doctor(book)
    book.db.close()
    done = shell("verify")
    assert (done.returncode, done.stderr) == (1, "")
    lines = [line for line in done.stdout.splitlines() if line.startswith(f"{promise} run {book.run_id}: ")]
    assert any(said in line for line in lines), done.stdout


def test_json_has_the_violations(at_home: Callable[[str], TamperedDatabase], shell: Shell) -> None:
    book = at_home("completed")
    book.execute("UPDATE runs SET status = 'failed'")
    done = shell("verify", "--json")
    assert done.returncode == 1
    (violation,) = json.loads(done.stdout)["violations"]
    assert (violation["invariant"], violation["run_id"]) == ("I5", book.run_id)


def test_one_run_does_not_fill_the_screen(at_home: Callable[[str], TamperedDatabase], shell: Shell) -> None:
    book = at_home("completed")
    book.edit_journal(lambda entries: entries.extend([(FAR_FUTURE, ["cancel_requested", ""])] * 500))
    done = shell("verify")
    assert len(done.stdout.splitlines()) == MAX_VIOLATIONS_PER_RUN + 2
    assert "more violations of this run" in done.stdout
    assert done.stdout.endswith(": 500 violations\n")


@pytest.mark.parametrize("how", ["paused", "cancelled", "timed out", "fails"])
def test_every_way_a_run_can_stop_has_no_violations(how: str, tmp_path: Path) -> None:
    running, go = threading.Event(), threading.Event()
    with WorkflowBuilder("stops"):

        @task(id="a", retry_attempts=1)
        def a(context: Any) -> None:
            running.set()
            go.wait(60)
            if context["how"] == "fails":
                raise ValueError("no")

        @task(id="b", dependencies=[a])
        def b(context: Any) -> None:
            pass

    url = f"sqlite:///{tmp_path}/a.db"
    with DefaultRunner(url) as runner:
        if how == "timed out":
            with DefaultRunner(url, config=_short()) as hasty:
                assert hasty.execute("stops", {"how": how}).status == "Failed"
        else:
            handle = runner.submit("stops", {"how": how})
            assert running.wait(60)
            if how == "paused":
                handle.pause("lunch")
            if how == "cancelled":
                handle.cancel("enough")
        assert _violations(url) == []
        go.set()
        if how != "timed out":
            handle.result(60)
        assert _violations(url) == []
    assert _violations(url) == []


def test_a_run_parked_because_its_workflow_changed_has_no_violations(
    at_home: Callable[[str], TamperedDatabase], shell: Shell
) -> None:
    book = at_home("killed")
    module = shell.home / "flows.py"
    module.write_text(module.read_text().replace("def three", "def four"))
    shell.release_tasks()
    done = shell("run", "flows:waits", "--resume", book.run_id)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "structure" in done.stdout
    assert shell("verify").returncode == 0


def test_a_store_in_use_raises_no_alarm(tmp_path: Path) -> None:
    with WorkflowBuilder("busy"):

        @task(id="a", retry_attempts=2, retry_delay_ms=1, retry_backoff="fixed")
        def a(context: Any) -> None:
            context["n"] = context["n"] + 1
            if context["n"] % 3 == 0:
                raise ValueError("again")

        for name in "bcd":

            @task(id=name, dependencies=["a"])
            def b(context: Any) -> None:
                pass

    url = f"sqlite:///{tmp_path}/a.db"
    with DefaultRunner(url) as runner:
        handles = [runner.submit("busy", {"n": n}) for n in range(150)]
        looks = 0
        while not all(handle.done() for handle in handles[-10:]) or looks < 3:
            assert _violations(url) == []
            looks += 1
        for handle in handles:
            handle.result(60)
    assert _violations(url) == []


def test_a_run_that_keeps_changing_is_counted_as_unstable(
    at_home: Callable[[str], TamperedDatabase], shell: Shell
) -> None:
    book = at_home("killed")
    book.execute("DELETE FROM work")
    store = open_store(f"sqlite:///{shell.home}/holdwater.db?mode=ro")
    real, looks = store.get_run, iter(range(1_000_000))

    def restless(run_id: str) -> RunRow | None:
        row = real(run_id)
        if row is not None:
            row.deadline_at = Micros(next(looks))
        return row

    store.get_run = restless  # type: ignore[method-assign]
    checker = StoreChecker(store, wall_now)
    assert list(checker.find_violations()) == []
    assert (checker.counts.runs, checker.counts.unstable) == (1, 1)
    store.close()


def _violations(url: str) -> list[str]:
    store = open_store(f"{url}?mode=ro")
    try:
        return [str(v) for v in StoreChecker(store, wall_now).find_violations()]
    finally:
        store.close()


def _short() -> Any:
    from holdwater import DefaultRunnerConfig

    return DefaultRunnerConfig(workflow_timeout_seconds=0.2, shutdown_timeout_seconds=0.1)
