"""Runs with children on several runners: each child runs once, wherever there is room, and ends with its parent."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from holdwater import DefaultRunner
from holdwater.graphs import Graph, node, register_graph
from holdwater.model.records import RunRow
from holdwater.model.registry import registry
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import SystemClock
from holdwater.steps import Step, StepResult, Workflow, WorkflowContext, register_workflow
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS
from tests.suite.waiting import poll_pause

Open = Callable[..., DefaultRunner]


class ParentAndChild:
    """A map over four items, in two steps.  The first ones wait for `release`; `both` is set when two have begun."""

    def __init__(self) -> None:
        self.started: Counter[str] = Counter()
        self.both_running, self.release = threading.Event(), threading.Event()
        self._lock = threading.Lock()

    def _arrive(self, name: str) -> None:
        with self._lock:
            self.started[name] += 1
            if self.started.total() == 2:
                self.both_running.set()

    def one(self, context: WorkflowContext, config: dict[str, Any]) -> StepResult:
        self._arrive(f"one{context.params['item']}")
        assert self.release.wait(SIGNAL_TIMEOUT_SECONDS)
        return StepResult.ok({"item": context.params["item"]})

    def two(self, context: WorkflowContext, config: dict[str, Any]) -> StepResult:
        self._arrive(f"two{context.params['item']}")
        return StepResult.ok({"item": context.params["item"]})


@pytest.fixture
def family() -> Iterator[ParentAndChild]:
    made = ParentAndChild()
    inner = Workflow("inner", [Step.lambda_("one", made.one), Step.lambda_("two", made.two)])
    register_workflow(Workflow("family", [Step.map("map", items=[0, 1, 2, 3], iterator=inner)]))
    yield made
    made.release.set()
    registry.unregister("family")


def assert_no_violations(runner: DefaultRunner) -> None:
    assert [str(v) for v in StoreChecker(runner._engine.store, SystemClock().now).find_violations()] == []


def runs_with_entry(runner: DefaultRunner, kind: str) -> list[RunRow]:
    """The runs in whose journals something of this kind stands."""
    store = runner._engine.store
    return [run for run in store.iter_runs() if any(f'["{kind}"' in row.entries for row in store.read_journal(run.id))]


def test_another_runner_takes_a_child_for_which_there_is_no_room(open_runner: Open, family: ParentAndChild) -> None:
    """Each has room for one body, and one more in line; no body ends before two have begun."""
    first, _ = [open_runner(max_concurrent_tasks=1, prefetch_tasks=1) for _ in range(2)]
    handle = first.submit("family")
    assert family.both_running.wait(SIGNAL_TIMEOUT_SECONDS)
    family.release.set()
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert [row["item"] for row in result.final_context["map"]["results"]] == [0, 1, 2, 3]
    assert family.started == Counter([f"{step}{item}" for step in ("one", "two") for item in range(4)])
    assert_no_violations(first)


def test_children_elsewhere_end_with_their_parent(open_runner: Open, family: ParentAndChild) -> None:
    first, second = [open_runner(max_concurrent_tasks=1, prefetch_tasks=1) for _ in range(2)]
    third = open_runner(enable_recovery=False)
    handle = first.submit("family")
    assert family.both_running.wait(SIGNAL_TIMEOUT_SECONDS)
    third.cancel(handle.run_id, "enough")
    while len(runs_with_entry(third, "cancel_requested")) < 5:  # bounded by the test's time-out
        poll_pause()
    family.release.set()
    while [run for run in second.list_runs() if run.status == "Running"]:
        poll_pause()
    assert {run.status for run in second.list_runs()} == {"Cancelled"}
    assert set(family.started.values()) == {1}
    assert not [name for name in family.started if name.startswith("two")]
    recorded = {f"one{run.id[-1]}" for run in runs_with_entry(third, "succeeded")}
    assert len(recorded) >= 2  # those that had begun when they were told to end
    handle.retry()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert {name: n for name, n in family.started.items() if name.startswith("two")} == {f"two{k}": 1 for k in range(4)}
    assert {family.started[name] for name in recorded} == {1}
    assert_no_violations(first)


def test_many_families_on_many_runners(open_runner: Open) -> None:
    """Little room everywhere, so that parents and children are anywhere; each body runs once."""
    begun: Counter[str] = Counter()
    lock = threading.Lock()

    @node(output_name="y")
    def low(x: int, run: int) -> int:
        with lock:
            begun[f"{run}-{x}"] += 1
        return x

    @node(output_name="total")
    def total(y: list[int], run: int) -> int:
        with lock:
            begun[f"{run}-total"] += 1
        return sum(y)

    inner = Graph([Graph([low], name="low").as_node(name="in")], name="middle")
    register_graph(Graph([inner.as_node(name="all").map_over("x"), total], name="many"))
    try:
        runners = [open_runner(max_concurrent_tasks=2, prefetch_tasks=2) for _ in range(3)]
        handles = [runners[k % 3].submit("many", {"x": [0, 1, 2, 3], "run": k}) for k in range(9)]
        for handle in handles:
            result = handle.result(3 * SIGNAL_TIMEOUT_SECONDS)
            assert (result.status, result.final_context["total"]) == ("Completed", 6), result.error_message
        assert set(begun.values()) == {1}
        assert len(begun) == 9 * 5
        assert_no_violations(runners[0])
    finally:
        registry.unregister("many")


def test_a_child_whose_code_is_missing_here_waits_for_whoever_has_it(open_runner: Open) -> None:
    """The parent is put aside, not failed, and this runner goes on with other runs."""
    release = threading.Event()
    begun = threading.Event()

    def hold(context: WorkflowContext, config: dict[str, Any]) -> StepResult:
        begun.set()
        assert release.wait(SIGNAL_TIMEOUT_SECONDS)
        return StepResult.ok()

    child = Workflow("child", [Step.lambda_("hold", hold)])
    parent = Workflow("parent", [Step.pipeline("call", "child")])
    other = Workflow("other", [Step.lambda_("go", lambda context, config: {"gone": True})])
    for workflow in (child, parent, other):
        register_workflow(workflow)
    try:
        first = open_runner(shutdown_timeout_seconds=0)
        run_id = first.submit("parent").run_id
        assert begun.wait(SIGNAL_TIMEOUT_SECONDS)
        first.shutdown()
        release.set()
        registry.unregister("child")
        second = open_runner(recovery_interval_seconds=1)
        handle = second.handle(run_id)
        while handle.status != "Paused":  # bounded by the test's time-out
            poll_pause()
        assert "'call'" in (handle.info().reason or "")
        assert second.execute("other").status == "Completed"
        register_workflow(child)
        handle.resume()
        assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
        assert_no_violations(second)
    finally:
        for name in ("child", "parent", "other"):
            registry.unregister(name)
