"""The n-th retry waits the n-th delay, in every style that retries on the record; the clock is the test's."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

import holdwater.engine.engine
from holdwater import DefaultRunner, RetryPolicy
from holdwater.graphs import Graph, node, register_graph
from holdwater.model.registry import registry
from holdwater.steps import Step, Workflow, register_workflow
from tests.engine.fake_clock import FakeClock, wait_until_idle
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define

Open = Callable[..., DefaultRunner]
START = "2026-11-21T00:00:00"

POLICIES = {
    "fixed": (RetryPolicy(max_attempts=4, backoff="fixed", initial_delay=7, jitter=False), [7, 7, 7]),
    "linear": (RetryPolicy(max_attempts=4, backoff="linear", initial_delay=7, jitter=False), [7, 14, 21]),
    "exponential": (RetryPolicy(max_attempts=4, factor=3, initial_delay=7, max_delay=999, jitter=False), [7, 21, 63]),
    "capped": (RetryPolicy(max_attempts=4, factor=3, initial_delay=7, max_delay=20, jitter=False), [7, 20, 20]),
}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    made = FakeClock(START)
    monkeypatch.setattr(holdwater.engine.engine, "SystemClock", lambda: made)
    return made


class FailingTask:
    """A body that never succeeds, and says when it began."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock, self._starts = clock, threading.Semaphore(0)
        self.start_times_us: list[int] = []

    def __call__(self, *_: object) -> None:
        self.start_times_us.append(self._clock.now())
        self._starts.release()
        raise ValueError("not yet")

    def wait_started(self) -> None:
        assert self._starts.acquire(timeout=SIGNAL_TIMEOUT_SECONDS), "it was not tried again"


def define_task(body: FailingTask, policy: RetryPolicy, define: Define) -> None:
    define("late", ("a", lambda context: body(), {"retry": policy}))


def define_step(body: FailingTask, policy: RetryPolicy, define: Define) -> None:
    def work(context: object, config: object) -> None:
        body()

    register_workflow(Workflow("late", [Step.lambda_("a", work, retry=policy)]))


def define_node(body: FailingTask, policy: RetryPolicy, define: Define) -> None:
    @node(output_name="y", retry=policy)
    def a() -> int:
        body()
        return 1

    register_graph(Graph([a], name="late"))


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("style", [define_task, define_step, define_node])
def test_each_retry_waits_its_own_delay(
    style: Callable[[FailingTask, RetryPolicy, Define], None],
    name: str,
    open_runner: Open,
    define: Define,
    clock: FakeClock,
) -> None:
    policy, delays_seconds = POLICIES[name]
    body = FailingTask(clock)
    style(body, policy, define)
    try:
        runner = open_runner()
        handle = runner.submit("late")
        body.wait_started()
        for delay_seconds in delays_seconds:
            failed_at = body.start_times_us[-1]
            while not [t for t in runner.get_run(handle.run_id).task_results if t.status == "Waiting"]:
                pass  # until its failure is on disk; bounded by the test's time-out
            clock.set(failed_at + delay_seconds * 1_000_000 - 1)
            wait_until_idle(runner)
            assert body.start_times_us[-1] == failed_at, "tried again too early"
            clock.set(failed_at + delay_seconds * 1_000_000)
            body.wait_started()
        assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Failed"
        assert len(body.start_times_us) == 4
    finally:
        registry.unregister("late")
