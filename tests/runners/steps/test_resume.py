"""Going on with runs: in this process, in another one, and what is refused."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from holdwater.errors import (
    ConfigError,
    InvalidTransition,
    RunInProgress,
    RunnerClosed,
    RunNotFound,
    StructureChanged,
    WorkflowError,
    WorkflowNotFound,
)
from holdwater.model.records import CommitResult, RunUpdate
from holdwater.runners.steps import WorkflowRunner, WorkflowRunnerConfig
from holdwater.runners.steps.results import WorkflowResult
from holdwater.steps import Step, StepResult, Workflow
from holdwater.storage.memory.store import MemoryStore
from tests.engine.fake_clock import FakeClock
from tests.runners.steps.conftest import MakeRunner
from tests.runners.steps.shapes import (
    BlockingHandler,
    Config,
    Context,
    FailingHandler,
    recording_step,
    workflow_failing_at_b,
)
from tests.storage.helpers import run_script


def test_a_run_that_failed_at_its_first_step(make: MakeRunner) -> None:
    runner = make()
    failed = runner.execute(Workflow("first", [Step.lambda_("a", FailingHandler(1))]), params={"x": 1})
    resumed = runner.resume(failed.run_id)
    assert (resumed.status, resumed.context.params["x"], resumed.run_id) == ("completed", 1, failed.run_id)


def test_handlers_see_that_it_was_resumed(make: MakeRunner) -> None:
    seen: list[Any] = []

    def look(ctx: Context, config: Config) -> StepResult:
        seen.append((ctx.params.get("__resumed__"), ctx.params["x"]))
        return StepResult.ok() if ctx.is_resumed else StepResult.fail("again")

    runner = make()
    failed = runner.execute(Workflow("look", [Step.lambda_("a", look)]), params={"x": 1})
    runner.resume(failed.run_id, params_override={"x": 2})
    assert seen == [(None, 1), (True, 2)]


def test_choices_that_were_made_are_kept(make: MakeRunner) -> None:
    calls: list[str] = []
    asked: list[str] = []

    def condition(ctx: Context) -> bool:
        asked.append("asked")
        return len(asked) == 1

    steps = [
        Step.choice("choose", condition, "left", "right", join="join"),
        recording_step("left", calls),
        recording_step("right", calls),
        Step.lambda_("join", FailingHandler(1)),
    ]
    runner = make()
    failed = runner.execute(Workflow("choose", steps))
    resumed = runner.resume(failed.run_id)
    assert (resumed.status, asked, calls) == ("completed", ["asked"], ["left"])


def test_items_of_a_map_that_are_done_are_not_done_again(make: MakeRunner, database: str) -> None:
    done: list[int] = []
    fails = [True]

    def item(ctx: Context, config: Config) -> StepResult:
        n = ctx.params["n"]
        if n == 2 and fails:
            fails.clear()
            return StepResult.fail("two")
        done.append(n)
        return StepResult.ok({"n": n})

    mapped = Step.map(
        "m", items=[0, 1, 2, 3], item_param="n", iterator=Workflow(steps=[Step.lambda_("i", item)]), max_concurrency=1
    )
    workflow = Workflow("maps", [mapped])
    first = make(database)
    failed = first.execute(workflow)
    assert (failed.status, done) == ("failed", [0, 1])
    assert "item 2" in (failed.error or "")
    first.close()
    resumed = make(database).resume(failed.run_id)
    assert (resumed.status, done) == ("completed", [0, 1, 2, 3])
    assert [r["n"] for r in resumed.context.get_output("m", "results")] == [0, 1, 2, 3]


def test_a_completed_run_is_not_done_again(make: MakeRunner) -> None:
    calls: list[str] = []
    workflow = Workflow("done", [recording_step("a", calls), recording_step("b", calls)])
    runner = make()
    first = runner.execute(workflow, run_id="done-1", params={"x": 1})
    for again in (runner.resume("done-1"), runner.execute(workflow, run_id="done-1", params={"x": 1})):
        assert (again.status, again.context.outputs) == ("completed", first.context.outputs)
    assert calls == ["a", "b"]
    with pytest.raises(InvalidTransition, match="is completed"):
        runner.resume("done-1", params_override={"x": 1})
    assert runner.execute(workflow, run_id="done-1", start_from="b").completed_steps == ["b"]
    assert calls == ["a", "b", "b"]


def test_a_run_id_that_is_known_goes_on(make: MakeRunner) -> None:
    calls: list[str] = []
    runner = make()
    workflow = workflow_failing_at_b(calls)
    runner.execute(workflow, run_id="known-1", params={"x": 1, "y": 1})
    resumed = runner.execute(workflow, run_id="known-1", params={"x": 2})
    assert (resumed.status, resumed.completed_steps) == ("completed", ["b", "c"])
    assert (resumed.context.params["x"], resumed.context.params["y"]) == (2, 1)


def test_a_run_that_was_cancelled(make: MakeRunner) -> None:
    calls: list[str] = []
    runner = make()

    def cancels(ctx: Context, config: Config) -> StepResult:
        if not ctx.is_resumed:
            runner.cancel(ctx.run_id, "not now")
        return StepResult.ok()

    result = runner.execute(Workflow("cancelled", [Step.lambda_("a", cancels), recording_step("b", calls)]))
    assert (result.status, result.reason, result.error, calls) == ("stopped", "not now", None, [])
    resumed = runner.resume(result.run_id)
    assert (resumed.status, calls) == ("completed", ["b"])


def test_a_runner_that_is_closed_leaves_its_run_stopped(make: MakeRunner, database: str) -> None:
    calls: list[str] = []
    workflow = Workflow("closed", [recording_step("a", calls), Step.wait("nap", 3600.0), recording_step("b", calls)])
    runner = make(database)
    results: list[WorkflowResult] = []
    began = threading.Event()

    @runner.middleware
    def tell(step: Step, context: Context, next_fn: Any) -> StepResult:
        if step.name == "nap":
            began.set()
        result: StepResult = next_fn(step, context)
        return result

    thread = threading.Thread(target=lambda: results.append(runner.execute(workflow, run_id="closed-1")))
    thread.start()
    assert began.wait(60)
    runner.close()
    thread.join(30)
    assert (results[0].status, results[0].completed_steps) == ("stopped", ["a"])
    second = make(database, max_inline_wait_seconds=1.0)
    resumed = second.resume("closed-1")
    assert (resumed.status, resumed.completed_steps, calls) == ("stopped", [], ["a"])
    with pytest.raises(RunnerClosed):
        runner.resume("closed-1")


# -- other processes

CRASHING_SCRIPT = """
import sys, threading
from holdwater.runners.steps import WorkflowRunner, WorkflowRunnerConfig
from tests.runners.steps.test_resume import crashing_workflow

def hold():
    print("begun", flush=True)
    threading.Event().wait()

storage, place = sys.argv[1:]
if storage == "database":
    runner = WorkflowRunner(place)
else:
    runner = WorkflowRunner(config=WorkflowRunnerConfig(checkpoint_storage=storage, checkpoint_path=place))
runner.execute(crashing_workflow([], hold), run_id="crash-1", params={"x": 1})
"""


def crashing_workflow(calls: list[str], hold: Any = None) -> Workflow:
    """`a`, a map of which one item is done and the other one `hold`s, `c`."""

    def item(ctx: Context, config: Config) -> StepResult:
        calls.append(f"item {ctx.params['item']}")
        if ctx.params["item"] == 1 and hold is not None:
            hold()
        return StepResult.ok({"n": ctx.params["item"]})

    mapped = Step.map("b", items=[0, 1], iterator=Workflow(steps=[Step.lambda_("i", item)]), max_concurrency=1)
    return Workflow("crashing", [recording_step("a", calls), mapped, recording_step("c", calls)])


def test_a_process_that_was_killed_and_other_params(make: MakeRunner, tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path}/runs.db"
    calls: list[str] = []
    with run_script(CRASHING_SCRIPT, "database", place) as other:
        assert other.read_line() == "begun"
        other.process.kill()
        other.process.wait(60)
        resumed = make(place).resume("crash-1", workflow=crashing_workflow(calls), params_override={"x": 2})
    assert (resumed.status, resumed.context.params["x"]) == ("completed", 2)
    assert resumed.context.is_resumed
    assert calls == ["item 1", "c"]


@pytest.mark.parametrize("storage", ["database", "file"])
def test_a_process_that_was_killed(make: MakeRunner, tmp_path: Path, storage: str) -> None:
    place = f"sqlite:///{tmp_path}/runs.db" if storage == "database" else str(tmp_path / "runs")
    calls: list[str] = []
    if storage == "database":
        runner = make(place)
    else:
        runner = make(checkpoint_storage="file", checkpoint_path=place)
    workflow = crashing_workflow(calls)
    with run_script(CRASHING_SCRIPT, storage, place) as other:
        assert other.read_line() == "begun"
        with pytest.raises(RunInProgress):
            runner.resume("crash-1", workflow=workflow)
        with pytest.raises(RunInProgress):
            runner.execute(workflow, run_id="crash-1")
        other.process.kill()
        other.process.wait(60)
        resumed = runner.resume("crash-1", workflow=workflow)
    assert (resumed.status, resumed.context.params["x"]) == ("completed", 1)
    assert calls == ["item 1", "c"]
    assert [r["n"] for r in resumed.context.get_output("b", "results")] == [0, 1]


# -- what is refused


def test_a_run_that_is_executed_now(make: MakeRunner) -> None:
    gate = BlockingHandler()
    runner, other = make(), make()
    workflow = Workflow("live", [Step.lambda_("a", gate)])
    thread = threading.Thread(target=runner.execute, args=(workflow,), kwargs={"run_id": "live-1"})
    thread.start()
    assert gate.started.wait(60)
    try:
        assert runner.get_run("live-1").status == "running"
        for again in (runner, other):
            with pytest.raises(RunInProgress):
                again.resume("live-1")
            with pytest.raises(RunInProgress):
                again.execute(workflow, run_id="live-1")
    finally:
        gate.released.set()
        thread.join(30)
    assert runner.get_run("live-1").status == "completed"


def test_a_workflow_nobody_knows(make: MakeRunner, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    script = """
import sys
from holdwater.runners.steps import WorkflowRunner
from tests.runners.steps.shapes import workflow_failing_at_b
print(WorkflowRunner(sys.argv[1]).execute(workflow_failing_at_b([], name="strange")).run_id, flush=True)
"""
    with run_script(script, url) as other:
        run_id = other.read_line()
    runner = make(url)
    with pytest.raises(WorkflowNotFound, match="register_workflow"):
        runner.resume(run_id)
    calls: list[str] = []
    assert runner.resume(run_id, workflow=workflow_failing_at_b(calls, 0, "strange")).completed_steps == ["b", "c"]


def test_steps_that_changed(make: MakeRunner) -> None:
    runner = make()
    failed = runner.execute(workflow_failing_at_b([], name="changes"))
    changed = Workflow("changes", [recording_step("a", []), recording_step("other", [])])
    with pytest.raises(StructureChanged, match="changed"):
        runner.resume(failed.run_id, workflow=changed)
    with pytest.raises(StructureChanged):
        runner.execute(changed, run_id=failed.run_id)


def test_a_run_there_is_not(make: MakeRunner, database: str) -> None:
    with pytest.raises(RunNotFound, match="last 1,000 runs"):
        make().resume("nothing")
    runner = make(database)
    for call in (runner.resume, runner.get_run, runner.list_checkpoints, runner.get_events, runner.cancel):
        with pytest.raises(RunNotFound, match="nothing"):
            call("nothing")


def test_wrong_calls(make: MakeRunner) -> None:
    runner = make()
    workflow = Workflow("w", [recording_step("first", []), recording_step("second", [])])
    with pytest.raises(WorkflowError, match="did you mean 'second'"):
        runner.execute(workflow, start_from="secnd")
    with pytest.raises(WorkflowError, match="executes workflows of steps"):
        runner.execute("w")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="params"):
        runner.execute(workflow, params={"x": object()})
    with pytest.raises(WorkflowError, match="has a name"):
        runner.execute(Workflow(steps=[recording_step("a", [])]))
    for run_id in ("", 3):
        with pytest.raises(ConfigError, match="run_id must be"):
            runner.execute(workflow, run_id=run_id)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        runner.execute(workflow, {"x": 1})  # type: ignore[call-arg]


def test_parameters_that_cannot_be_stored_on_resume(make: MakeRunner) -> None:
    runner = make()
    failed = runner.execute(workflow_failing_at_b([]))
    with pytest.raises(ValueError, match="params_override"):
        runner.resume(failed.run_id, params_override={"x": object()})
    assert runner.resume(failed.run_id).status == "completed"


def test_only_the_last_runs_are_kept_without_a_database() -> None:
    from holdwater.storage.memory.bounded import BoundedMemoryStore

    store = BoundedMemoryStore(max_finished_runs=3)
    inner = Workflow(steps=[recording_step("i", [])])
    workflow = Workflow("many", [Step.map("m", items=[1, 2], iterator=inner)])
    with WorkflowRunner(store, config=WorkflowRunnerConfig()) as runner:
        run_ids = [runner.execute(workflow).run_id for _ in range(5)]
        assert [store.get_run(run_id) is not None for run_id in run_ids] == [False, False, True, True, True]
        assert len(list(store.iter_runs())) == 3 * 3


# -- time


def test_a_parked_wait_waits_for_the_time_that_is_left(database: str) -> None:
    clock = FakeClock("2026-01-10T12:00:00")
    calls: list[str] = []
    workflow = Workflow("naps", [recording_step("a", calls), Step.wait("nap", 3600.0), recording_step("b", calls)])
    config = WorkflowRunnerConfig(max_inline_wait_seconds=60.0)
    with WorkflowRunner(database, config=config, clock=clock) as runner:
        stopped = runner.execute(workflow)
        assert (stopped.status, stopped.reason) == ("stopped", "it waits until 2026-01-10T13:00:00.000000Z")
        clock.set("2026-01-10T12:58:00")
        assert runner.resume(stopped.run_id).status == "stopped"
    clock.set("2026-01-10T13:00:00")
    with WorkflowRunner(database, config=config, clock=clock) as runner:
        resumed = runner.resume(stopped.run_id)
        assert (resumed.status, resumed.completed_steps, calls) == ("completed", ["nap", "b"], ["a", "b"])
        assert resumed.context.get_output("nap", "waited_seconds") == 3600.0


class SleepObservingStore(MemoryStore):
    """Says when a step sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.sleeping = threading.Event()

    def commit(self, updates: Sequence[RunUpdate]) -> list[CommitResult]:
        verdicts = super().commit(updates)
        if any(entry.startswith('["deferred"') for change in updates for entry in change.entries):
            self.sleeping.set()
        return verdicts


def test_waits_do_not_count_towards_the_time_of_a_run() -> None:
    clock, store = FakeClock("2026-01-10T12:00:00"), SleepObservingStore()
    config = WorkflowRunnerConfig(workflow_timeout=60.0, default_step_timeout=60.0)
    workflow = Workflow("naps", [Step.wait("nap", 3600.0), recording_step("b", [])])
    with WorkflowRunner(store, config=config, clock=clock) as runner, ThreadPoolExecutor(1) as pool:
        future = pool.submit(runner.execute, workflow)
        assert store.sleeping.wait(60)
        clock.set("2026-01-10T13:00:00")
        assert future.result(30).status == "completed"
