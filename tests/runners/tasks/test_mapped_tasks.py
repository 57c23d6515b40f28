"""Tasks that are mapped over a list of the context: a child run per item, on every database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task
from holdwater.errors import ConfigError, WorkflowError
from holdwater.executors import ProcessExecutor
from holdwater.operations.databases import Database
from holdwater.operations.doctor import diagnose_run
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import SystemClock
from holdwater.tasks.workflow import TaskWorkflow


@pytest.fixture(params=["sqlite", "postgres"])
def runner(
    request: pytest.FixtureRequest, tmp_path: Path, migrated_schema: Callable[[], str]
) -> Iterator[DefaultRunner]:
    url = migrated_schema() if request.param == "postgres" else f"sqlite:///{tmp_path}/runs.db"
    with DefaultRunner(url) as runner:
        yield runner


@pytest.fixture
def memory_runner() -> Iterator[DefaultRunner]:
    with DefaultRunner("memory://") as runner:
        yield runner


def define(function: Callable[..., Any], name: str = "mapped", **options: Any) -> TaskWorkflow:
    with WorkflowBuilder(name) as builder:
        task(id="sizes", map_over="files", **options)(function)

        @task(dependencies=["sizes"])
        def total(context: Any) -> dict[str, Any]:
            return {"total": sum(size or 0 for size in context["sizes"])}

    return builder.build()


def size_of(item: str) -> int:
    return len(item)


def test_results_are_collected_in_the_order_of_the_list(runner: DefaultRunner) -> None:
    define(size_of)
    result = runner.execute("mapped", {"files": ["a", "bbb", "cc"], "other": 1})
    assert result.status == "Completed"
    assert result.final_context.to_dict() == {
        "files": ["a", "bbb", "cc"], "other": 1, "sizes": [1, 3, 2], "total": 6
    }  # fmt: skip
    children = runner._engine.reader.view(result.run_id).children
    assert [child.id for child in children] == [f"{result.run_id}/sizes.1.{k}" for k in range(3)]
    view = runner._engine.reader.view(children[1].id)
    assert {name: value.copy() for name, value in view.starting_values.items()} == {"item": "bbb"}
    assert {name: value.copy() for name, value in view.result.items()} == {"result": 3}
    database = Database.of(runner._engine)
    assert [str(one) for one in StoreChecker(database.store, SystemClock().now).find_violations()] == []


def test_an_empty_list(memory_runner: DefaultRunner) -> None:
    define(size_of)
    result = memory_runner.execute("mapped", {"files": []})
    assert (result.status, result.final_context["sizes"], result.final_context["total"]) == ("Completed", [], 0)


def with_context(context: Any, item: str, handle: Any) -> dict[str, Any]:
    seen = {"keys": sorted(context), "item": item, "attempt": handle.attempt}
    context["lost"] = 1
    return seen


async def awaited(item: str) -> Any:
    return [item]


def returns_context(item: str, context: Any) -> Any:
    context["own"] = item
    return context


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (with_context, {"keys": ["k"], "item": "a", "attempt": 1}),
        (awaited, ["a"]),
        (returns_context, {"k": 7, "own": "a"}),
        (lambda *, item, suffix="!": item + suffix, "a!"),
        (lambda item: None, None),
    ],
)
def test_what_the_function_takes_and_returns(
    memory_runner: DefaultRunner, function: Callable[..., Any], expected: Any
) -> None:
    with WorkflowBuilder("forms"):
        task(id="m", map_over="files", map_result="out")(function)
    result = memory_runner.execute("forms", {"files": ["a"], "k": 7})
    assert (result.status, result.final_context.to_dict()) == ("Completed", {"files": ["a"], "k": 7, "out": [expected]})


@pytest.mark.parametrize(
    ("context", "error"),
    [
        ({}, "WorkflowError: task 'sizes' is mapped over 'files', which is not in the context"),
        ({"files": "abc"}, "WorkflowError: task 'sizes' is mapped over 'files', which is a str and no list"),
        ({"files": {"a": 1}}, "which is a dict and no list"),
        ({"files": {1, 2}}, "which is a set and no list"),
        ({"files": None}, "which is a NoneType and no list"),
    ],
)
def test_what_is_no_list(memory_runner: DefaultRunner, context: dict[str, Any], error: str) -> None:
    define(size_of, retry_attempts=3)
    result = memory_runner.execute("mapped", context)
    assert result.status == "Failed"
    assert error in (result.error_message or "")


def test_a_context_with_an_item_of_its_own(memory_runner: DefaultRunner) -> None:
    define(lambda item, context: 1)
    result = memory_runner.execute("mapped", {"files": [1], "item": 2})
    assert "the context has a key 'item'" in (result.error_message or "")
    define(lambda item: 1)
    assert memory_runner.execute("mapped", {"files": [1], "item": 2}).status == "Completed"


def test_a_failed_item_fails_the_task_and_a_retry_runs_only_what_is_left(runner: DefaultRunner) -> None:
    seen: list[str] = []
    bad = {"b"}

    def check(item: str) -> int:
        seen.append(item)
        if item in bad:
            raise ValueError(f"{item} is bad")
        return 1

    define(check, map_concurrency=1)
    failed = runner.execute("mapped", {"files": ["a", "b", "c"]})
    assert failed.status == "Failed"
    assert "item 1 of 'files' failed: task 'sizes' failed: ValueError: b is bad" in (failed.error_message or "")
    assert seen == ["a", "b"]
    bad.clear()
    runner.retry(failed.run_id)
    done = runner.handle(failed.run_id).result(30)
    assert (done.status, done.final_context["sizes"]) == ("Completed", [1, 1, 1])
    assert seen == ["a", "b", "b", "c"]


def test_failures_can_be_collected(memory_runner: DefaultRunner) -> None:
    def check(item: int) -> int:
        return 10 // item

    define(check, map_error_handling="continue")
    result = memory_runner.execute("mapped", {"files": [0, 5, 0]})
    assert (result.status, result.final_context["sizes"]) == ("Completed", [None, 2, None])
    errors = result.final_context["sizes_errors"]
    assert [one["index"] for one in errors] == [0, 2]
    assert "ZeroDivisionError" in errors[0]["error"]
    assert memory_runner.execute("mapped", {"files": [5]}).final_context["sizes_errors"] == []


def test_retries_and_observers_are_of_items(memory_runner: DefaultRunner) -> None:
    tries: dict[str, int] = {}
    told: list[Any] = []

    def flaky(item: str) -> str:
        tries[item] = tries.get(item, 0) + 1
        if tries[item] < 3 and item == "b":
            raise OSError("not yet")
        return item

    with WorkflowBuilder("flaky"):
        task(
            id="m",
            map_over="xs",
            retry_attempts=3,
            retry_delay_ms=0,
            on_failure=lambda task_id, error, context: told.append(("failed", context["item"])),
            on_success=lambda task_id, context: told.append(("done", context["m"])),
        )(flaky)
    result = memory_runner.execute("flaky", {"xs": ["a", "b"]})
    assert (result.status, result.final_context["m"], tries) == ("Completed", ["a", "b"], {"a": 1, "b": 3})
    assert told == [("failed", "b"), ("failed", "b"), ("done", ["a", "b"])]


def test_items_run_at_once_up_to_the_limit(memory_runner: DefaultRunner) -> None:
    running: list[int] = []
    most: list[int] = []
    two = threading.Barrier(2, timeout=30)

    def wait_for_another(item: int) -> int:
        running.append(item)
        most.append(len(running))
        two.wait()
        running.remove(item)
        return item

    define(wait_for_another, map_concurrency=2)
    result = memory_runner.execute("mapped", {"files": list(range(6))})
    assert result.final_context["sizes"] == list(range(6))
    assert max(most) == 2


def test_mapped_tasks_in_worker_processes(tmp_path: Path) -> None:
    config = DefaultRunnerConfig(executors={"cpu": ProcessExecutor(max_workers=1)})
    define(size_of, name="remote", executor="cpu")
    with DefaultRunner(f"sqlite:///{tmp_path}/runs.db", config=config) as runner:
        result = runner.execute("remote", {"files": ["a", "bb"]})
        assert (result.error_message, result.final_context["sizes"]) == (None, [1, 2])


def test_a_fork_with_an_edited_list(memory_runner: DefaultRunner) -> None:
    define(size_of)
    first = memory_runner.execute("mapped", {"files": ["a"]})
    done = memory_runner.fork(first.run_id, "sizes", context={"files": ["aa", "b"]}).result(30)
    assert (done.final_context["sizes"], done.final_context["total"]) == ([2, 1], 3)


def test_pause_resume_and_cancel(memory_runner: DefaultRunner) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(item: int) -> int:
        begun.set()
        assert go_on.wait(30)
        return item

    define(hold, map_concurrency=1)
    run_id = memory_runner.submit("mapped", {"files": [1, 2]}).run_id
    assert begun.wait(30)
    memory_runner.pause(run_id)
    go_on.set()
    memory_runner.resume(run_id)
    assert memory_runner.handle(run_id).result(30).final_context["sizes"] == [1, 2]
    begun.clear()
    go_on.clear()
    run_id = memory_runner.submit("mapped", {"files": [1, 2]}).run_id
    assert begun.wait(30)
    memory_runner.cancel(run_id)
    go_on.set()
    assert memory_runner.handle(run_id).result(30).status == "Cancelled"


def test_pictures_and_the_doctor(memory_runner: DefaultRunner) -> None:
    workflow = define(size_of)
    assert "child runs" in workflow.to_text()
    assert "sizes" in workflow.to_mermaid()
    assert "sizes" in workflow.to_svg()
    define(lambda item: 1 // 0)
    failed = memory_runner.execute("mapped", {"files": [1]})
    assert diagnose_run(Database.of(memory_runner._engine), failed.run_id)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"map_result": "x"}, "need map_over="),
        ({"map_over": "x", "map_result": "x"}, "would replace it"),
        ({"map_over": 3}, "map_over="),
        ({"map_over": "x", "map_concurrency": 0}, "map_concurrency is a whole number"),
        ({"map_over": "x", "map_error_handling": "ignore"}, "map_error_handling is 'raise' or 'continue'"),
        ({"map_over": "x", "invokes": "w"}, "not both"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], error: str) -> None:
    with pytest.raises((ConfigError, WorkflowError), match=error), WorkflowBuilder("w"):
        task(id="m", **options)(size_of)


@pytest.mark.parametrize("function", [lambda context: 1, lambda x: 1, lambda item, /: 1, lambda item, more: 1])
def test_functions_that_cannot_be(function: Callable[..., Any]) -> None:
    with pytest.raises(WorkflowError, match="is called for each item"), WorkflowBuilder("w"):
        task(id="m", map_over="x")(function)
