"""What bodies and observers raise, however broken it is, ends the attempt and is recorded with where it was raised."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from holdwater import Context, DefaultRunner, RetryPolicy, TaskHandle
from holdwater.executors import ProcessExecutor, Router
from holdwater.model.triggers import Trigger, TriggerResult
from holdwater.runners.tasks.results import TaskResult
from holdwater.runtime.services.triggers import call_trigger
from holdwater.tasks import ErrorText
from tests.model.hostile_exceptions import HOSTILE, StrRaises
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define

Body = Callable[..., Any]


def raising_task(name: str) -> Body:
    def body(context: Context) -> None:
        raise HOSTILE[name]()

    return body


def raising_async_task(name: str) -> Body:
    async def body(context: Context) -> None:
        await asyncio.sleep(0)
        raise HOSTILE[name]()

    return body


def raising_in_worker(name: str) -> Body:
    def body(context: Context) -> None:
        from tests.model.hostile_exceptions import HOSTILE

        raise HOSTILE[name]()

    return body


def raising_async_in_worker(name: str) -> Body:
    async def body(context: Context) -> None:
        from tests.model.hostile_exceptions import HOSTILE

        raise HOSTILE[name]()

    return body


def execute_and_get_tasks(runner: DefaultRunner, name: str) -> dict[str, TaskResult]:
    result = runner.submit(name).result(2 * SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Failed"
    json.dumps(result.to_dict()).encode()
    stored = runner.get_run(result.run_id)
    assert stored.task_results == result.task_results
    return {t.task_name: t for t in result.task_results}


def assert_error_kinds(found: dict[str, TaskResult], kinds: dict[str, str]) -> None:
    for name, kind in kinds.items():
        task = found[name]
        assert task.status == "Failed", task
        assert (task.error_message or "").startswith(kind), task
        assert "in body" in (task.traceback or ""), task


KINDS = {name: name for name in HOSTILE}
REPLACED = {"StopIteration": "RuntimeError"}
"""what a coroutine cannot raise; the interpreter raises another in its place"""


@pytest.mark.parametrize("make", [raising_task, raising_async_task])
def test_whatever_a_body_raises(runner: DefaultRunner, define: Define, make: Callable[[str], Body]) -> None:
    name = define("w", *[(name, make(name), {"retry_attempts": 1}) for name in HOSTILE])
    assert_error_kinds(execute_and_get_tasks(runner, name), KINDS | (REPLACED if make is raising_async_task else {}))


@pytest.mark.parametrize("make", [raising_in_worker, raising_async_in_worker])
def test_whatever_a_body_raises_in_a_worker_process(
    open_runner: Callable[..., DefaultRunner], define: Define, make: Callable[[str], Body]
) -> None:
    runner = open_runner(executors={"p": ProcessExecutor(1)}, routing=Router([("**", "p")]))
    name = define("w", *[(name, make(name), {"retry_attempts": 1}) for name in HOSTILE])
    found = execute_and_get_tasks(runner, name)
    assert_error_kinds(found, KINDS | (REPLACED if make is raising_async_in_worker else {}))
    for task in found.values():  # the function was sent there by value, without its file
        assert f'File "{__file__}", line' in (task.traceback or "")
        assert "raise HOSTILE[name]()" in (task.traceback or "")


@pytest.mark.parametrize("which", ["on_success", "on_failure"])
@pytest.mark.parametrize("make", [raising_task, raising_async_task])
def test_whatever_an_observer_raises_is_a_note(
    runner: DefaultRunner, define: Define, which: str, make: Callable[[str], Body]
) -> None:
    def observer(name: str) -> Body:
        def observe(*args: Any) -> None:
            raise HOSTILE[name]()

        return observe

    def good(context: Context) -> None:
        pass

    async def good_async(context: Context) -> None:
        pass

    bad = make("StrRaises")
    body = bad if which == "on_failure" else good if make is raising_task else good_async
    name = define("w", *[(name, body, {which: observer(name), "retry_attempts": 1}) for name in HOSTILE])
    result = runner.submit(name).result(2 * SIGNAL_TIMEOUT_SECONDS)
    assert result.status == ("Failed" if which == "on_failure" else "Completed")
    for task in result.task_results:
        (note,) = task.notes
        assert note.startswith(f"{which} of {task.task_name!r} raised {KINDS[task.task_name]}")
        if which == "on_failure":
            assert (task.error_message or "").startswith("StrRaises")


def test_an_observer_of_failures_sees_where(runner: DefaultRunner, define: Define) -> None:
    seen: list[tuple[str, str, str]] = []

    def body(context: Context) -> None:
        error = ConnectionError("refused")
        error.add_note("while it rained")
        raise error

    def failed(task_id: str, error: ErrorText, context: Context) -> None:
        seen.append((error, error.kind, error.traceback))

    result = runner.execute(define("w", ("a", body, {"on_failure": failed, "retry_attempts": 1})))
    ((text, kind, traceback),) = seen
    assert (text, kind) == ("ConnectionError: refused", "ConnectionError")
    assert "raise error" in traceback
    assert "while it rained" in traceback
    assert result.task_results[0].traceback == result.traceback == traceback


def test_a_retry_policy_whose_classes_raise_fails_the_attempt(runner: DefaultRunner, define: Define) -> None:
    class Meta(type):
        def __subclasscheck__(cls, other: type) -> bool:
            raise SystemExit("no answer")

    class Odd(Exception, metaclass=Meta):
        pass

    def body(context: Context) -> None:
        raise ValueError("the body's")

    retry = RetryPolicy(max_attempts=3, retry_on=(Odd,))
    result = runner.submit(define("w", ("a", body, {"retry": retry}))).result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Failed"
    assert "ValueError" in (result.error_message or "")
    assert "no answer" in (result.error_message or "")


def test_the_traceback_is_that_of_the_last_attempt(runner: DefaultRunner, define: Define) -> None:
    def body(context: Context, handle: TaskHandle) -> None:
        if handle.attempt == 1:
            raise ValueError("the first")
        if handle.attempt == 2:
            raise KeyError("the second")

    options = {"retry_attempts": 2, "retry_delay_ms": 0}
    (task,) = runner.execute(define("w", ("a", body, options))).task_results
    assert 'KeyError("the second")' in (task.traceback or "")
    assert "the first" not in (task.traceback or "")
    (task,) = runner.execute(define("better", ("a", body, options | {"retry_attempts": 3}))).task_results
    assert (task.status, task.error_message, task.traceback) == ("Completed", None, None)


def test_a_group_is_retried_for_a_cause_in_it(runner: DefaultRunner, define: Define) -> None:
    async def gathered(context: Context, handle: TaskHandle) -> None:
        async def bad(error: Exception) -> None:
            raise error

        if handle.attempt == 1:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(bad(ConnectionError("refused")))
                tasks.create_task(bad(StrRaises("m")))

    options = {"retry_attempts": 2, "retry_delay_ms": 0, "retry_condition": "transient"}
    result = runner.execute(define("w", ("a", gathered, options)))
    assert (result.status, result.task_results[0].attempt_count) == ("Completed", 2)


def test_a_task_that_exits_ends_no_other_body_of_its_loop(runner: DefaultRunner, define: Define) -> None:
    began = asyncio.Event()

    async def other(context: Context) -> dict[str, Any]:
        await asyncio.wait_for(began.wait(), SIGNAL_TIMEOUT_SECONDS)
        await asyncio.sleep(0.01)
        return {"lived": True}

    async def exits(context: Context) -> None:
        async def inner() -> None:
            began.set()
            raise SystemExit(5)

        await asyncio.gather(asyncio.create_task(inner()))

    result = runner.submit(define("w", ("other", other, {}), ("exits", exits, {"retry_attempts": 1}))).result(
        SIGNAL_TIMEOUT_SECONDS
    )
    tasks = {t.task_name: t for t in result.task_results}
    assert tasks["other"].status == "Completed"
    assert tasks["exits"].error_message == "SystemExit: 5"


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_a_trigger_raises_is_its_answer(name: str) -> None:
    def raises() -> TriggerResult:
        raise HOSTILE[name]()

    async def raises_async() -> TriggerResult:
        raise HOSTILE[name]()

    for function in (raises, raises_async):
        answer = call_trigger(Trigger("t", "w", 1_000_000, False, function))
        assert isinstance(answer, str)
        assert answer.startswith(name) or (name in REPLACED and function is raises_async)


def test_an_exception_in_a_finally_block(runner: DefaultRunner, define: Define) -> None:
    def body(context: Context) -> None:
        try:
            raise ValueError("first")
        finally:
            raise KeyError("in finally")

    (task,) = runner.execute(define("w", ("a", body, {"retry_attempts": 1}))).task_results
    assert task.error_message == "KeyError: 'in finally'"
    assert "ValueError: first" in (task.traceback or "")
