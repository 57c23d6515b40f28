"""Workflows of steps under the runner everybody has."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from holdwater import DefaultRunner
from holdwater.model.registry import registry
from holdwater.steps import Step, Workflow, WorkflowContext, register_workflow
from tests.steps.driver import handler_returning


@pytest.fixture
def name() -> Iterator[str]:
    """Of a workflow that is forgotten afterwards."""
    made = f"flow_{uuid.uuid4().hex[:8]}"
    yield made
    registry.unregister(made)


@pytest.fixture
def runner() -> Iterator[DefaultRunner]:
    with DefaultRunner("sqlite:///:memory:") as made:
        yield made


def test_every_kind_of_step(runner: DefaultRunner, name: str) -> None:
    async def first(ctx: WorkflowContext, config: dict[str, Any]) -> dict[str, Any]:
        return {"run_id": ctx.run_id, "n": ctx.params["n"]}

    def square(ctx: WorkflowContext, config: dict[str, Any]) -> dict[str, Any]:
        return {"square": ctx.params["item"] ** 2, "run_id": ctx.run_id}

    register_workflow(
        Workflow(
            name,
            [
                Step.lambda_("first", first),
                Step.choice("big", lambda ctx: ctx.params["n"] > 3, "each", "never", join="wait"),
                Step.map("each", [1, 2, 3], step=Step.lambda_("square", square), max_concurrency=2),
                Step.lambda_("never", handler_returning()),
                Step.wait("wait", 0.001),
                Step.pipeline("inner", Workflow("inner", [Step.lambda_("last", handler_returning(m=1))])),
            ],
        )
    )
    done = runner.execute(name, {"n": 5})
    outputs = done.final_context
    assert done.status == "Completed"
    assert list(outputs) == ["first", "big", "each", "wait", "inner"]
    run_id = outputs["first"]["run_id"]
    assert outputs["each"]["results"] == [{"square": (i + 1) ** 2, "run_id": f"{run_id}/each.1.{i}"} for i in range(3)]
    assert outputs["inner"]["m"] == 1


def test_a_failure_names_the_step_and_the_exception(runner: DefaultRunner, name: str) -> None:
    def gone(ctx: WorkflowContext, config: dict[str, Any]) -> None:
        raise ConnectionError("gone")

    register_workflow(Workflow(name, [Step.lambda_("a", gone), Step.lambda_("b", handler_returning())]))
    done = runner.execute(name, {})
    assert done.status == "Failed"
    assert "'a' failed: ConnectionError: gone" in str(done.error_message)


def test_what_says_that_it_is_final_is_not_tried_again(runner: DefaultRunner, name: str) -> None:
    calls: list[int] = []

    class Final(Exception):
        retryable = False

    def handler(ctx: WorkflowContext, config: dict[str, Any]) -> None:
        calls.append(1)
        raise Final("for ever")

    register_workflow(Workflow(name, [Step.lambda_("a", handler, on_error="retry")]))
    assert runner.execute(name, {}).status == "Failed"
    assert calls == [1]
