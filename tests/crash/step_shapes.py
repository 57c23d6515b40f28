"""Workflows of steps whose outcome no crash may change.  Every body first leaves a line in the effects log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from holdwater.model.policies import RetryPolicy
from holdwater.steps import Step, StepResult, Workflow, WorkflowContext, register_workflow
from tests.crash.shapes import effect

Config = dict[str, Any]


def does(name: str, **options: Any) -> Step:
    """Puts out all that came before it, so that no lost or doubled output goes unseen."""

    def handler(context: WorkflowContext, config: Config) -> StepResult:
        effect(name)
        return StepResult.ok({"did": name, "after": list(context.outputs), "n": context.params.get("n", 0)})

    return Step.lambda_(name, handler, **options)


def fails(name: str, **options: Any) -> Step:
    def handler(context: WorkflowContext, config: Config) -> StepResult:
        effect(name)
        return StepResult.fail("always", "VALIDATION")

    return Step.lambda_(name, handler, **options)


def recovers(name: str, failures: int) -> Step:
    def handler(context: WorkflowContext, config: Config) -> StepResult:
        if effect(name) <= failures:
            return StepResult.fail("not yet", "TRANSIENT")
        return StepResult.ok({"did": name})

    policy = RetryPolicy(max_attempts=20, initial_delay=0.005, backoff="fixed")
    return Step.lambda_(name, handler, on_error="retry", retry=policy)


def jumps() -> list[Step]:
    """A choice whose branches join, one that jumps over the rest, and a failure that is passed by."""

    def chosen(context: WorkflowContext) -> bool:
        effect("choose")
        return "first" in context.outputs

    return [
        does("first"),
        Step.choice("choose", chosen, "left", "right", join="join"),
        does("left"),
        does("left2"),
        does("right"),
        does("join"),
        fails("careless", on_error="continue"),
        Step.choice("leave", lambda context: False, "middle"),
        does("middle"),
        does("last"),
    ]


def mapped() -> list[Step]:
    """Two children at once; a map in which one fails and the others run all the same."""
    inner = Workflow("inner", [does("one"), does("two")])

    def odd(context: WorkflowContext, config: Config) -> StepResult:
        effect("odd")
        n = context.params["n"]
        return StepResult.fail("even", "VALIDATION") if n % 2 == 0 else StepResult.ok({"n": n})

    def items(context: WorkflowContext) -> list[int]:
        effect("some")
        return [1, 2, 3]

    return [
        Step.map("all", items=[10, 20, 30], item_param="n", iterator=inner, max_concurrency=2),
        does("between"),
        Step.map("some", items=items, item_param="n", step=Step.lambda_("odd", odd), on_error="continue"),
        does("after"),
    ]


def nested() -> list[Step]:
    """A map in a map."""
    low = Workflow("low", [does("low")])
    high = Workflow("high", [does("high"), Step.map("rows", items=[1, 2], item_param="n", iterator=low)])
    return [Step.map("columns", items=["a", "b"], item_param="c", iterator=high), does("end")]


def naps() -> list[Step]:
    return [does("before"), Step.wait("nap", 0.03), Step.wait("over", 0, next_step="last"), does("no"), does("last")]


def piped() -> list[Step]:
    """Another workflow as a step, one as a map's body, and a function."""

    def count(params: dict[str, Any]) -> dict[str, Any]:
        effect("count")
        return {"counted": params["n"]}

    child = Workflow("child", [does("sub"), does("sub2")])
    return [
        Step.pipeline("call", child, params={"n": 7}),
        Step.pipeline("count", count, params={"n": 3}),
        does("end"),
    ]


def persistent() -> list[Step]:
    return [recovers("flaky", 2), does("then"), recovers("flaky2", 1), does("end")]


SHAPES: dict[str, Callable[[], list[Step]]] = {f.__name__: f for f in (jumps, mapped, nested, naps, piped, persistent)}


def workflow(shape: str) -> tuple[Workflow, dict[str, Any]]:
    """The workflow, and what it is given."""
    return Workflow(shape, SHAPES[shape]()), {"n": 1}


def define(shape: str) -> dict[str, Any]:
    """Register the workflow; returns what it is given."""
    made, given = workflow(shape)
    register_workflow(made)
    return given
