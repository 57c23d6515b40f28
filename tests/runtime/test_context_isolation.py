"""What one body sets in a context variable, the decimal context among them, no other attempt sees."""

from __future__ import annotations

import contextvars
import decimal
from collections.abc import Callable
from typing import Any

import pytest

from holdwater import Context, DefaultRunner, TaskHandle
from holdwater.executors import ProcessExecutor, Router
from tests.suite.runners import Define

tenant = contextvars.ContextVar("tenant", default="default")
DEFAULT = ["default", decimal.DefaultContext.prec]


def observe_and_change() -> list[Any]:
    """What a body sees, before it changes everything."""
    seen = [tenant.get(), decimal.getcontext().prec]
    tenant.set("a body's")
    decimal.getcontext().prec = 3
    return seen


def sync_task(context: Context, handle: TaskHandle) -> dict[str, Any]:
    seen = [*context.get("seen", []), observe_and_change()]
    if handle.attempt == 1:
        raise ValueError("once more")
    return {"seen": seen}


async def async_task(context: Context, handle: TaskHandle) -> dict[str, Any]:
    return sync_task(context, handle)


def task_in_worker(context: Context, handle: TaskHandle) -> dict[str, Any]:
    # its own module is imported anew in the worker: there the variable is another, and fresh
    from tests.runtime.test_context_isolation import sync_task

    return sync_task(context, handle)


RETRY = {"retry_attempts": 2, "retry_delay_ms": 0}


@pytest.mark.parametrize(
    ("body", "config"),
    [
        (sync_task, {}),
        (async_task, {}),
        (task_in_worker, {"executors": {"p": ProcessExecutor(1)}, "routing": Router([("**", "p")])}),
    ],
)
def test_attempts_tasks_and_runs(
    open_runner: Callable[..., DefaultRunner], define: Define, body: Callable[..., Any], config: dict[str, Any]
) -> None:
    runner = open_runner(max_concurrent_tasks=1, **config)
    first, second = ("a", body, RETRY), ("b", body, RETRY | {"dependencies": ["a"]})
    name = define("w", first, second)
    for _ in range(2):
        assert runner.execute(name).final_context["seen"] == [DEFAULT, DEFAULT]


@pytest.mark.parametrize("body", [sync_task, async_task])
def test_the_caller_is_neither_seen_nor_changed(
    runner: DefaultRunner, define: Define, body: Callable[..., Any]
) -> None:
    """A run goes on in other processes, which know nothing of the caller's variables."""

    def call() -> None:
        tenant.set("the caller's")
        decimal.getcontext().prec = 9
        assert runner.execute(define("w", ("a", body, RETRY))).final_context["seen"] == [DEFAULT]
        assert (tenant.get(), decimal.getcontext().prec) == ("the caller's", 9)

    contextvars.Context().run(call)


def test_an_observer_belongs_to_its_attempt(open_runner: Callable[..., DefaultRunner], define: Define) -> None:
    runner = open_runner(max_concurrent_tasks=1)
    seen: list[list[Any]] = []

    def body(context: Context) -> None:
        tenant.set("the body's")

    def observe(task_id: str, context: Context) -> None:
        seen.append([tenant.get(), decimal.getcontext().prec])
        decimal.getcontext().prec = 3

    name = define("w", ("a", body, {"on_success": observe}))
    for _ in range(2):
        runner.execute(name)
    assert seen == [["the body's", decimal.DefaultContext.prec]] * 2
