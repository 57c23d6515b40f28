"""What a run gives back: status, context, tasks, errors."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import holdwater
from holdwater import Context, DefaultRunner, TaskHandle, context_value, task_failed
from holdwater.errors import ConfigError, WorkflowError
from holdwater.model.registry import registry
from holdwater.model.triggers import triggers
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import SystemClock
from tests.suite.effort import LONG
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate


def does_nothing(context: Context) -> None:
    pass


def sets(**values: Any) -> Callable[[Context], None]:
    def body(context: Context) -> None:
        context.update_from_dict(values)

    return body


def raises_error(error: BaseException) -> Callable[[Context], None]:
    def body(context: Context) -> None:
        raise error

    return body


def test_a_completed_run(runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", sets(x=1), {}), ("b", sets(y=2), {"dependencies": ["a"]}))
    given = Context({"z": 3})
    result = runner.execute("w", given)
    assert result.status == "Completed"
    assert result.error_message is None
    assert result.final_context.to_dict() == {"z": 3, "x": 1, "y": 2}
    assert given.to_dict() == {"z": 3}
    assert result.workflow_name == "w"
    assert result.end_time is not None
    assert datetime.fromisoformat(result.start_time) <= datetime.fromisoformat(result.end_time)
    assert [(t.task_name, t.status, t.attempt_count) for t in result.task_results] == [
        ("a", "Completed", 1),
        ("b", "Completed", 1),
    ]
    first, second = result.task_results
    assert first.end_time is not None
    assert second.start_time is not None
    assert first.end_time <= second.start_time


def test_a_failed_run_names_task_type_and_message(runner: DefaultRunner, define: Define) -> None:
    define(
        "w",
        ("bad", raises_error(ValueError("no such luck")), {}),
        ("next", does_nothing, {"dependencies": ["bad"]}),
        ("last", does_nothing, {"dependencies": ["next"]}),
        ("alarm", sets(alarm=True), {"dependencies": ["bad"], "trigger_rules": task_failed("bad")}),
    )
    result = runner.execute("w")
    assert result.status == "Failed"
    assert result.error_message == "task 'bad' failed: ValueError: no such luck"
    assert {t.task_name: t.status for t in result.task_results} == {
        "bad": "Failed",
        "next": "Skipped",
        "last": "Skipped",
        "alarm": "Completed",
    }
    assert result.task_results[1].reason == "upstream failed: bad"
    assert result.final_context["alarm"] is True


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), RecursionError("deep"), MemoryError()])
def test_errors_that_are_no_exceptions_end_the_task_only(
    error: BaseException, runner: DefaultRunner, define: Define
) -> None:
    define("w", ("bad", raises_error(error), {}))
    define("fine", ("a", does_nothing, {}))
    assert type(error).__name__ in (runner.execute("w").error_message or "")
    assert runner.execute("fine").status == "Completed"


def test_an_error_that_cannot_be_shown(runner: DefaultRunner, define: Define) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    define("w", ("bad", raises_error(Mute()), {}))
    assert "Mute" in (runner.execute("w").error_message or "")


@pytest.mark.parametrize("value", [42, "text", [1], object()])
def test_a_wrong_return_value_says_what_to_return(value: object, runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", lambda context: value, {}))
    message = runner.execute("w").error_message or ""
    assert "'a'" in message
    assert "return" in message


@pytest.mark.parametrize(
    ("value", "path"),
    [({"a": [1, {"b": object()}]}, "a[1].b"), ([object()], "[0]"), (lambda: 0, "")],
)
def test_a_value_that_cannot_be_stored_fails_its_task(
    value: object, path: str, runner: DefaultRunner, define: Define
) -> None:
    define("w", ("a", sets(v=value), {}))
    result = runner.execute("w")
    assert result.status == "Failed"
    assert path in (result.error_message or "")


def test_a_context_that_cannot_be_stored_is_refused_at_once(runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", does_nothing, {}))
    with pytest.raises(TypeError):
        runner.submit("w", {"v": object()})
    assert runner.list_runs() == []


def test_unknown_workflow(runner: DefaultRunner, define: Define) -> None:
    define("orders", ("a", does_nothing, {}))
    with pytest.raises(ValueError, match="did you mean 'orders'"):
        runner.execute("order")


def test_retries_with_delay_and_condition(runner: DefaultRunner, define: Define) -> None:
    calls: list[int] = []

    def flaky(context: Context, handle: TaskHandle) -> None:
        calls.append(handle.attempt)
        if len(calls) < 3:
            raise ConnectionError("not yet")

    define("w", ("a", flaky, {"retry_attempts": 3, "retry_delay_ms": 1, "retry_condition": "transient"}))
    result = runner.execute("w")
    assert result.status == "Completed"
    assert calls == [1, 2, 3]
    assert result.task_results[0].attempt_count == 3
    assert result.task_results[0].error_message is None


def test_a_condition_that_does_not_cover_the_error(runner: DefaultRunner, define: Define) -> None:
    define("w", ("a", raises_error(ValueError("wrong")), {"retry_attempts": 5, "retry_condition": "transient"}))
    result = runner.execute("w")
    assert result.status == "Failed"
    assert result.task_results[0].attempt_count == 1


def test_task_timeout_frees_the_slot_and_refuses_the_late_result(
    open_runner: Callable[..., DefaultRunner], define: Define
) -> None:
    runner = open_runner(max_concurrent_tasks=1)
    told = threading.Event()

    def stuck(context: Context, handle: TaskHandle) -> None:
        while not handle.cancelled:
            told.wait(0.001)
        context["late"] = True
        told.set()

    define("w", ("stuck", stuck, {"timeout_seconds": 0.05}))
    define("fine", ("a", does_nothing, {}))
    result = runner.execute("w")
    assert result.status == "Failed"
    assert "ran longer than 0.05 s" in (result.error_message or "")
    assert runner.execute("fine").status == "Completed"
    assert told.wait(SIGNAL_TIMEOUT_SECONDS)
    assert "late" not in runner.get_run(result.run_id).final_context


def test_too_many_abandoned_bodies_are_refused_with_that_reason(
    open_runner: Callable[..., DefaultRunner], define: Define, gate: Gate
) -> None:
    runner = open_runner(max_concurrent_tasks=1)
    define("stuck", ("a", lambda context: gate(), {"timeout_seconds": 0.05}))
    define("fine", ("a", does_nothing, {}))
    assert runner.execute("stuck").status == "Failed"
    assert "cannot be killed" in (runner.execute("fine").error_message or "")


def test_workflow_timeout_ends_the_run(open_runner: Callable[..., DefaultRunner], define: Define, gate: Gate) -> None:
    runner = open_runner(workflow_timeout_seconds=0.1)
    define("w", ("a", lambda context: gate(), {}), ("b", does_nothing, {"dependencies": ["a"]}))
    result = runner.execute("w")
    assert result.status == "Failed"
    assert result.error_message == "TIMEOUT: the workflow ran longer than 0.1 s"
    assert [t.status for t in result.task_results] == ["Cancelled", "Pending"]


def test_async_bodies_run_together(runner: DefaultRunner, define: Define) -> None:
    arrived: list[str] = []
    together = asyncio.Event()

    def meets(name: str) -> Callable[[Context], Any]:
        async def body(context: Context) -> dict[str, int]:
            arrived.append(name)
            if len(arrived) == 3:
                together.set()
            await asyncio.wait_for(together.wait(), SIGNAL_TIMEOUT_SECONDS)
            return {name: 1}

        return body

    define("w", *[(name, meets(name), {}) for name in "abc"])
    result = runner.execute("w")
    assert result.final_context.to_dict() == {"a": 1, "b": 1, "c": 1}


def test_an_async_body_is_cancelled_by_its_timeout(runner: DefaultRunner, define: Define) -> None:
    ended = threading.Event()

    async def stuck(context: Context) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    define("w", ("a", stuck, {"timeout_seconds": 0.05}))
    assert runner.execute("w").status == "Failed"
    assert ended.wait(SIGNAL_TIMEOUT_SECONDS)


def test_deferring_gives_the_slot_to_others(open_runner: Callable[..., DefaultRunner], define: Define) -> None:
    runner = open_runner(max_concurrent_tasks=1, task_timeout_seconds=0.5)
    signal = threading.Event()
    held: list[bool] = []

    def wait(context: Context, handle: TaskHandle) -> None:
        def condition() -> bool:
            held.append(handle.is_slot_held())
            return signal.is_set()

        handle.defer_until(condition, poll_interval_ms=5)
        held.append(handle.is_slot_held())

    define("w", ("wait", wait, {}), ("signal", lambda context: signal.set(), {}))
    assert runner.execute("w").status == "Completed"
    assert held[:2] == [True, False], "it is asked before the slot is given up, and again without it"
    assert held[-1] is True


def test_deferring_until_what_is_true_already_keeps_the_slot(runner: DefaultRunner, define: Define) -> None:
    held: list[bool] = []

    def condition(handle: TaskHandle) -> bool:
        held.append(handle.is_slot_held())
        return True

    def wait(context: Context, handle: TaskHandle) -> None:
        handle.defer_until(lambda: condition(handle), poll_interval_ms=3_600_000)

    async def wait_async(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until_async(lambda: condition(handle), poll_interval_ms=3_600_000)

    define("w", ("a", wait, {}), ("b", wait_async, {}))
    assert runner.execute("w").status == "Completed"
    assert held == [True, True]


def test_deferring_in_async_bodies_and_with_a_limit(runner: DefaultRunner, define: Define) -> None:
    answers = iter([False, True])

    async def condition() -> bool:
        return next(answers)

    async def wait(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until_async(condition, poll_interval_ms=1)
        context["waited"] = True

    def never(context: Context, handle: TaskHandle) -> None:
        handle.defer_until(lambda: False, poll_interval_ms=1, timeout_ms=5)

    define("w", ("wait", wait, {}), ("never", never, {}))
    result = runner.execute("w")
    assert result.final_context["waited"] is True
    assert "did not become true within 5 ms" in (result.error_message or "")


def test_observers_are_told_and_cannot_fail_a_run(runner: DefaultRunner, define: Define) -> None:
    seen: list[Any] = []

    def on_success(task_id: str, context: Context) -> None:
        seen.append((task_id, context.to_dict()))
        context["changed"] = True
        raise RuntimeError("observer broke")

    def on_failure(task_id: str, error: str, context: Context) -> None:
        seen.append((task_id, error))

    define(
        "w",
        ("good", sets(a=1), {"on_success": on_success}),
        ("bad", raises_error(ValueError("x")), {"on_failure": on_failure, "retry_attempts": 2, "retry_delay_ms": 0}),
    )
    result = runner.execute("w")
    assert sorted(map(str, seen)) == sorted(map(str, [("good", {"a": 1}), *[("bad", "ValueError: x")] * 2]))
    assert "changed" not in result.final_context
    assert [n for n in result.notes if "observer broke" in n]


def test_rules_over_values(runner: DefaultRunner, define: Define) -> None:
    define(
        "w",
        ("a", sets(n=7), {}),
        ("big", sets(big=True), {"dependencies": ["a"], "trigger_rules": context_value("n", ">", 5)}),
        ("small", sets(small=True), {"dependencies": ["a"], "trigger_rules": context_value("n", "<", 5)}),
    )
    result = runner.execute("w")
    assert result.status == "Completed"
    assert result.final_context.to_dict() == {"n": 7, "big": True}
    assert result.task_results[2].reason == "its trigger rule did not hold"


def test_eight_threads_share_a_runner(runner: DefaultRunner, define: Define) -> None:
    def double(context: Context) -> None:
        context["y"] = context["x"] * 2

    define("w", ("a", double, {}))
    right: list[int] = []

    def work(first: int) -> None:
        for x in range(first, 400, 8):
            assert runner.execute("w", {"x": x}).final_context["y"] == 2 * x
            right.append(x)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(right) == list(range(400))
    assert len(runner.list_runs(status="Completed", limit=1000)) == 400


@pytest.mark.parametrize("size", [3_000, pytest.param(10_000, marks=LONG)])
def test_thousands_of_tasks(runner: DefaultRunner, define: Define, size: int) -> None:
    def count(context: Context) -> None:
        context["n"] = context.get("n", 0) + 1

    define("w", *[(f"t{k}", count, {"dependencies": [f"t{k - 1}"] if k % 100 else []}) for k in range(size)])
    result = runner.execute("w")
    assert result.status == "Completed"
    assert {t.status for t in result.task_results} == {"Completed"}


@pytest.mark.parametrize("megabytes", [3, pytest.param(10, marks=LONG)])
def test_a_context_of_ten_large_values(runner: DefaultRunner, define: Define, megabytes: int) -> None:
    define("w", ("a", sets(extra=1), {}), ("b", sets(more=2), {"dependencies": ["a"]}))
    result = runner.execute("w", {f"k{k}": "x" * megabytes * 1_000_000 for k in range(10)})
    assert result.status == "Completed"
    stored = runner.get_run(result.run_id).final_context
    assert len(stored) == 12
    assert len(stored["k9"]) == megabytes * 1_000_000


def test_memory_databases(define: Define) -> None:
    define("w", ("a", sets(x=1), {}))
    for url in ("sqlite:///:memory:", "memory://"):
        with DefaultRunner(url) as runner:
            assert runner.execute("w").final_context["x"] == 1
            assert len(runner.list_runs()) == 1


def test_bad_urls_and_options(tmp_path: Path) -> None:
    for url in ("invalid://connection/string", "", "app.db", f"sqlite:///{tmp_path}/no/such/dir/x.db"):
        with pytest.raises(ValueError):
            DefaultRunner(url)
    with pytest.raises(ValueError, match="max_concurrent_tasks"):
        holdwater.DefaultRunnerConfig(max_concurrent_tasks=0)
    with pytest.raises(ValueError, match="did you mean"):
        holdwater.DefaultRunnerConfig(max_concurent_tasks=1)
    with pytest.raises(ValueError, match="PostgreSQL"):
        DefaultRunner.with_schema("sqlite:///x.db", "tenant")


class TestFailuresThatAreHandled:
    def test_the_run_is_completed_and_the_failure_shown(self, runner: DefaultRunner, define: Define) -> None:
        define(
            "w",
            (
                "load",
                raises_error(ConnectionError("down")),
                {"on_error": "handled", "retry_attempts": 2, "retry_delay_ms": 1},
            ),
            ("fall_back", sets(rows=0), {"dependencies": ["load"], "trigger_rules": task_failed("load")}),
            ("only_with_data", sets(all=1), {"dependencies": ["load"]}),
            ("report", sets(done=True), {"dependencies": ["fall_back"]}),
        )
        result = runner.execute("w")
        assert result.status == "Completed"
        assert result.error_message is None
        assert result.final_context.to_dict() == {"rows": 0, "done": True}
        states = {t.task_name: t.status for t in result.task_results}
        assert states == {
            "load": "Failed",
            "fall_back": "Completed",
            "only_with_data": "Skipped",
            "report": "Completed",
        }
        assert "down" in (result.task_results[0].error_message or "")
        assert runner.get_run(result.run_id).status == "Completed", "as recorded, too"
        assert [str(v) for v in StoreChecker(runner._engine.store, SystemClock().now).find_violations()] == []

    def test_a_failure_of_what_answers_for_it_fails_the_run(self, runner: DefaultRunner, define: Define) -> None:
        define(
            "w",
            ("load", raises_error(ConnectionError("down")), {"on_error": "handled"}),
            ("fall_back", raises_error(ValueError("no luck")), {"trigger_rules": task_failed("load")}),
        )
        result = runner.execute("w")
        assert result.status == "Failed"
        assert "fall_back" in (result.error_message or "")

    @pytest.mark.parametrize("rule", [None, holdwater.always(), context_value("x", "==", 1)])
    def test_a_rule_must_mention_it(self, define: Define, rule: Any) -> None:
        with pytest.raises(WorkflowError, match="no rule of another task"):
            define(
                "w",
                ("load", does_nothing, {"on_error": "handled"}),
                ("next", does_nothing, {"dependencies": ["load"], "trigger_rules": rule}),
            )

    def test_other_words_are_refused(self, define: Define) -> None:
        with pytest.raises(ConfigError, match="'fail' or 'handled'"):
            define("w", ("a", does_nothing, {"on_error": "ignore"}))


def test_a_runner_is_collected_while_its_thread_holds_a_lock() -> None:
    """The garbage collector may find a forgotten runner in any line, also in one that registers a workflow."""
    runner = DefaultRunner("memory://")
    with registry._lock, triggers._lock:
        collecting = threading.Thread(target=runner._finalizer, daemon=True)
        collecting.start()
        collecting.join(SIGNAL_TIMEOUT_SECONDS)
        assert not collecting.is_alive()
    runner.shutdown()
