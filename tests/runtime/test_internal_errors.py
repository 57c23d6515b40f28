"""An error inside the engine harms the run it concerns and no other, whichever call it comes from."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

import holdwater.engine.engine
from holdwater import Context, DefaultRunner, TaskHandle, WorkflowHandle, context_value
from holdwater.errors import HoldwaterError, InternalError, InvalidTransition, RunNotFinished, StoreError, StoreUnusable
from holdwater.kernel import Machine
from holdwater.model import journal
from holdwater.model.policies import RetryPolicy
from holdwater.runtime import future
from holdwater.runtime.active_run import ActiveRun
from holdwater.runtime.attempt import Attempt
from holdwater.runtime.clock import SystemClock
from holdwater.runtime.commits import Commits
from holdwater.runtime.driver import Driver
from holdwater.runtime.executors.slots import Executor
from holdwater.runtime.loop import Loop
from holdwater.runtime.run_loader import RunLoader
from holdwater.runtime.services.claims import WorkClaimer
from holdwater.runtime.services.deadlines import Deadlines
from holdwater.runtime.services.leases import LeaseKeeper
from holdwater.runtime.services.recovery import StaleClaimSweeper
from holdwater.runtime.services.retention import Retention
from holdwater.runtime.services.run_control import RunControl
from holdwater.runtime.services.schedules import Scheduler
from holdwater.runtime.work_starter import Work
from holdwater.storage import open_store
from holdwater.storage.sqlite.store import SQLiteStore
from holdwater.tasks.definition import TaskWorkflowDefinition
from holdwater.tasks.run_data import TaskRunData
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define
from tests.suite.waiting import poll_pause

KINDS: tuple[type[BaseException], ...] = (KeyError, SystemExit, RecursionError, MemoryError, GeneratorExit, OSError)

PER_RUN_FUNCTIONS: list[tuple[Any, str]] = [
    (ActiveRun, "apply_entry"),
    (ActiveRun, "run_local_commands"),
    (ActiveRun, "build_update"),
    (ActiveRun, "mark_saved"),
    (Machine, "apply"),
    (journal, "encode_entry"),
    (TaskRunData, "view"),
    (TaskRunData, "rule_results"),
    (TaskWorkflowDefinition, "policy"),
    (TaskWorkflowDefinition, "on_failure"),
    (RetryPolicy, "is_retryable"),
    (RetryPolicy, "delay_seconds"),
    (Attempt, "failure_entry"),
    (Executor, "submit_attempt"),
    (Deadlines, "watch_attempt"),
    (Deadlines, "watch_run"),
    (Commits, "_on_committed"),
    (Work, "_fire_timer"),
    (Driver, "_add_submitted_run"),
    (Work, "finish_attempt"),
    (RunControl, "cancel_running"),
    (RunLoader, "compiled_plan"),
    (SQLiteStore, "commit"),
]
"""functions called for one run: that run may be parked, refused or failed"""

LOOP_FUNCTIONS: list[tuple[Any, str]] = [
    (WorkClaimer, "run"),
    (StaleClaimSweeper, "run"),
    (StaleClaimSweeper, "_scan"),
    (WorkClaimer, "_claim_work"),
    (Scheduler, "run"),
    (Retention, "run"),
    (Deadlines, "run"),
    (LeaseKeeper, "run"),
    (Loop, "_process_inbox"),
    (Loop, "_run_due"),
    (Loop, "_next_timeout"),
    (SQLiteStore, "claim_work"),
    (SQLiteStore, "next_lease_expiry"),
    (SQLiteStore, "next_due_at"),
    (SystemClock, "now"),
]
"""functions called for all: no run may be harmed"""

EXPECTED_STATUSES = ("Completed", "Cancelled")
EXPECTED_OUTCOMES = ["Cancelled", *["Completed"] * 4]


class FailingFunction:
    """A function whose n-th call raises; of calls in the driver's thread and in those of bodies only, while armed."""

    def __init__(self, owner: Any, name: str, n: int, kind: type[BaseException], *, armed: bool = True) -> None:
        self.owner, self.name, self.n, self.error_class = owner, name, n, kind
        self.armed = armed
        self.calls = 0
        self._real = getattr(owner, name)
        self._lock = threading.Lock()

    def __enter__(self) -> FailingFunction:
        def call(*args: Any, **kw: Any) -> Any:
            if self.armed and threading.current_thread().name.startswith("holdwater-"):
                with self._lock:
                    self.calls += 1
                    raises = self.calls == self.n
                if raises:
                    raise self.error_class(f"call {self.n} of {self.name}, says the test")
            return self._real(*args, **kw)

        setattr(self.owner, self.name, call)
        return self

    def __exit__(self, *_: object) -> None:
        setattr(self.owner, self.name, self._real)


def define_workflows(define: Define) -> None:
    def flaky(context: Context, handle: TaskHandle) -> None:
        if context["n"] % 2 and handle.attempt == 1:
            raise ConnectionError("once")

    define(
        "w",
        ("a", lambda context: None, {}),
        ("flaky", flaky, {"dependencies": ["a"], "retry_attempts": 2, "retry_delay_ms": 1}),
        (
            "rule",
            lambda context: None,
            {"dependencies": ["a"], "trigger_rules": context_value("n", "exists")},
        ),
        ("end", lambda context: None, {"dependencies": ["flaky", "rule"]}),
    )

    def until_told(context: Context, handle: TaskHandle) -> None:
        while not handle.cancelled:
            handle._wait_for_cancel(SIGNAL_TIMEOUT_SECONDS)
        handle.raise_if_cancelled()

    define("held", ("a", until_told, {}))
    define("fails", ("a", raises_error, {"retry_attempts": 1}))


def raises_error(context: Context) -> None:
    raise ValueError("as it should")


def outcome_of(call: Callable[[], Any]) -> str:
    """What became of a run: a status, or the type of the typed error."""
    try:
        status: str = call().result(SIGNAL_TIMEOUT_SECONDS).status
    except RunNotFinished:
        return "hangs"
    except HoldwaterError as error:
        return type(error).__name__
    return status


def collect_outcomes(runner: DefaultRunner) -> list[str]:
    """Of some runs that are under way at the same time."""
    asked: list[str] = []

    def one(k: int) -> None:
        asked.append(outcome_of(lambda: runner.submit("w", {"n": k})))

    threads = [threading.Thread(target=one, args=(k,)) for k in range(4)]
    threads.append(threading.Thread(target=lambda: asked.append(outcome_of(lambda: cancel_and_wait(runner)))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(asked)


def cancel_and_wait(runner: DefaultRunner) -> WorkflowHandle:
    handle = runner.submit("held")
    handle.cancel()
    return handle


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.CRITICAL, "holdwater.runner"):
        yield


@pytest.mark.parametrize(("owner", "name"), PER_RUN_FUNCTIONS, ids=lambda x: getattr(x, "__name__", x))
def test_an_error_of_one_run_affects_no_other(owner: Any, name: str, define: Define) -> None:
    define_workflows(define)
    reached = 0
    for n in (1, 2, 3, 5, 8, 13):
        broken = FailingFunction(owner, name, n, KINDS[n % len(KINDS)], armed=False)
        with broken, DefaultRunner("sqlite:///:memory:") as runner:
            broken.armed = True
            ended = collect_outcomes(runner)
            broken.armed = False
            reached += broken.calls >= n
            assert "hangs" not in ended, (n, ended)
            assert sum([status in EXPECTED_STATUSES for status in ended]) >= 4, (n, ended)
            assert runner.execute("w", {"n": 0}).status == "Completed", n
            assert runner.execute("fails").status == "Failed", n
            parked = runner.list_runs(status="Paused")
            assert all("says the test" in (runner.get_run(run.run_id).reason or "") for run in parked)
            for run in parked:  # what is parked can be gone on with
                runner.resume(run.run_id)
                if run.workflow_name == "held":
                    with suppress(InvalidTransition):  # it was cancelled before it was parked
                        runner.cancel(run.run_id)
                assert runner.handle(run.run_id).result(SIGNAL_TIMEOUT_SECONDS).status in EXPECTED_STATUSES, n
    assert reached, f"{name} is never called"


@pytest.mark.parametrize(("owner", "name"), LOOP_FUNCTIONS, ids=lambda x: getattr(x, "__name__", x))
def test_an_error_of_the_loop_affects_no_run(owner: Any, name: str, define: Define) -> None:
    define_workflows(define)
    reached = 0
    for n in (1, 2, 3, 5, 8):
        kind = (KeyError, OSError, RecursionError)[n % 3]
        with FailingFunction(owner, name, n, kind) as broken, DefaultRunner("sqlite:///:memory:") as runner:
            ended = collect_outcomes(runner)
            runner._engine.driver.check_for_work()
            assert runner.execute("w", {"n": 0}).status == "Completed", n
            reached += broken.calls >= n
            if name != "now":  # which is asked for each run, too
                assert ended == EXPECTED_OUTCOMES, (n, ended)
            assert sum([status in EXPECTED_STATUSES for status in ended]) >= 4, (n, ended)
            assert broken.calls < n or any("says the test" in fault.error for fault in runner.internal_errors())
    assert reached, f"{name} is never called"


def test_an_error_is_reported_with_its_traceback(define: Define, caplog: pytest.LogCaptureFixture) -> None:
    define_workflows(define)
    with DefaultRunner("sqlite:///:memory:") as runner:
        said = pytest.raises(InternalError, match=r"KeyError.*call 1 of build_update")
        with (
            caplog.at_level(logging.ERROR, "holdwater.runner"),
            FailingFunction(ActiveRun, "build_update", 1, KeyError),
            said as caught,
        ):
            runner.submit("w", {"n": 0})
        assert isinstance(caught.value.__cause__, KeyError)
        (fault,) = runner.internal_errors()
        assert "in call" in fault.traceback
        assert fault.error.startswith("KeyError")
        assert fault.traceback in caplog.text


def test_a_failing_service_does_not_stop_the_others(define: Define, monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedules fail at every look: work of others is claimed, retries and time-outs are kept all the same."""

    def always(self: Scheduler, now: int) -> None:
        raise LookupError("says the test")

    monkeypatch.setattr(Scheduler, "run", always)
    define_workflows(define)
    define(
        "slow", ("a", lambda context, handle: handle._wakeup or handle._wait_for_cancel(60), {"timeout_seconds": 0.05})
    )
    with DefaultRunner("sqlite:///:memory:") as runner:
        assert collect_outcomes(runner) == EXPECTED_OUTCOMES
        slow = runner.submit("slow").result(SIGNAL_TIMEOUT_SECONDS)
        assert slow.status == "Failed"
        assert {fault.error for fault in runner.internal_errors()} == {"LookupError: says the test"}


def test_a_service_rejected_by_the_store_does_not_stop_the_others(
    define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Any, *args: Any) -> None:
        raise StoreUnusable("no right to look at schedules, says the test")

    monkeypatch.setattr(SQLiteStore, "next_due_at", refuse)
    define_workflows(define)
    with DefaultRunner("sqlite:///:memory:") as runner:
        assert collect_outcomes(runner) == EXPECTED_OUTCOMES
        assert any("says the test" in fault.error for fault in runner.internal_errors())


def test_a_callback_that_raises_affects_no_other_callback() -> None:
    told: list[object] = []
    asked: future.Future[int] = future.Future()

    def broken(_: future.Future[int]) -> None:
        raise SystemExit

    asked.add_done_callback(broken)
    asked.add_done_callback(lambda p: told.append(p.result()))
    asked.set_result(1)
    assert told == [1]


def test_a_batch_with_one_bad_update_is_bisected(define: Define, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store does not take one of many: that submit is refused, and the others take few transactions."""
    define("ok", ("a", lambda context: None, {}))
    store = open_store("sqlite:///:memory:")
    monkeypatch.setattr(holdwater.engine.engine, "open_store", lambda url, options: store)
    sizes: list[int] = []
    real = store.commit
    held, begun = threading.Event(), threading.Event()

    def commit(changes: Any) -> Any:
        if not begun.is_set():  # the first waits until all others are there, so that they are one batch
            begun.set()
            assert held.wait(SIGNAL_TIMEOUT_SECONDS)
        sizes.append(len(changes))
        if any(change.run.idempotency_key == "bad" for change in changes):
            raise StoreError("too long, says the test")
        return real(changes)

    monkeypatch.setattr(store, "commit", commit)
    with DefaultRunner("sqlite:///:memory:") as runner:
        answers: dict[str, str] = {}
        keys = ["first", *[f"k{k}" for k in range(30)], "bad", *[f"l{k}" for k in range(33)]]

        def one(key: str) -> None:
            answers[key] = outcome_of(lambda: runner.submit("ok", idempotency_key=key))

        threads = [threading.Thread(target=one, args=(key,)) for key in keys]
        threads[0].start()
        assert begun.wait(SIGNAL_TIMEOUT_SECONDS)
        for thread in threads[1:]:
            thread.start()
        while runner._engine.driver.loop._inbox.qsize() < len(keys) - 1:  # bounded by the test's time-out
            poll_pause()
        held.set()
        for thread in threads:
            thread.join()
    assert answers.pop("bad") == "StoreError"
    assert set(answers.values()) == {"Completed"}
    batch = sizes.index(max(sizes))
    assert sizes[batch] >= 60
    failed = [size for size in sizes[batch:] if size > 1][:14]
    assert len([size for size in failed if size >= 2]) <= 14
