"""Workflows of steps whose outcome no crash may change.  Every body first leaves a line in the effects log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from holdwater.model.policies import RetryPolicy
from holdwater.steps import Step, StepResult, Workflow, WorkflowContext, register_workflow
from tests.crash.shapes import append_effect

Config = dict[str, Any]


def succeeds(name: str, **options: Any) -> Step:
    """Puts out all that came before it, so that no lost or doubled output goes unseen."""

    def handler(context: WorkflowContext, config: Config) -> StepResult:
        append_effect(name)
        return StepResult.ok({"did": name, "after": list(context.outputs), "n": context.params.get("n", 0)})

    return Step.lambda_(name, handler, **options)


def fails(name: str, **options: Any) -> Step:
    def handler(context: WorkflowContext, config: Config) -> StepResult:
        append_effect(name)
        return StepResult.fail("always", "VALIDATION")

    return Step.lambda_(name, handler, **options)


def recovers(name: str, failures: int) -> Step:
    def handler(context: WorkflowContext, config: Config) -> StepResult:
        if append_effect(name) <= failures:
            return StepResult.fail("not yet", "TRANSIENT")
        return StepResult.ok({"did": name})

    policy = RetryPolicy(max_attempts=20, initial_delay=0.005, backoff="fixed")
    return Step.lambda_(name, handler, on_error="retry", retry=policy)


def jumps() -> list[Step]:
    """A choice whose branches join, one that jumps over the rest, and a failure that is passed by."""

    def chosen(context: WorkflowContext) -> bool:
        append_effect("choose")
        return "first" in context.outputs

    return [
        succeeds("first"),
        Step.choice("choose", chosen, "left", "right", join="join"),
        succeeds("left"),
        succeeds("left2"),
        succeeds("right"),
        succeeds("join"),
        fails("careless", on_error="continue"),
        Step.choice("leave", lambda context: False, "middle"),
        succeeds("middle"),
        succeeds("last"),
    ]


def mapped() -> list[Step]:
    """Two children at once; a map in which one fails and the others run all the same."""
    inner = Workflow("inner", [succeeds("one"), succeeds("two")])

    def odd(context: WorkflowContext, config: Config) -> StepResult:
        append_effect("odd")
        n = context.params["n"]
        return StepResult.fail("even", "VALIDATION") if n % 2 == 0 else StepResult.ok({"n": n})

    def items(context: WorkflowContext) -> list[int]:
        append_effect("some")
        return [1, 2, 3]

    return [
        Step.map("all", items=[10, 20, 30], item_param="n", iterator=inner, max_concurrency=2),
        succeeds("between"),
        Step.map("some", items=items, item_param="n", step=Step.lambda_("odd", odd), on_error="continue"),
        succeeds("after"),
    ]


def nested() -> list[Step]:
    """A map in a map."""
    low = Workflow("low", [succeeds("low")])
    high = Workflow("high", [succeeds("high"), Step.map("rows", items=[1, 2], item_param="n", iterator=low)])
    return [Step.map("columns", items=["a", "b"], item_param="c", iterator=high), succeeds("end")]


def naps() -> list[Step]:
    return [
        succeeds("before"),
        Step.wait("nap", 0.03),
        Step.wait("over", 0, next_step="last"),
        succeeds("no"),
        succeeds("last"),
    ]


def piped() -> list[Step]:
    """Another workflow as a step, one as a map's body, and a function."""

    def count(params: dict[str, Any]) -> dict[str, Any]:
        append_effect("count")
        return {"counted": params["n"]}

    child = Workflow("child", [succeeds("sub"), succeeds("sub2")])
    return [
        Step.pipeline("call", child, params={"n": 7}),
        Step.pipeline("count", count, params={"n": 3}),
        succeeds("end"),
    ]


def persistent() -> list[Step]:
    return [recovers("flaky", 2), succeeds("then"), recovers("flaky2", 1), succeeds("end")]


SHAPES: dict[str, Callable[[], list[Step]]] = {f.__name__: f for f in (jumps, mapped, nested, naps, piped, persistent)}


def make_workflow(shape: str) -> tuple[Workflow, dict[str, Any]]:
    """The workflow, and what it is given."""
    return Workflow(shape, SHAPES[shape]()), {"n": 1}


def define_shape(shape: str) -> dict[str, Any]:
    """Register the workflow; returns what it is given."""
    made, given = make_workflow(shape)
    register_workflow(made)
    return given
