"""Workflows as data, and names to import."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

import holdwater.steps
from holdwater.errors import WorkflowError
from holdwater.model.registry import registry
from holdwater.steps import RetryPolicy, Step, Workflow, WorkflowContext, register_workflow


def handler(ctx: WorkflowContext, config: dict[str, Any]) -> dict[str, Any]:
    return {"config": config}


def condition(ctx: WorkflowContext) -> bool:
    return True


def items(ctx: WorkflowContext) -> list[int]:
    return [1]


def until(ctx: WorkflowContext) -> dt.datetime:
    return ctx.started_at


def build_full_workflow() -> Workflow:
    inner = Workflow(steps=[Step.lambda_("inner", handler)])
    return Workflow(
        "full",
        [
            Step.lambda_(
                "l",
                handler,
                {"k": [1]},
                "continue",
                RetryPolicy(max_attempts=2, retryable_errors=["TIMEOUT"]),
                quality_thresholds={"min_valid_rate": 0.5},
                timeout=3,
                description="first",
                checkpoint=True,
            ),
            Step.pipeline("p", "my.pipeline", {"x": 1}, config={"timeout": 2}),
            Step.choice("c", condition, "m", "w", join="w"),
            Step.map("m", [1, 2], iterator=inner, item_param="one", max_concurrency=2),
            Step.map("n", items, iterator=inner),
            Step.map("o", items_path="a.b", iterator=inner),
            Step.wait("w", 5, next_step="y"),
            Step.wait("x", duration_path="pause"),
            Step.wait("y", until=until),
            Step.wait("z", until=dt.datetime(2026, 1, 2, tzinfo=dt.UTC)),
        ],
        domain="d",
        description="all of it",
        version=3,
        defaults={"a": 1},
        tags=["t"],
    )


def test_there_and_back() -> None:
    data = json.loads(json.dumps(build_full_workflow().to_dict()))
    back = Workflow.from_dict(data)
    assert back.to_dict() == data
    assert back.program().code_fingerprint == build_full_workflow().program().code_fingerprint
    assert back.structure == build_full_workflow().structure
    assert back.steps[0].retry_policy == build_full_workflow().steps[0].retry_policy


def test_only_what_is_set_is_written() -> None:
    assert Workflow("w", [Step.lambda_("a", handler)]).to_dict() == {
        "name": "w",
        "version": 1,
        "steps": [{"name": "a", "type": "lambda", "handler": f"{__name__}:handler"}],
    }


def test_params_of_a_pipeline_may_be_called_config() -> None:
    data = {"name": "w", "steps": [{"name": "a", "type": "pipeline", "pipeline": "p", "config": {"x": 1}}]}
    (step,) = Workflow.from_dict(data).steps
    assert step.params == {"x": 1}  # type: ignore[attr-defined]
    assert step.config == {}


@pytest.mark.parametrize("dotted", [f"{__name__}:handler", f"{__name__}.handler"])
def test_dotted_paths(dotted: str) -> None:
    data = {"name": "w", "steps": [{"name": "a", "type": "lambda", "handler": dotted}]}
    assert Workflow.from_dict(data).steps[0].function is handler


def test_a_function_without_a_path_cannot_be_written() -> None:
    with pytest.raises(WorkflowError, match=r"(?s)step 'a': its handler .* top level of a module"):
        Workflow("w", [Step.lambda_("a", lambda ctx, config: None)]).to_dict()


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([{"name": "a", "type": "jump"}], "unknown type 'jump'"),
        ([{"name": "a", "type": "lambda", "handler": "no.such.module:f"}], "cannot be imported"),
        ([{"name": "a", "type": "lambda", "handler": f"{__name__}:none"}], "is no function"),
        ([{"name": "a", "type": "lambda"}], "handler"),
        (None, "no workflow of steps"),
    ],
)
def test_documents_that_are_none(steps: Any, why: str) -> None:
    with pytest.raises(WorkflowError, match=why):
        Workflow.from_dict({"name": "w", "steps": steps})


def test_a_registered_workflow_is_found_by_runners() -> None:
    flow = build_full_workflow()
    try:
        assert register_workflow(flow) is flow
        program = registry.get("full")
        assert program.plan.style == "steps"
        assert registry.get("full/m").plan.name == "full/m"
        assert {"full", "full/m", "full/n", "full/o"} <= {*registry.executable_names()}
    finally:
        registry.unregister("full")


def test_all_names_can_be_imported() -> None:
    for name in holdwater.steps.__all__:
        assert getattr(holdwater.steps, name) is not None
    assert set(dir(holdwater.steps)) == set(holdwater.steps.__all__)
    with pytest.raises(AttributeError):
        _ = holdwater.steps.nothing


def test_the_words_of_the_retry_policy() -> None:
    policy = RetryPolicy(max_attempts=3, backoff="constant", initial_delay=1, retryable_errors=["TIMEOUT"])
    assert [policy.delay_seconds(n) for n in (1, 2, 3)] == [1, 1, 1]
    assert policy == RetryPolicy(max_attempts=3, backoff="fixed", initial_delay=1, retryable_errors=("TIMEOUT",))
