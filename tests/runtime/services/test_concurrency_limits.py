"""Concurrency limits of runners: what runs at once is counted, whoever queues and whoever claims it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from holdwater import DefaultRunner, Graph, Step, Workflow, node, register_workflow
from holdwater.model.limits import ConcurrencyLimit
from holdwater.model.registry import registry
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define
from tests.suite.waiting import wait_until

OpenRunner = Callable[..., DefaultRunner]


@dataclass
class Gate:
    """Task functions wait in it, and are counted."""

    running: int = 0
    most: int = 0
    began: list[Any] = field(default_factory=list)
    opened: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def pass_through(self, name: Any = None) -> None:
        with self.changed:
            self.running += 1
            self.most = max(self.most, self.running)
            self.began.append(name)
            self.changed.notify_all()
        self.opened.wait(SIGNAL_TIMEOUT_SECONDS)
        with self.changed:
            self.running -= 1
            self.changed.notify_all()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, SIGNAL_TIMEOUT_SECONDS), (self.running, self.began)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


def set_limit(runner: DefaultRunner, key: str, max_running: int) -> None:
    """Set a limit, and have this runner know it; others are told by the store."""
    engine = runner._engine
    engine.store.put_limit(ConcurrencyLimit(key, max_running))
    engine.driver.check_for_work()
    wait_until(lambda: ":" not in key or key in engine.driver._core.known_limits.broad_keys)


def known(runner: DefaultRunner, key: str) -> bool:
    return key in runner._engine.driver._core.known_limits.broad_keys


def test_two_runners_together_begin_no_more_than_a_limit_allows(
    open_runner: OpenRunner, define: Define, gate: Gate
) -> None:
    define("limited", ("call", lambda context: gate.pass_through(), {"limit": "openai"}))
    one, two = open_runner(), open_runner()
    set_limit(one, "openai", 3)
    handles = [runner.submit("limited", {}) for _ in range(5) for runner in (one, two)]
    gate.wait_for(lambda: gate.running == 3)
    gate.opened.set()
    assert {handle.result(SIGNAL_TIMEOUT_SECONDS).status for handle in handles} == {"Completed"}
    assert (gate.most, len(gate.began)) == (3, 10)


def test_tasks_without_the_limit_do_not_wait(open_runner: OpenRunner, define: Define, gate: Gate) -> None:
    define("limited", ("call", lambda context: gate.pass_through(), {"limit": "openai"}))
    define("free", ("call", lambda context: None, {}))
    runner = open_runner()
    set_limit(runner, "openai", 1)
    handles = [runner.submit("limited", {}) for _ in range(3)]
    gate.wait_for(lambda: gate.running == 1)
    assert runner.execute("free", {}).status == "Completed"
    gate.opened.set()
    assert {handle.result(SIGNAL_TIMEOUT_SECONDS).status for handle in handles} == {"Completed"}
    assert gate.most == 1


def test_a_limit_on_a_workflow_counts_runs_of_other_runners_and_maps(
    open_runner: OpenRunner, define: Define, gate: Gate
) -> None:
    items = {"map_over": "items", "map_result": "done"}
    define("mapped", ("call", lambda item: gate.pass_through(), items))
    one, two = open_runner(), open_runner()
    set_limit(one, "workflow:mapped", 2)
    wait_until(lambda: known(two, "workflow:mapped"))
    handles = [runner.submit("mapped", {"items": [1, 2, 3]}) for runner in (one, two)]
    gate.wait_for(lambda: gate.running == 2)
    gate.opened.set()
    assert {handle.result(SIGNAL_TIMEOUT_SECONDS).status for handle in handles} == {"Completed"}
    assert (gate.most, len(gate.began)) == (2, 6)


def test_a_limit_on_a_label_counts_the_runs_with_it(open_runner: OpenRunner, define: Define, gate: Gate) -> None:
    define("labelled", ("call", lambda context: gate.pass_through(context["env"]), {}))
    runner = open_runner()
    set_limit(runner, "label:env=prod", 1)
    handles = [runner.submit("labelled", {"env": env}, labels={"env": env}) for env in ("prod", "prod", "dev", "dev")]
    gate.wait_for(lambda: gate.running == 3)
    assert sorted(gate.began) == ["dev", "dev", "prod"]
    gate.opened.set()
    assert {handle.result(SIGNAL_TIMEOUT_SECONDS).status for handle in handles} == {"Completed"}


def test_a_limit_is_set_raised_and_removed_while_tasks_wait(
    open_runner: OpenRunner, define: Define, gate: Gate
) -> None:
    define("limited", ("call", lambda context: gate.pass_through(), {"limit": "openai"}))
    runner = open_runner(max_concurrent_tasks=8)
    set_limit(runner, "openai", 0)
    handles = [runner.submit("limited", {}) for _ in range(6)]
    assert gate.began == []
    set_limit(runner, "openai", 2)
    gate.wait_for(lambda: gate.running == 2)
    set_limit(runner, "openai", 3)
    gate.wait_for(lambda: gate.running == 3)
    runner._engine.store.delete_limit("openai")
    runner._engine.driver.check_for_work()
    gate.wait_for(lambda: gate.running == 6)
    gate.opened.set()
    assert {handle.result(SIGNAL_TIMEOUT_SECONDS).status for handle in handles} == {"Completed"}


def test_a_cancelled_task_frees_its_place_in_another_runner(
    open_runner: OpenRunner, define: Define, gate: Gate
) -> None:
    def call(context: Any, handle: Any) -> None:
        gate.began.append(context["n"])
        if context["n"] == 0:
            wait_until(lambda: handle.cancelled)
            handle.raise_if_cancelled()

    define("limited", ("call", call, {"limit": "openai"}))
    one, two = open_runner(), open_runner()
    set_limit(one, "openai", 1)
    first = one.submit("limited", {"n": 0})
    wait_until(lambda: gate.began == [0])
    second = two.submit("limited", {"n": 1})
    one.cancel(first.run_id)
    assert second.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


def test_retries_go_through_the_queue(open_runner: OpenRunner, define: Define) -> None:
    attempts: list[int] = []

    def call(context: Any, handle: Any) -> None:
        attempts.append(handle.attempt)
        if handle.attempt < 3:
            raise ConnectionError("again")

    define("limited", ("call", call, {"limit": "openai", "retry_attempts": 3, "retry_delay_ms": 0}))
    runner = open_runner()
    set_limit(runner, "openai", 1)
    assert runner.execute("limited", {}).status == "Completed"
    assert attempts == [1, 2, 3]


def test_work_queued_by_a_process_that_knew_of_no_limit_is_counted_before_it_begins(
    open_runner: OpenRunner, define: Define, gate: Gate, url: str
) -> None:
    define("limited", ("call", lambda context: gate.pass_through(), {"limit": "openai"}))
    runner = open_runner()
    set_limit(runner, "openai", 0)
    handles = [runner.submit("limited", {}) for _ in range(3)]
    forget_limits(url)
    set_limit(runner, "openai", 1)
    gate.wait_for(lambda: gate.running == 1)
    gate.opened.set()
    assert {handle.result(SIGNAL_TIMEOUT_SECONDS).status for handle in handles} == {"Completed"}
    assert gate.most == 1


def forget_limits(url: str) -> None:
    """Leave the queue as a process without the code does, or an earlier version."""
    statement = "UPDATE work SET limit_keys = '' WHERE owner IS NULL"
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database, database:
            assert database.execute(statement).rowcount == 3
    else:
        with psycopg.connect(url) as server:
            assert server.execute(statement).rowcount == 3


def test_steps_and_graph_nodes_have_limits(open_runner: OpenRunner, gate: Gate) -> None:
    def handle(context: Any, config: Any) -> None:
        gate.pass_through("step")

    @node(output_name="done", limit="openai")
    def call(x: int) -> int:
        gate.pass_through("node")
        return x

    runner = open_runner()
    set_limit(runner, "openai", 1)
    register_workflow(Workflow("limited-steps", [Step.lambda_("call", handle, limit="openai")]))
    try:
        handles = [runner.submit("limited-steps", {}) for _ in range(2)]
        handles += [runner.submit(Graph([call], name="limited-graph"), {"x": 1}) for _ in range(2)]
        gate.wait_for(lambda: gate.running == 1)
        gate.opened.set()
        assert {handle.result(SIGNAL_TIMEOUT_SECONDS).status for handle in handles} == {"Completed"}
    finally:
        registry.unregister("limited-steps")
    assert (gate.most, sorted(gate.began)) == (1, ["node", "node", "step", "step"])
