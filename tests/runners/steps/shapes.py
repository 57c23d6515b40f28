"""Small workflows and handlers for tests."""

from __future__ import annotations

import threading
from typing import Any

from holdwater.steps import LambdaStep, Step, StepResult, Workflow, WorkflowContext

Context = WorkflowContext
Config = dict[str, Any]


def recording_step(name: str, calls: list[str], **options: Any) -> LambdaStep:
    """A step that records its call."""

    def handler(ctx: Context, config: Config) -> StepResult:
        calls.append(name)
        return StepResult.ok({"name": name})

    return Step.lambda_(name, handler, **options)


class FailingHandler:
    """A handler that fails so many times."""

    def __init__(self, times: int, category: str = "INTERNAL") -> None:
        self.failures_left, self.category, self.calls = times, category, 0

    def __call__(self, ctx: Context, config: Config) -> StepResult:
        self.calls += 1
        if self.failures_left > 0:
            self.failures_left -= 1
            return StepResult.fail("not yet", category=self.category)
        return StepResult.ok({"calls": self.calls})


class BlockingHandler:
    """A handler that says it has begun, and waits."""

    def __init__(self) -> None:
        self.started, self.released = threading.Event(), threading.Event()

    def __call__(self, ctx: Context, config: Config) -> StepResult:
        self.started.set()
        assert self.released.wait(30)
        return StepResult.ok()


def workflow_failing_at_b(calls: list[str], times: int = 1, name: str = "three") -> Workflow:
    """`a`, then `b`, which fails, then `c`."""
    failing = FailingHandler(times)

    def b(ctx: Context, config: Config) -> StepResult:
        calls.append("b")
        return failing(ctx, config)

    return Workflow(name, [recording_step("a", calls), Step.lambda_("b", b), recording_step("c", calls)])
