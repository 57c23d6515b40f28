"""The store fails, the process dies, two runners meet: nothing recorded is lost or done twice."""

from __future__ import annotations

import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import holdwater
import holdwater.engine.engine
from holdwater import Context, DefaultRunner, DefaultRunnerConfig
from holdwater.errors import StoreError, StoreUnavailable
from holdwater.runtime import claim_requests
from holdwater.storage import open_store
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate
from tests.suite.waiting import poll_pause

FAILING_CALLS = (
    "commit",
    "claim_work",
    "work_of_owner",
    "reclaim_expired",
    "renew_leases",
    "release_work",
    "get_run",
    "work_of_run",
    "read_journal",
    "get_plan",
    "overdue_runs",
)


class FailingStore:
    """A store whose n-th call fails, before or after it took effect."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.calls = 0
        self.failing_call = 0
        self.fails_after_effect = False
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)
        return self._wrap(call) if name in FAILING_CALLS else call

    def _wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kw: Any) -> Any:
            with self._lock:
                self.calls += 1
                fails = self.calls == self.failing_call
            if fails and not self.fails_after_effect:
                raise StoreUnavailable("the test says no")
            answer = call(*args, **kw)
            if fails:
                raise StoreUnavailable("the answer was lost")
            return answer

        return counted


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[FailingStore]:
    opened: list[FailingStore] = []

    def open_(url: str, options: Any = None) -> Any:
        opened.append(FailingStore(open_store(url, options)))
        return opened[-1]

    monkeypatch.setattr(holdwater.engine.engine, "open_store", open_)
    return opened


def submit_until_accepted(runner: DefaultRunner, name: str) -> holdwater.WorkflowHandle:
    """What a client does whose start was not confirmed: ask again with the same key."""
    for _ in range(5):
        try:
            return runner.submit(name, {"x": 1}, idempotency_key="k")
        except StoreUnavailable:
            continue
    raise AssertionError("never accepted")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_every_store_call_fails_once(after: bool, failing: list[FailingStore], define: Define, tmp_path: Path) -> None:
    ran: list[str] = []

    def body(name: str) -> Callable[[Context], None]:
        def run(context: Context) -> None:
            ran.append(name)
            if ran.count("flaky") == 1 and name == "flaky":
                raise ConnectionError("once")

        return run

    define(
        "w",
        ("a", body("a"), {}),
        ("flaky", body("flaky"), {"dependencies": ["a"], "retry_attempts": 2, "retry_delay_ms": 1}),
        ("b", body("b"), {"dependencies": ["a"]}),
        ("end", body("end"), {"dependencies": ["flaky", "b"]}),
    )
    points = 0
    for n in range(1, 60):
        ran.clear()
        with DefaultRunner(f"sqlite:///{tmp_path}/{n}.db?_synchronous=OFF") as runner:
            store = failing[-1]
            store.failing_call, store.fails_after_effect = store.calls + n, after
            handle = submit_until_accepted(runner, "w")
            result = handle.result(SIGNAL_TIMEOUT_SECONDS)
            assert result.status == "Completed", n
            assert len(runner.list_runs()) == 1
            assert sorted(ran) == ["a", "b", "end", "flaky", "flaky"], n
            if store.calls < store.failing_call:
                break
            points += 1
    assert points >= 6


def test_the_next_runner_takes_over_while_every_call_fails_once(
    failing: list[FailingStore], define: Define, tmp_path: Path, gate: Gate
) -> None:
    define("w", ("a", lambda context: gate(), {}), ("b", lambda context: None, {"dependencies": ["a"]}))
    points = 0
    for n in range(1, 40):
        url = f"sqlite:///{tmp_path}/{n}.db?_synchronous=OFF"
        gate.open.clear()
        first = DefaultRunner(url, config=DefaultRunnerConfig(shutdown_timeout_seconds=0))
        run_id = first.submit("w").run_id
        gate.wait_started()
        first.shutdown()
        gate.open.set()

        def open_(url: str, options: Any = None, n: int = n) -> Any:
            made = FailingStore(open_store(url))
            made.failing_call = n
            failing.append(made)
            return made

        real, holdwater.engine.engine.open_store = holdwater.engine.engine.open_store, open_  # type: ignore[attr-defined]
        try:
            with DefaultRunner(url) as second:
                while True:
                    try:
                        result = second.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS)
                        break
                    except StoreUnavailable:
                        continue
                assert result.status == "Completed", n
        finally:
            holdwater.engine.engine.open_store = real  # type: ignore[attr-defined]
        if failing[-1].calls < n:
            break
        points += 1
    assert points >= 6


@pytest.mark.parametrize("asks_again", [False, True], ids=["found by a look", "asked for again"])
def test_what_failed_takes_effect_later(
    asks_again: bool, define: Define, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that hangs is given up; then it goes on, and writes what nobody waits for any more.

    It is executed long before the next scan: a few looks follow, and a caller that asks again finds it at once.
    """
    define("w", ("a", lambda context: None, {}))
    late: list[Callable[[], Any]] = []

    class Late(FailingStore):
        def __getattr__(self, name: str) -> Any:
            call = getattr(self._store, name)
            if name == "commit" and not self.calls:

                def commit(*args: Any) -> None:
                    self.calls += 1
                    late.append(lambda: call(*args))
                    raise StoreUnavailable("it hangs")

                return commit
            if name == "work_of_owner" and late:

                def held(*args: Any) -> Any:
                    found = call(*args)
                    late.pop()()
                    return found

                return held
            return call

    monkeypatch.setattr(holdwater.engine.engine, "open_store", lambda url, options: Late(open_store(url, options)))
    if asks_again:
        monkeypatch.setattr(claim_requests, "RECHECK_SECONDS", (3600.0,))
    config = DefaultRunnerConfig(recovery_interval_seconds=3600)
    with DefaultRunner(f"sqlite:///{tmp_path}/x.db", config=config) as runner:
        with pytest.raises(StoreUnavailable):
            runner.submit("w", idempotency_key="k")
        while not (rows := runner.list_runs()):  # bounded by the test's time-out
            poll_pause()
        if asks_again:
            assert runner.submit("w", idempotency_key="k").run_id == rows[0].run_id
        assert runner.handle(rows[0].run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
        assert not late


def test_a_full_disk_refuses_new_runs_and_loses_none(define: Define, tmp_path: Path, gate: Gate) -> None:
    path = tmp_path / "full.db"

    def big(context: Context) -> None:
        gate()
        context["blob"] = "x" * 3_000_000

    define("w", ("a", big, {}))
    with DefaultRunner(f"sqlite:///{path}") as runner:
        handle = runner.submit("w")
        gate.wait_started()
        writer = runner._engine.store
        limit_database_pages(writer, 100)
        gate.open.set()
        with pytest.raises(StoreUnavailable):
            runner.submit("w", {"blob": "y" * 3_000_000})
        assert handle.status == "Running"
        limit_database_pages(writer, 1_000_000)
        assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
        assert len(runner.list_runs()) == 1


def limit_database_pages(store: Any, pages: int) -> None:
    """Let the database file grow to so many pages and no further."""
    with store._writer.read_connection() as connection:
        connection.execute(f"pragma max_page_count = {pages}")


def script_command(tmp_path: Path, body: str) -> list[str]:
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(body))
    return [sys.executable, "-W", "error", str(path)]


def test_a_task_that_kills_its_process_ends_there(tmp_path: Path) -> None:
    command = script_command(
        tmp_path,
        f"""
        import os, signal, sys
        from holdwater import DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task
        with WorkflowBuilder("poison"):
            @task()
            def bad(context):
                os.kill(os.getpid(), signal.SIGKILL)
        with WorkflowBuilder("fine"):
            @task()
            def good(context):
                context["ok"] = True
        config = DefaultRunnerConfig(max_crashes_per_task=3)
        with DefaultRunner.with_config("sqlite:///{tmp_path}/p.db", config) as runner:
            result = runner.execute("poison", idempotency_key="k")
            print(result.error_message)
            print(runner.execute("fine").status)
        """,
    )
    for _ in range(3):
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "task 'bad' failed: CRASHED: its process died 3 times while it ran\nCompleted\n"
    assert done.stderr == ""


def test_a_script_that_forgets_the_shutdown_ends_cleanly(tmp_path: Path) -> None:
    command = script_command(
        tmp_path,
        f"""
        import threading
        from holdwater import DefaultRunner, WorkflowBuilder, task
        begun = threading.Event()
        with WorkflowBuilder("w"):
            @task()
            def a(context):
                begun.set()
                context["a"] = 1
        runner = DefaultRunner("sqlite:///{tmp_path}/x.db")
        handle = runner.submit("w")
        begun.wait()
        """,
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SIGNAL_TIMEOUT_SECONDS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("x.db")] == ["x.db"]
    with DefaultRunner(f"sqlite:///{tmp_path}/x.db") as runner:
        assert runner.list_runs()[0].status == "Completed"


def test_interrupted_in_the_middle_and_taken_up_again(tmp_path: Path) -> None:
    command = script_command(
        tmp_path,
        f"""
        import os, sys, threading
        from holdwater import DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task
        with WorkflowBuilder("w"):
            @task()
            def a(context, handle):
                if handle.attempt == 1 and len(sys.argv) > 1:
                    print("begun", flush=True)
                    while not handle.cancelled:
                        pass
                    handle.raise_if_cancelled()
                context["a"] = 1
        config = DefaultRunnerConfig(shutdown_timeout_seconds=0)
        with DefaultRunner("sqlite:///{tmp_path}/x.db", config=config) as runner:
            print(runner.execute("w", idempotency_key="k").status)
        """,
    )
    first = subprocess.Popen([*command, "slow"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert first.stdout is not None
    assert first.stdout.readline() == "begun\n"
    first.send_signal(signal.SIGINT)
    _, errors = first.communicate(timeout=SIGNAL_TIMEOUT_SECONDS)
    assert errors.strip().endswith("KeyboardInterrupt")
    second = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SIGNAL_TIMEOUT_SECONDS)
    assert second.stdout == "Completed\n"


def test_a_stopped_process_comes_back_too_late(tmp_path: Path, define: Define) -> None:
    """SIGSTOP past the lease: another runner takes the task over, and the late result is refused."""
    command = script_command(
        tmp_path,
        f"""
        import sys
        from holdwater import DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task
        with WorkflowBuilder("w"):
            @task()
            def a(context):
                print("begun", flush=True)
                sys.stdin.readline()
                context["by"] = "the stopped one"
        with DefaultRunner("sqlite:///{tmp_path}/x.db", config=DefaultRunnerConfig(lease_seconds=1)) as runner:
            print(runner.execute("w", idempotency_key="k").final_context["by"])
        """,
    )
    slow = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert slow.stdin is not None
    assert slow.stdout is not None
    assert slow.stdout.readline() == "begun\n"
    os.kill(slow.pid, signal.SIGSTOP)
    try:

        def mine(context: Context) -> None:
            context["by"] = "the other one"

        define("w", ("a", mine, {}))
        config = DefaultRunnerConfig(lease_seconds=1, recovery_interval_seconds=1)
        with DefaultRunner(f"sqlite:///{tmp_path}/x.db", config=config) as runner:
            handle = runner.submit("w", idempotency_key="k")
            assert handle.result(SIGNAL_TIMEOUT_SECONDS).final_context["by"] == "the other one"
    finally:
        os.kill(slow.pid, signal.SIGCONT)
    said, _ = slow.communicate("go on\n", timeout=SIGNAL_TIMEOUT_SECONDS)
    assert said == "the other one\n"


def test_a_wide_fan_is_claimed_in_portions(open_runner: Callable[..., DefaultRunner], define: Define) -> None:
    runner = open_runner(prefetch_tasks=8, max_concurrent_tasks=2)
    define(
        "w",
        ("source", lambda context: None, {}),
        *[(f"t{k}", lambda context: None, {"dependencies": ["source"]}) for k in range(500)],
        ("join", lambda context: None, {"dependencies": [f"t{k}" for k in range(500)]}),
    )
    result = runner.execute("w")
    assert result.status == "Completed"
    assert {t.attempt_count for t in result.task_results} == {1}


@dataclasses.dataclass
class Point:
    x: int


def test_a_run_that_cannot_be_read_here_is_parked_and_can_be_resumed(
    open_runner: Callable[..., DefaultRunner], define: Define, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(context: Context) -> None:
        context["point"] = Point(3)

    define(
        "w",
        ("make", make, {}),
        ("wait", lambda context: gate(), {"dependencies": ["make"]}),
        (
            "rule",
            lambda context: None,
            {"dependencies": ["wait"], "trigger_rules": holdwater.context_value("point", "exists")},
        ),
    )
    first = open_runner(shutdown_timeout_seconds=0)
    run_id = first.submit("w").run_id
    gate.wait_started()
    first.shutdown()
    gate.open.set()
    with monkeypatch.context() as patch:
        patch.delattr(sys.modules[__name__], "Point")
        second = open_runner()
        while second.handle(run_id).status != "Paused":  # a short wait for the driver, bounded by the test's time-out
            poll_pause()
        assert "Point" in (second.handle(run_id).info().reason or "")
        second.shutdown()
    third = open_runner()
    third.resume(run_id)
    assert third.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


def test_a_parked_run_goes_on_in_the_process_that_parked_it(
    runner: DefaultRunner, define: Define, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit the store refuses for what is in it: the run is parked with its work, and resumed where it was."""
    define("w", ("a", lambda context: gate(), {}), ("b", lambda context: None, {"dependencies": ["a"]}))
    handle = runner.submit("w")
    gate.wait_started()
    store = runner._engine.store
    real = store.commit

    def refusing(changes: Any) -> Any:
        if any(c.entries for c in changes):
            raise StoreError("too large, says the test")
        return real(changes)

    monkeypatch.setattr(store, "commit", refusing)
    gate.open.set()
    with pytest.raises(StoreError, match="too large"):
        handle.result(SIGNAL_TIMEOUT_SECONDS)
    monkeypatch.undo()
    assert handle.status == "Paused"
    assert "too large" in (handle.info().reason or "")
    handle.resume()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


def test_a_runner_without_recovery_keeps_its_late_timers(
    open_runner: Callable[..., DefaultRunner], define: Define
) -> None:
    def fails(context: Context) -> None:
        raise ConnectionError

    define("w", ("a", fails, {"retry_attempts": 2, "retry_delay_ms": 3_600_000, "retry_max_delay_ms": 3_600_000}))
    runner = open_runner(enable_recovery=False)
    handle = runner.submit("w")
    while handle.info().task_results[0].status != "Waiting":
        poll_pause()
    (row,) = runner._engine.store.work_of_run(handle.run_id)
    assert (row.kind, row.owner) == ("timer", runner._engine.owner)


def test_waiters_get_the_error_of_the_store_and_may_wait_again(tmp_path: Path, define: Define, gate: Gate) -> None:
    """Somebody takes a table away behind the runner's back, and puts it back."""
    define("held", ("a", lambda context: gate(), {}))
    path = tmp_path / "runs.db"

    def rename(old: str, new: str) -> None:
        doctor = sqlite3.connect(path, isolation_level=None)
        doctor.execute("PRAGMA legacy_alter_table = ON")
        doctor.execute(f"ALTER TABLE {old} RENAME TO {new}")
        doctor.close()

    with DefaultRunner(f"sqlite:///{path}") as runner:
        handle = runner.submit("held")
        gate.wait_started()
        rename("work", "gone")
        runner._engine.driver.check_for_work()
        with pytest.raises(StoreError, match="no such table"):
            handle.result(SIGNAL_TIMEOUT_SECONDS)
        rename("gone", "work")
        gate.open.set()
        assert runner.handle(handle.run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
