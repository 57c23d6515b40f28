"""The store fails once while runs have children and questions: nothing recorded is lost or done twice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

import holdwater.engine.engine
from holdwater import DefaultRunner, DefaultRunnerConfig, PipelineResult, WorkflowHandle
from holdwater.errors import StoreUnavailable
from holdwater.graphs import Graph, InterruptNode, node, register_graph
from holdwater.model.registry import registry
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import SystemClock
from holdwater.steps import Step, StepResult, Workflow, WorkflowContext, register_workflow
from holdwater.storage import open_store
from tests.runtime.test_store_faults import FAILING_CALLS, FailingStore
from tests.suite.effort import LONG
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS
from tests.suite.waiting import poll_pause

T = TypeVar("T")


class FailingStoreWithChildren(FailingStore):
    """Also in what only runs with children need."""

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)
        return self._wrap(call) if name in (*FAILING_CALLS, "seqs", "read", "strays", "next_expiry") else call


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[FailingStoreWithChildren]:
    stores: list[FailingStoreWithChildren] = []

    def open_(url: str, options: Any = None) -> Any:
        stores.append(FailingStoreWithChildren(open_store(url, options)))
        return stores[-1]

    monkeypatch.setattr(holdwater.engine.engine, "open_store", open_)
    return stores


class TaskCounter:
    """Counts bodies; one of them can be told to fail once."""

    def __init__(self) -> None:
        self._names: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.failing: set[str] = set()

    def __call__(self, name: str) -> None:
        with self._lock:
            self._names[name] += 1
            if name in self.failing:
                self.failing.discard(name)
                raise ValueError(f"{name} fails")

    def take_counts(self) -> dict[str, int]:
        with self._lock:
            names, self._names = self._names, Counter()
        return dict(names)


@pytest.fixture
def ran() -> Iterator[TaskCounter]:
    """Registers `mapping`, steps with a map, and `asking`, a graph that maps one that asks."""
    ran = TaskCounter()

    def item(context: WorkflowContext, config: dict[str, Any]) -> StepResult:
        ran(f"item{context.params['n']}")
        return StepResult.ok({"n": context.params["n"]})

    def last(context: WorkflowContext, config: dict[str, Any]) -> StepResult:
        ran("last")
        return StepResult.ok({"all": [row["n"] for row in context.get_output("map", "results")]})

    inner = Workflow("inner", [Step.lambda_("item", item)])
    mapped = Step.map("map", items=[0, 1, 2, 3], item_param="n", iterator=inner, max_concurrency=2)
    register_workflow(Workflow("mapping", [mapped, Step.lambda_("last", last)]))

    @node(output_name="final")
    def use(verdict: int) -> int:
        ran(f"use{verdict}")
        return verdict

    @node(output_name="total")
    def total(final: list[int]) -> int:
        ran("total")
        return sum(final)

    low = Graph([InterruptNode("ask", "draft", "verdict"), use], name="low")
    mapped_graph = low.as_node(name="all").map_over("draft", on_pause="item")
    register_graph(Graph([mapped_graph, total], name="asking"))
    yield ran
    registry.unregister("mapping")
    registry.unregister("asking")


def retry_while_unavailable(call: Callable[[], T]) -> T:
    """What a client does whose call was not answered."""
    for _ in range(5):
        try:
            return call()
        except StoreUnavailable:
            continue
    raise AssertionError("never accepted")


def wait_for_result(runner: DefaultRunner, run_id: str) -> PipelineResult:
    return retry_while_unavailable(lambda: runner.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS))


def submit_run(runner: DefaultRunner, name: str, given: dict[str, Any]) -> str:
    handle: WorkflowHandle = retry_while_unavailable(lambda: runner.submit(name, given, idempotency_key="k"))
    return handle.run_id


def assert_no_violations(runner: DefaultRunner, store: FailingStoreWithChildren) -> None:
    store.failing_call = 0
    assert [str(v) for v in StoreChecker(runner._engine.store, SystemClock().now).find_violations()] == []


def fail_each_call(
    opened: list[FailingStoreWithChildren],
    tmp_path: Path,
    after: bool,
    every: int,
    scenario: Callable[[DefaultRunner], None],
) -> Iterator[None]:
    """Try it with the first call failing, with the one `fires_between` calls later, and so on until there is no such
    call.
    """
    for n in range(1, 200, every):
        config = DefaultRunnerConfig(recovery_interval_seconds=1)
        with DefaultRunner.with_config(f"sqlite:///{tmp_path}/{n}.db?_synchronous=OFF", config) as runner:
            store = opened[-1]
            store.failing_call, store.fails_after_effect = store.calls + n, after
            scenario(runner)
            reached = store.calls >= store.failing_call
            assert_no_violations(runner, store)
        if not reached:
            return
        yield
    raise AssertionError("there is no end to its calls")


BEFORE_AND_AFTER = pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
SOME_AND_ALL = pytest.mark.parametrize("every", [pytest.param(4, id="some"), pytest.param(1, id="all", marks=LONG)])


@BEFORE_AND_AFTER
@SOME_AND_ALL
def test_a_map_of_steps(
    after: bool, every: int, opened: list[FailingStoreWithChildren], ran: TaskCounter, tmp_path: Path
) -> None:
    def trial(runner: DefaultRunner) -> None:
        result = wait_for_result(runner, submit_run(runner, "mapping", {}))
        assert result.status == "Completed", result.error_message
        assert result.final_context["last"] == {"all": [0, 1, 2, 3]}
        assert ran.take_counts() == {"item0": 1, "item1": 1, "item2": 1, "item3": 1, "last": 1}
        assert len(runner.list_runs()) == 5

    assert sum(1 for _ in fail_each_call(opened, tmp_path, after, every, trial)) * every >= 6


@BEFORE_AND_AFTER
@SOME_AND_ALL
def test_a_map_that_fails_and_is_retried(
    after: bool, every: int, opened: list[FailingStoreWithChildren], ran: TaskCounter, tmp_path: Path
) -> None:
    def trial(runner: DefaultRunner) -> None:
        ran.failing = {"item1"}
        run_id = submit_run(runner, "mapping", {})
        assert wait_for_result(runner, run_id).status == "Failed"
        retry_while_unavailable(lambda: runner.retry(run_id) if runner.handle(run_id).status == "Failed" else None)
        result = wait_for_result(runner, run_id)
        assert result.status == "Completed", result.error_message
        assert ran.take_counts() == {"item0": 1, "item1": 2, "item2": 1, "item3": 1, "last": 1}

    assert sum(1 for _ in fail_each_call(opened, tmp_path, after, every, trial)) * every >= 8


@BEFORE_AND_AFTER
@SOME_AND_ALL
def test_questions_of_items(
    after: bool, every: int, opened: list[FailingStoreWithChildren], ran: TaskCounter, tmp_path: Path
) -> None:
    def trial(runner: DefaultRunner) -> None:
        run_id = submit_run(runner, "asking", {"draft": ["x", "y"]})
        assert wait_for_result(runner, run_id).status == "Paused"
        while pauses := retry_while_unavailable(lambda: runner.pauses(run_id)):
            pause = pauses[-1]
            k = int(pause.pause_id.split("/")[1])

            def answer(pause_id: str = pause.pause_id, k: int = k) -> None:
                if pause_id in [p.pause_id for p in runner.pauses(run_id)]:
                    runner.answer(run_id, pause_id, k)

            retry_while_unavailable(answer)
        result = wait_for_result(runner, run_id)
        assert result.status == "Completed", result.error_message
        assert ran.take_counts() == {"use0": 1, "use1": 1, "total": 1}

    assert sum(1 for _ in fail_each_call(opened, tmp_path, after, every, trial)) * every >= 8


@BEFORE_AND_AFTER
@SOME_AND_ALL
def test_children_end_with_their_parent(
    after: bool, every: int, opened: list[FailingStoreWithChildren], ran: TaskCounter, tmp_path: Path
) -> None:
    def trial(runner: DefaultRunner) -> None:
        run_id = submit_run(runner, "asking", {"draft": ["x", "y"]})
        assert wait_for_result(runner, run_id).status == "Paused"
        retry_while_unavailable(lambda: runner.cancel(run_id) if runner.handle(run_id).status == "Paused" else None)
        assert wait_for_result(runner, run_id).status == "Cancelled"
        while {run.status for run in retry_while_unavailable(runner.list_runs)} != {
            "Cancelled"
        }:  # bounded by the test's time-out
            poll_pause()

    assert sum(1 for _ in fail_each_call(opened, tmp_path, after, every, trial)) * every >= 6


@SOME_AND_ALL
def test_the_next_runner_takes_over_while_every_call_fails_once(
    every: int, opened: list[FailingStoreWithChildren], ran: TaskCounter, tmp_path: Path
) -> None:
    """It finds children that wait, and starts those that are missing."""
    points = 0
    for n in range(1, 200, every):
        url = f"sqlite:///{tmp_path}/{n}.db?_synchronous=OFF"
        with DefaultRunner(url) as first:
            run_id = submit_run(first, "asking", {"draft": ["x", "y", "z"]})
            assert wait_for_result(first, run_id).status == "Paused"
        with DefaultRunner.with_config(url, DefaultRunnerConfig(recovery_interval_seconds=1)) as second:
            store = opened[-1]
            store.failing_call = store.calls + n
            for k, pause in enumerate(retry_while_unavailable(lambda: second.pauses(run_id))):  # noqa: B023 - called at once
                retry_while_unavailable(lambda: second.answer(run_id, pause.pause_id, k))  # noqa: B023
            result = wait_for_result(second, run_id)
            assert (result.status, result.final_context["total"]) == ("Completed", 3), result.error_message
            assert ran.take_counts() == {"use0": 1, "use1": 1, "use2": 1, "total": 1}
            reached = store.calls >= store.failing_call
            assert_no_violations(second, store)
        if not reached:
            break
        points += 1
    assert points * every >= 8
