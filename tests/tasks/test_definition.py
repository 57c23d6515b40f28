"""What a body may do and return, and what its observers hear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from holdwater.errors import ContextTooLarge, EncodingError, TaskReturnError
from holdwater.tasks import Context, task
from holdwater.tasks.definition import TaskWorkflowDefinition
from holdwater.tasks.layered_map import LayeredMap
from tests.tasks.driver import KernelRun, get_definition, make_builder


def run_single_task(function: Callable[..., Any], **options: Any) -> TaskWorkflowDefinition:
    made, registry = make_builder()
    with made:
        task(id="x", **options)(function)
    return get_definition(registry)


async def awaited(c: Context) -> Context:
    c["b"] = 2
    return c


async def awaited_none(c: Context, task_handle: Any) -> None:
    c["b"] = task_handle


def fresh(c: Context) -> Context:
    return Context({"b": 2})


def copied(c: Context) -> Context:
    other = c.copy()
    c["lost"] = 1
    other["rows"].append(1)
    return other


class Object:
    __name__ = "x"

    async def __call__(self, c: Context) -> dict[str, int]:
        return {"b": 2}


@pytest.mark.parametrize(
    ("body", "final"),
    [
        (lambda c: None, {"a": 1, "rows": []}),
        (lambda c: c, {"a": 1, "rows": []}),
        (lambda c: {"b": 2}, {"a": 1, "rows": [], "b": 2}),
        (lambda c: c["rows"].append(1), {"a": 1, "rows": [1]}),
        (lambda c: {"rows": [*c["rows"], 2]}, {"a": 1, "rows": [2]}),
        (fresh, {"b": 2}),
        (copied, {"a": 1, "rows": [1]}),
        (awaited, {"a": 1, "rows": [], "b": 2}),
        (awaited_none, {"a": 1, "rows": [], "b": "handle"}),
        (Object(), {"a": 1, "rows": [], "b": 2}),
    ],
)
def test_what_a_body_returns(body: Callable[..., Any], final: dict[str, Any]) -> None:
    run = KernelRun(run_single_task(body), {"a": 1, "rows": []}).run_to_end()
    assert run.errors == {}
    assert run.final_context == final


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (lambda c: 3, "task 'x' returned int\n"),
        (lambda c: [c], "returned list\n"),
        (lambda c: False, "returned bool\n"),
        (lambda c: (key for key in c), "returned generator\n"),
        (lambda c: awaited(c), "something to await"),
    ],
)
def test_anything_else_fails_the_task_and_says_what_to_return(body: Callable[..., Any], says: str) -> None:
    made = run_single_task(body)
    with pytest.raises(TaskReturnError, match=says) as caught:
        made.execute(0, LayeredMap(), None)
    assert isinstance(caught.value, TypeError)
    assert "return the context, None" in str(caught.value)
    assert KernelRun(made).run_to_end().machine.status == "failed"


@pytest.mark.parametrize(
    ("body", "takes"),
    [
        (lambda c, handle: c.set("h", handle), True),
        (lambda c, task_handle: c.set("h", task_handle), True),
        (lambda c, other=None: c.set("h", other), False),
        (lambda c, n=0, handle=None: c.set("h", handle), False),
        (lambda *a: a[0].set("h", a[1] if len(a) > 1 else None), False),
    ],
)
def test_who_gets_the_handle(body: Callable[..., Any], takes: bool) -> None:
    assert KernelRun(run_single_task(body)).run_to_end().final_context == {"h": "handle" if takes else None}


def test_methods_take_a_handle_too() -> None:
    class Tasks:
        def run(self, c: Context, handle: Any) -> None:
            c["h"] = handle

    assert KernelRun(run_single_task(Tasks().run)).run_to_end().final_context == {"h": "handle"}


def test_a_failed_body_changes_nothing() -> None:
    def body(c: Context) -> None:
        c["rows"].append(1)
        raise ValueError("no")

    run = KernelRun(run_single_task(body), {"rows": []}).run_to_end()
    assert run.errors == {"x": ("ValueError", "no")}
    assert run.final_context == {"rows": []}


def test_attempts_do_not_share_values() -> None:
    made = run_single_task(lambda c: c["rows"].append(1))
    run = KernelRun(made, {"rows": []})
    view = run.board.view(0)
    for _ in range(3):
        (patch,) = made.execute(0, view, None).values
        assert patch.text == '{"set":{"rows":[1]},"del":[]}'


def test_what_cannot_be_stored_fails_the_task() -> None:
    with pytest.raises(EncodingError, match="rows"):
        run_single_task(lambda c: c["rows"].append(object())).execute(
            0, KernelRun(run_single_task(awaited), {"rows": []}).board.view(0), None
        )


def test_on_success_sees_a_copy_of_the_final_context() -> None:
    seen: list[Any] = []

    def observe(name: str, c: Context) -> None:
        seen.append((name, c.to_dict()))
        c["extra"] = 1
        del c["b"]

    def body(c: Context) -> dict[str, int]:
        del c["a"]
        return {"b": 2}

    run = KernelRun(run_single_task(body, on_success=observe), {"a": 1}).run_to_end()
    assert seen == [("x", {"b": 2})]
    assert run.final_context == {"b": 2}
    assert run.notes == []


def test_on_failure_hears_of_every_failed_attempt_and_sees_what_the_task_saw() -> None:
    seen: list[Any] = []

    def body(c: Context) -> None:
        c["a"] = 2
        raise ValueError("no")

    run = KernelRun(
        run_single_task(body, on_failure=lambda name, error, c: seen.append((name, error, c.to_dict()))), {"a": 1}
    ).run_to_end()
    assert seen == [("x", "ValueError: no", {"a": 1})]
    assert run.notes == []


def test_what_observers_raise_is_a_note() -> None:
    def observe(*args: Any) -> None:
        raise KeyError("oops")

    def bad(c: Context) -> None:
        raise ValueError("no")

    good = KernelRun(run_single_task(lambda c: {"a": 1}, on_success=observe)).run_to_end()
    assert (good.machine.status, good.final_context) == ("completed", {"a": 1})
    assert good.notes == ["on_success of 'x' raised KeyError: 'oops'"]
    failed = KernelRun(run_single_task(bad, on_failure=observe)).run_to_end()
    assert failed.notes == ["on_failure of 'x' raised KeyError: 'oops'"]
    assert failed.errors == {"x": ("ValueError", "no")}


@pytest.mark.parametrize("inputs", [None, {"a": [1]}, Context({"a": [1]})])
def test_inputs_are_copied(inputs: Any) -> None:
    run = KernelRun(run_single_task(lambda c: c.set("a", [*c.get("a", []), 2])), inputs).run_to_end()
    assert run.final_context == {"a": [1, 2] if inputs else [2]}
    assert inputs is None or inputs == {"a": [1]}


@pytest.mark.parametrize("inputs", [{"a": object()}, {1: 1}, [1], "a"])
def test_inputs_that_cannot_be_stored(inputs: Any) -> None:
    with pytest.raises(EncodingError):
        run_single_task(awaited).encode_inputs(inputs)


def test_the_size_limit_is_the_programs() -> None:
    made = run_single_task(lambda c: c.set("big", "x" * 1000))
    made.max_context_bytes = 500
    with pytest.raises(ContextTooLarge, match="'big'"):
        made.execute(0, KernelRun(made, {"a": 1}).board.view(0), None)
    with pytest.raises(ContextTooLarge, match="'a'"):
        made.encode_inputs({"a": "y" * 501})


def test_async_is_known_beforehand() -> None:
    assert [run_single_task(b).is_async(0) for b in (awaited, Object(), fresh)] == [True, True, False]
