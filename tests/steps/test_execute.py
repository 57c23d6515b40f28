"""Somebody's own code around every step."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from holdwater.errors import TaskCancelled
from holdwater.model.fanout import ChildRunsRequest
from holdwater.steps import RetryPolicy, Step, StepResult, StepSettings, Workflow, WorkflowContext
from tests.steps.driver import STARTED_AT_US, FakeAttemptInfo, KernelRun, handler_returning, make_definition, run_steps

Config = dict[str, Any]


class RecordingWrapper:
    """Notes what it is around of, and what that gave."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.ended: list[tuple[str, bool]] = []

    def __call__(self, step: Step, context: WorkflowContext, work: Any) -> StepResult:
        self.began.append(step.name)
        result: StepResult = work(step, context)
        self.ended.append((step.name, result.success))
        return result


def all_kinds() -> list[Step]:
    return [
        Step.lambda_("l", handler_returning(n=1)),
        Step.pipeline("p", lambda params: {"n": 2}),
        Step.choice("c", lambda ctx: True, "m"),
        Step.map("m", [1, 2], step=Step.lambda_("i", handler_returning(n=3))),
        Step.wait("w", 5),
        Step.pipeline("f", Workflow("inner", [Step.lambda_("j", handler_returning(n=4))])),
    ]


@pytest.mark.parametrize("restart", [False, True])
def test_once_around_each_step_and_its_whole_work(restart: bool) -> None:
    log = RecordingWrapper()
    done = run_steps(*all_kinds(), settings=StepSettings(wrapper=log), restart=restart)
    assert done.status == "completed"
    assert log.began == ["l", "p", "c", "m", "i", "i", "w", "f", "j"]
    assert log.ended == [(name, True) for name in ["l", "p", "c", "i", "i", "m", "w", "j", "f"]]
    assert done.slept_seconds == [5.0]
    assert done.output("m")["item_count"] == 2
    assert done.output("f")["n"] == 4


def test_it_begins_again_in_another_process_and_has_its_answer_at_once() -> None:
    step = Step.map("m", [1], step=Step.lambda_("i", handler_returning(n=3)))
    first, second = RecordingWrapper(), RecordingWrapper()
    begun = KernelRun(make_definition(step, settings=StepSettings(wrapper=first)))
    begun.execute_command(next(iter(begun.machine.todo.values())))
    assert (first.began, first.ended) == (["m"], [])
    begun.program = make_definition(step, settings=StepSettings(wrapper=second))
    begun.run_to_end()
    assert second.began == ["i", "m"]
    assert second.ended == [("i", True), ("m", True)]
    assert begun.output("m")["results"] == [{"n": 3}]


def test_work_that_raised_is_a_failed_result() -> None:
    log = RecordingWrapper()

    def broken(ctx: WorkflowContext, config: Config) -> None:
        raise ConnectionError("gone")

    retry = RetryPolicy(max_attempts=2, initial_delay=0)
    done = run_steps(Step.lambda_("a", broken, retry=retry), settings=StepSettings(wrapper=log))
    assert log.ended == [("a", False), ("a", False)]
    assert (done.error_kinds, done.error) == ({"a": "TRANSIENT"}, "ConnectionError: gone")


def test_not_calling_the_work_skips_it() -> None:
    settings = StepSettings(wrapper=lambda step, context, work: StepResult.ok({"instead": step.name}))
    done = run_steps(*all_kinds(), settings=settings)
    assert done.context.outputs == {name: {"instead": name} for name in "lpcmwf"}
    assert done.children == []
    assert done.slept_seconds == []


def test_another_context_and_another_step() -> None:
    def conduct(step: Step, context: WorkflowContext, work: Any) -> StepResult:
        result: StepResult = work(step, context.with_params({"x": 9, "list": [1, 2, 3]}))
        return result

    done = run_steps(
        Step.lambda_("a", lambda ctx, config: {"x": ctx.params["x"]}),
        Step.map("m", items_path="list", step=Step.lambda_("i", handler_returning())),
        params={"x": 1},
        settings=StepSettings(wrapper=conduct),
    )
    assert done.output("a") == {"x": 9}
    assert done.output("m")["item_count"] == 3
    assert done.context.params["x"] == 1


@pytest.mark.parametrize(
    ("step", "kind"), [(Step.lambda_("a", handler_returning()), "lambda"), (Step.wait("a", 1), "wait")]
)
def test_what_it_raises_fails_the_step(step: Step, kind: str) -> None:
    def conduct(step: Step, context: WorkflowContext, work: Any) -> StepResult:
        work(step, context)
        raise TimeoutError("too late")

    done = run_steps(step, settings=StepSettings(wrapper=conduct))
    assert (done.error_kinds, done.error) == ({"a": "TIMEOUT"}, "TimeoutError: too late")


def test_what_it_returns_is_a_result() -> None:
    done = run_steps(Step.lambda_("a", handler_returning()), settings=StepSettings(wrapper=lambda s, c, w: 3))  # type: ignore[arg-type]
    assert "what is around step 'a' returned int" in done.error


def test_the_work_may_be_called_from_another_thread() -> None:
    def conduct(step: Step, context: WorkflowContext, work: Any) -> StepResult:
        results: list[StepResult] = []
        thread = threading.Thread(target=lambda: results.append(work(step, context)))
        thread.start()
        thread.join()
        return results[0]

    done = run_steps(*all_kinds(), settings=StepSettings(wrapper=conduct))
    assert done.status == "completed"
    assert done.slept_seconds == [5.0]


def test_a_choice_may_be_overruled() -> None:
    def conduct(step: Step, context: WorkflowContext, work: Any) -> StepResult:
        result: StepResult = work(step, context)
        if step.name == "?":
            result.next_step = "c"
        return result

    flow = [Step.choice("?", lambda ctx: True, "a"), *[Step.lambda_(n, handler_returning()) for n in "abc"]]
    done = run_steps(*flow, settings=StepSettings(wrapper=conduct))
    assert done.states == {"?": "succeeded", "a": "skipped", "b": "skipped", "c": "succeeded"}


def test_what_waits_is_let_go_when_the_run_has_ended() -> None:
    ended = threading.Event()

    def conduct(step: Step, context: WorkflowContext, work: Any) -> StepResult:
        try:
            result: StepResult = work(step, context)
        except TaskCancelled:
            ended.set()
            raise
        return result

    settings = StepSettings(wrapper=conduct)
    p = make_definition(Step.wait("w", 5), settings=settings)
    begun = KernelRun(p, run_id="r/m.1.0")
    done = p.execute(0, begun.board.view(0), FakeAttemptInfo("r/m.1.0", STARTED_AT_US))
    assert done.wait_until == STARTED_AT_US + 5_000_000
    settings.suspended_steps.abort_run("other")
    assert not ended.is_set()
    settings.suspended_steps.abort_run("r")
    assert ended.wait(5)


def test_a_spread_is_what_the_engine_is_asked_for() -> None:
    p = make_definition(
        Step.map("m", [1, 2], step=Step.lambda_("i", handler_returning()), max_concurrency=1, on_error="continue")
    )
    done = p.execute(0, KernelRun(p).board.view(0), FakeAttemptInfo("r", STARTED_AT_US))
    assert isinstance(done.child_runs, ChildRunsRequest)
    assert (len(done.child_runs.inputs), done.child_runs.max_concurrency, done.child_runs.fail_fast) == (2, 1, False)
