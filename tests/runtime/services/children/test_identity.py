"""A call for a child run, made again by the next process, finds the run it made before and none of another call."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from holdwater import Context, DefaultRunner, TaskHandle
from holdwater.errors import IdempotencyConflict
from holdwater.graphs import END, Graph, NodeContext, ifelse, node, register_graph
from holdwater.model.registry import registry
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import SystemClock
from holdwater.steps import Step, StepResult, Workflow, WorkflowContext, register_workflow
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define

Open = Callable[..., DefaultRunner]


@dataclass(frozen=True)
class ChildRequest:
    """One call: the workflow, its inputs, a key."""

    inputs: Any = None
    workflow: str = "price"
    key: str | None = None

    @property
    def name(self) -> str:
        return f"{self.workflow} {sort_nested(self.inputs or {})}"


def sort_nested(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((k, sort_nested(v)) for k, v in value.items())
    return sorted(value) if isinstance(value, set) else value


def price_request(article: str, **more: Any) -> ChildRequest:
    return ChildRequest({"article": article, **more})


APPLE, PEAR, PLUM = price_request("apple"), price_request("pear"), price_request("plum")
REQUESTS_BEFORE_AND_AFTER_RESTART = {
    "the same order": ([APPLE, PEAR], [APPLE, PEAR], 2),
    "another order": ([APPLE, PEAR, PLUM], [PLUM, APPLE, PEAR], 3),
    "other items": ([APPLE, PEAR], [PLUM, APPLE], 3),
    "only other items": ([APPLE, PEAR], [PLUM], 3),
    "one more in front": ([APPLE], [PEAR, APPLE], 2),
    "equal calls": ([APPLE, APPLE, APPLE], [APPLE, APPLE, APPLE], 3),
    "one more of equal calls": ([APPLE, APPLE], [APPLE, APPLE, APPLE], 3),
    "equal calls between others": ([APPLE, PEAR, APPLE], [PEAR, APPLE, APPLE], 3),
    "the order of keys": ([price_request("a", deep={"x": 1, "y": 2})], [price_request("a", deep={"y": 2, "x": 1})], 1),
    "a set": ([price_request("a", kinds=set("abcdefgh"))], [price_request("a", kinds=set("hgfedcba"))], 1),
    "equal numbers of another type": (
        [price_request("a", n=1)],
        [price_request("a", n=1.0), price_request("a", n=True)],
        3,
    ),
    "no inputs": ([ChildRequest(None), ChildRequest({})], [ChildRequest({}), ChildRequest(None)], 2),
    "another workflow": ([APPLE, ChildRequest(APPLE.inputs, "stock")], [ChildRequest(APPLE.inputs, "stock"), APPLE], 2),
    "keys": (
        [ChildRequest(APPLE.inputs, key="1"), ChildRequest(APPLE.inputs, key="2")],
        [ChildRequest(APPLE.inputs, key="2"), ChildRequest(APPLE.inputs, key="1")],
        2,
    ),
    "a key twice": ([ChildRequest(APPLE.inputs, key="1")] * 2, [ChildRequest(APPLE.inputs, key="1")] * 3, 1),
    "a key of two workflows": (
        [ChildRequest({}, key="1")],
        [ChildRequest({}, "stock", key="1"), ChildRequest({}, key="1")],
        2,
    ),
    "with a key and without": ([ChildRequest({}, key="1")], [ChildRequest({}), ChildRequest({}, key="1")], 2),
    "odd keys": ([ChildRequest({}, key=k) for k in (":", "child:0.1:1", "ü\n")], [ChildRequest({}, key="ü\n")], 3),
}


class RestartedParent:
    """A body that is interrupted in its first life when all its calls are answered, and goes on in the second."""

    def __init__(self, define: Define) -> None:
        self.requests: list[ChildRequest] = []
        self.answers: list[tuple[str, str]] = []
        self.executions: Counter[str] = Counter()
        self.all_answered, self.is_after_restart = threading.Event(), False
        for name in ("price", "stock"):
            define(name, ("a", self._child_function(name), {}))
        define("parent", ("a", self._parent, {}))

    def _child_function(self, name: str) -> Callable[[Context], None]:
        def body(context: Context) -> None:
            given = context.to_dict()
            told = ChildRequest(given, name).name
            self.executions[told] += 1
            context["told"] = told

        return body

    async def _parent(self, context: Context, handle: TaskHandle) -> None:
        calls = [handle.execute_async(ask.workflow, ask.inputs, key=ask.key) for ask in self.requests]
        results = await asyncio.gather(*calls)
        self.answers = [(ask.name, r.final_context["told"]) for ask, r in zip(self.requests, results, strict=True)]
        self.all_answered.set()
        if not self.is_after_restart:
            await handle.defer_until_async(lambda: False, 1)


@pytest.mark.parametrize(
    "lives", REQUESTS_BEFORE_AND_AFTER_RESTART.values(), ids=REQUESTS_BEFORE_AND_AFTER_RESTART.keys()
)
def test_child_calls_after_a_restart(
    open_runner: Open, define: Define, lives: tuple[list[ChildRequest], list[ChildRequest], int]
) -> None:
    first, second, children = lives
    body = RestartedParent(define)
    body.requests = first
    runner = open_runner(shutdown_timeout_seconds=SIGNAL_TIMEOUT_SECONDS)
    run_id = runner.submit("parent").run_id
    assert body.all_answered.wait(SIGNAL_TIMEOUT_SECONDS)
    runner.shutdown()
    body.requests, body.is_after_restart = second, True
    after = open_runner()
    result = after.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Completed", result.error_message
    for asked, told in body.answers:
        assert told == asked
    assert sum(body.executions.values()) == len(after.list_runs(parent_run_id=run_id)) == children
    assert [str(v) for v in StoreChecker(after._engine.store, SystemClock().now).find_violations()] == []


@pytest.mark.parametrize("when", ["in one life", "in the next life"])
def test_other_inputs_under_a_key_name_both_calls(open_runner: Open, define: Define, when: str) -> None:
    errors: list[Exception] = []
    answered = threading.Event()
    lives: list[list[str]] = [["apple", "pear"]] if when == "in one life" else [["apple"], ["pear"]]

    async def parent(context: Context, handle: TaskHandle) -> None:
        try:
            for article in lives.pop(0):
                await handle.execute_async("price", {"article": article}, key="the one")
        except IdempotencyConflict as error:
            errors.append(error)
            raise
        answered.set()
        await handle.defer_until_async(lambda: False, 1)

    define("price", ("a", lambda context: None, {}))
    define("parent", ("a", parent, {}))
    runner = open_runner(shutdown_timeout_seconds=SIGNAL_TIMEOUT_SECONDS)
    run_id = runner.submit("parent").run_id
    if when == "in the next life":
        assert answered.wait(SIGNAL_TIMEOUT_SECONDS)
        runner.shutdown()
        runner = open_runner()
    result = runner.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Failed"
    (child,) = runner.list_runs(parent_run_id=run_id)
    for part in ("task 'a'", "'price'", "'the one'", "apple", "pear", child.run_id, run_id, "hint"):
        assert part in str(errors[0]), part


@pytest.mark.parametrize("key", ["", " ", 7, b"k", None.__class__, "a\0b", "k" * 5_000, ["k"]])
def test_keys_that_are_none(open_runner: Open, define: Define, key: Any) -> None:
    define("price", ("a", lambda context: None, {}))
    define("parent", ("a", lambda context, handle: handle.execute("price", key=key) and None, {}))
    runner = open_runner()
    result = runner.submit("parent").result(SIGNAL_TIMEOUT_SECONDS)
    assert "InvalidArgument: the key of a child run" in str(result.error_message)
    assert runner.list_runs(parent_run_id=result.run_id) == []


def test_each_turn_of_a_loop_has_children_of_its_own(open_runner: Open, define: Define) -> None:
    """Also with the same inputs: what is asked for is what the next turn needs to know."""
    ran: list[int] = []

    def poll(context: Context) -> None:
        ran.append(1)
        context["count"] = len(ran)

    define("poll", ("a", poll, {}))

    @node(output_name="count")
    def ask(count: int, context: NodeContext) -> int:
        return int(context.execute("poll").final_context["count"])

    @ifelse(when_true="ask", when_false=END)
    def again(count: int) -> bool:
        return count < 4

    register_graph(Graph([ask, again], name="polling", entrypoint="ask"))
    try:
        runner = open_runner()
        result = runner.submit("polling", {"count": 0}).result(SIGNAL_TIMEOUT_SECONDS)
        assert (result.status, result.final_context["count"]) == ("Completed", 4), result.error_message
        assert len(runner.list_runs(parent_run_id=result.run_id)) == 4
    finally:
        registry.unregister("polling")


def test_each_attempt_has_children_of_its_own_and_ends_those_it_leaves(open_runner: Open, define: Define) -> None:
    seen: list[tuple[int, str]] = []

    async def parent(context: Context, handle: TaskHandle) -> None:
        result = await handle.execute_async("quick")
        seen.append((handle.attempt, result.run_id))
        if handle.attempt == 1:
            await asyncio.gather(handle.execute_async("endless"), handle.execute_async("nothing of this name"))

    define("quick", ("a", lambda context: None, {}))
    define("endless", ("a", lambda context, handle: handle.defer_until(lambda: False, 1), {}))
    define("parent", ("a", parent, {"retry_attempts": 2, "retry_delay_ms": 0}))
    runner = open_runner()
    assert runner.submit("parent").result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert [attempt for attempt, _ in seen] == [1, 2]
    assert len({run_id for _, run_id in seen}) == 2
    (left,) = runner.list_runs(workflow_name="endless")
    assert runner.handle(left.run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"


# -- children that nobody asks for


@pytest.fixture
def strays(open_runner: Open, define: Define) -> Callable[[], tuple[str, str, list[str]]]:
    """Makes a run that has ended in a process that knew nothing of its child, which goes on: both ids."""
    ran: list[str] = []

    def make() -> tuple[str, str, list[str]]:
        def child(context: Context, handle: TaskHandle) -> None:
            ran.append("began")
            begun.set()
            handle.defer_until(lambda: False, 1)
            ran.append("went on")

        begun = threading.Event()
        define("child", ("a", child, {}))
        define("parent", ("a", lambda context, handle: handle.execute("child") and None, {}))
        first = open_runner(shutdown_timeout_seconds=0)
        run_id = first.submit("parent").run_id
        assert begun.wait(SIGNAL_TIMEOUT_SECONDS)
        first.shutdown()
        second = open_runner(enable_recovery=False)
        second.cancel(run_id)
        assert second.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"
        (found,) = second.list_runs(workflow_name="child")
        second.shutdown()
        return run_id, found.run_id, ran

    return make


def test_a_child_of_a_run_that_ended_elsewhere_is_collected(
    strays: Callable[[], tuple[str, str, list[str]]], open_runner: Open
) -> None:
    _, child, ran = strays()
    ran.clear()
    runner = open_runner()
    assert runner.handle(child).result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"
    assert ran == []


def test_a_child_that_waits_for_a_person_ends_with_the_map_that_failed(open_runner: Open) -> None:
    """The item that rests is known by its id alone, here and in the runner that takes its parent over."""
    goes_on = threading.Event()

    def item(context: WorkflowContext, config: dict[str, Any]) -> StepResult:
        if context.params["item"] == "bad":
            assert goes_on.wait(SIGNAL_TIMEOUT_SECONDS)
            raise ValueError("bad")
        return StepResult.ok({})

    inner = Workflow("inner", [Step.lambda_("item", item), Step.wait("long", seconds=100_000)])
    register_workflow(Workflow("mapped", [Step.map("map", items=["good", "bad"], iterator=inner)]))
    try:
        runner = open_runner()
        handle = runner.submit("mapped")
        children: list[Any] = []
        while len(children) < 2:  # bounded by the test's time-out
            children = runner.list_runs(parent_run_id=handle.run_id)
        resting = next(c for c in children if c.run_id.endswith(".0"))
        runner.pause(resting.run_id)
        goes_on.set()
        assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Failed"
        assert runner.handle(resting.run_id).result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"
    finally:
        registry.unregister("mapped")
