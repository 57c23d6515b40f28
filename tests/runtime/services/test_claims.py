"""Waiting work never waits for a busy runner: an idle one begins it while a body elsewhere holds the slot.

The scans are ten minutes apart, so that nothing but news can lead the idle runner to it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import holdwater.engine.engine
from holdwater import Context, DefaultRunner, TaskHandle
from holdwater.graphs import Graph, node, register_graph
from holdwater.model.registry import registry
from holdwater.model.time import Micros
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import SystemClock
from holdwater.runtime.executors.base import ThreadExecutor
from holdwater.runtime.executors.throughput import PREFETCH_HORIZON_US, STALLED_US, SlotThroughput
from tests.engine import second_process
from tests.engine.fake_clock import FakeClock, wait_until_idle
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate
from tests.suite.waiting import poll_pause

Open = Callable[..., DefaultRunner]
RUN_COUNT = 20
ONE_SLOT: dict[str, Any] = {"max_concurrent_tasks": 1, "recovery_interval_seconds": 600}


class BusyAndIdleRunner:
    """A runner with one slot, which a body can hold, and an idle one beside it."""

    def __init__(self, open_runner: Open, define: Define, gate: Gate, **options: Any) -> None:
        self.busy = open_runner(**{**ONE_SLOT, **options})
        self.idle = open_runner(**{"recovery_interval_seconds": 600, **options})
        self.define, self.gate = define, gate
        self.done = threading.Semaphore(0)
        define("hold", ("a", lambda context: gate(), {}))
        define("trivial", ("a", self.trivial, {}))

    def trivial(self, context: Context) -> None:
        self.done.release()

    def occupy_slot(self) -> None:
        self.busy.submit("hold")
        self.gate.wait_started()

    def all_executed(self, count: int = RUN_COUNT) -> bool:
        """Whether so many trivial bodies ran, while the gate is closed."""
        return (
            all([self.done.acquire(timeout=SIGNAL_TIMEOUT_SECONDS) for _ in range(count)])
            and not self.gate.open.is_set()
        )


@pytest.fixture
def pair(open_runner: Open, define: Define, gate: Gate) -> Iterator[BusyAndIdleRunner]:
    made = BusyAndIdleRunner(open_runner, define, gate)
    yield made
    gate.open.set()
    registry.unregister("wide")
    assert [str(v) for v in StoreChecker(made.busy._engine.store, SystemClock().now).find_violations()] == []


# -- how work comes to wait


def submit_behind_a_running_task(pair: BusyAndIdleRunner) -> None:
    pair.occupy_slot()
    for _ in range(RUN_COUNT):
        pair.busy.submit("trivial")


def submit_after_fast_tasks(pair: BusyAndIdleRunner) -> None:
    """The busy runner knows bodies as fast, and leases ahead; then one is slow."""
    for _ in range(3):
        pair.busy.execute("trivial")
    assert pair.all_executed(3)
    submit_behind_a_running_task(pair)


def submit_before_the_slow_task(pair: BusyAndIdleRunner) -> None:
    """A fan whose first body is slow: all of it is born in one transaction."""
    fan = [(f"t{k}", pair.trivial, {"dependencies": ["first"]}) for k in range(RUN_COUNT)]
    first: tuple[str, Any, dict[str, Any]] = ("first", lambda context: None, {})
    slow = ("slow", lambda context: pair.gate(), {"dependencies": ["first"]})
    pair.busy.submit(pair.define("fan", first, slow, *fan))
    pair.gate.wait_started()


def retry_behind_a_running_task(pair: BusyAndIdleRunner) -> None:
    """The retry is due while the slot is held."""
    failed = threading.Semaphore(0)

    def fails_once(context: Context, handle: TaskHandle) -> None:
        if handle.attempt == 1:
            failed.release()
            raise ValueError("not yet")
        pair.trivial(context)

    options = {"retry_attempts": 2, "retry_delay_ms": 300, "retry_jitter": False}
    pair.busy.submit(pair.define("again", *[(f"t{k}", fails_once, options) for k in range(RUN_COUNT)]))
    for _ in range(RUN_COUNT):
        assert failed.acquire(timeout=SIGNAL_TIMEOUT_SECONDS)
    pair.occupy_slot()


def create_child_runs(pair: BusyAndIdleRunner) -> None:
    @node(output_name="y")
    def low(x: int) -> int:
        if x == 0:
            pair.gate()
        else:
            pair.done.release()
        return x

    register_graph(Graph([Graph([low], name="low").as_node(name="all").map_over("x")], name="wide"))
    pair.busy.submit("wide", {"x": list(range(RUN_COUNT + 1))})
    pair.gate.wait_started()


def leave_by_a_closed_runner(pair: BusyAndIdleRunner) -> None:
    pair.occupy_slot()
    third = DefaultRunner.with_config(
        pair.busy._engine.store.url, holdwater.DefaultRunnerConfig(**ONE_SLOT, shutdown_timeout_seconds=0)
    )
    block = threading.Event()
    begun = threading.Event()

    def blocks(context: Context) -> None:
        if not begun.is_set():
            begun.set()
            block.wait(SIGNAL_TIMEOUT_SECONDS)

    third.submit(pair.define("blocks", ("a", blocks, {})))
    assert begun.wait(SIGNAL_TIMEOUT_SECONDS)
    for _ in range(RUN_COUNT):
        third.submit("trivial")
    third.shutdown()
    block.set()


def fire_by_a_schedule(pair: BusyAndIdleRunner) -> None:
    at = datetime.now(UTC) + timedelta(seconds=1)
    pair.occupy_slot()
    for k in range(RUN_COUNT):
        pair.busy.register_cron_workflow("trivial", "* * * * * *", "UTC", start=at, context={"k": k})


WAYS_OF_CREATION = [
    submit_behind_a_running_task,
    submit_after_fast_tasks,
    submit_before_the_slow_task,
    retry_behind_a_running_task,
    create_child_runs,
    leave_by_a_closed_runner,
    fire_by_a_schedule,
]


@pytest.mark.parametrize("born", WAYS_OF_CREATION, ids=lambda born: born.__name__)
def test_an_idle_runner_begins_it_meanwhile(pair: BusyAndIdleRunner, born: Callable[[BusyAndIdleRunner], None]) -> None:
    born(pair)
    assert pair.all_executed()


@pytest.mark.parametrize("fast", [0, 3], ids=["pace unknown", "fast pace"])
def test_two_processes(url: str, open_runner: Open, fast: int) -> None:
    """The other one is a real process with one slot; all it submits is done here while its body goes on."""
    command = [sys.executable, "-m", "tests.engine.second_process", url, str(RUN_COUNT), str(fast)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        try:
            run_ids = json.loads(other.stdout.readline())
            second_process.define_workflows()
            runner = open_runner(recovery_interval_seconds=600)
            results = [runner.handle(run_id).result(3 * SIGNAL_TIMEOUT_SECONDS) for run_id in run_ids]
            assert {(r.status, r.final_context["pid"]) for r in results} == {("Completed", os.getpid())}
            assert other.poll() is None
            assert [run.workflow_name for run in runner.list_runs() if run.status == "Running"] == ["beside.hold"]
            other.stdin.write("go on\n")
            other.stdin.close()
            assert other.wait(SIGNAL_TIMEOUT_SECONDS) == 0
        finally:
            other.kill()
            registry.unregister("beside.hold")
            registry.unregister("beside.trivial")


# -- which executor is busy


async def waits(gate: Gate) -> None:
    import asyncio

    gate.started.release()
    while not gate.open.is_set():
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("free", ["slow", "default", "async"])
def test_one_runner_goes_on_where_it_has_slots(open_runner: Open, define: Define, gate: Gate, free: str) -> None:
    """The oldest work waits for a full executor; younger work, and of the same workflow, is begun on another."""
    slow = {"executor": "slow"}
    done = threading.Semaphore(0)

    def trivial(context: Context) -> None:
        done.release()

    async def trivial_async(context: Context) -> None:
        done.release()

    kinds: dict[str, tuple[Any, dict[str, Any]]] = {
        "slow": (trivial, slow),
        "default": (trivial, {}),
        "async": (trivial_async, {}),
    }
    runner = open_runner(executors={"slow": ThreadExecutor(1)}, **ONE_SLOT, max_concurrent_async_tasks=1)
    others = {name: kind for name, kind in kinds.items() if name != free}

    def hold(context: Context) -> None:
        gate()

    async def hold_async(context: Context) -> None:
        await waits(gate)

    for name, (_, options) in others.items():
        body = hold_async if name == "async" else hold
        runner.submit(define(f"hold {name}", ("a", body, options)))
        gate.wait_started()
    busy = [(f"{name}{k}", kind[0], kind[1]) for name, kind in others.items() for k in range(3)]
    body, options = kinds[free]
    handle = runner.submit(define("mixed", *busy, *[(f"t{k}", body, options) for k in range(RUN_COUNT)]))
    for _ in range(RUN_COUNT):
        assert done.acquire(timeout=SIGNAL_TIMEOUT_SECONDS)
    assert not gate.open.is_set()
    gate.open.set()
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Completed"
    assert {t.attempt_count for t in result.task_results} == {1}


def test_timers_of_others_are_taken_though_every_slot_is_held(pair: BusyAndIdleRunner) -> None:
    """Both are busy; a runner that ends leaves a retry: its timer needs no slot, and the body waits its turn."""
    store = pair.busy._engine.store
    pair.occupy_slot()
    for _ in range(4):
        pair.idle.submit("hold")
        pair.gate.wait_started()
    third = DefaultRunner.with_config(store.url, holdwater.DefaultRunnerConfig(**ONE_SLOT))
    failed = threading.Event()

    def fails(context: Context, handle: TaskHandle) -> None:
        if handle.attempt == 1:
            failed.set()
            raise ValueError("not yet")
        pair.trivial(context)

    options = {"retry_attempts": 2, "retry_delay_ms": 500, "retry_jitter": False}
    handle = third.submit(pair.define("later", ("a", fails, options)))
    assert failed.wait(SIGNAL_TIMEOUT_SECONDS)
    third.shutdown()
    while [row.kind for row in store.work_of_run(handle.run_id)] != ["execute"]:  # bounded by the test's time-out
        poll_pause()
    pair.gate.open.set()
    assert pair.done.acquire(timeout=SIGNAL_TIMEOUT_SECONDS)


# -- `async def` bodies


def test_async_bodies_have_a_limit_of_their_own(open_runner: Open, define: Define, gate: Gate) -> None:
    runner = open_runner(max_concurrent_tasks=1, max_concurrent_async_tasks=7)
    most = [0, 0]

    async def body(context: Context) -> None:
        most[0] += 1
        most[1] = max(most)
        await waits(gate)
        most[0] -= 1

    handle = runner.submit(define("w", *[(f"t{k}", body, {}) for k in range(20)]))
    for _ in range(7):
        gate.wait_started()
    assert runner.execute(define("v", ("a", lambda context: {"x": 1}, {}))).status == "Completed"
    assert runner.executor_metrics()["default"].active_tasks == 7
    gate.open.set()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert most == [0, 7]


# -- what is leased ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    made = FakeClock("2026-11-21T00:00:00")
    monkeypatch.setattr(holdwater.engine.engine, "SystemClock", lambda: made)
    return made


def owners_of(runner: DefaultRunner, run_ids: list[str]) -> set[str | None]:
    return {row.owner for run_id in run_ids for row in runner._engine.store.work_of_run(run_id)}


def test_prefetched_work_is_released_when_a_task_is_slow(
    clock: FakeClock, open_runner: Open, define: Define, gate: Gate
) -> None:
    pair = BusyAndIdleRunner(open_runner, define, gate, enable_cron_scheduling=False)
    pair.idle.shutdown()
    for _ in range(3):
        pair.busy.execute("trivial")
    pair.occupy_slot()
    handles = [pair.busy.submit("trivial") for _ in range(RUN_COUNT)]
    run_ids = [handle.run_id for handle in handles]
    wait_until_idle(pair.busy)
    assert owners_of(pair.busy, run_ids) == {pair.busy._engine.driver.owner}
    clock.advance(STALLED_US / 1e6 / 2)
    wait_until_idle(pair.busy)
    assert owners_of(pair.busy, run_ids) == {pair.busy._engine.driver.owner}, "it may still be a fast one"
    clock.advance(STALLED_US / 1e6)
    wait_until_idle(pair.busy)
    assert owners_of(pair.busy, run_ids) == {None}
    handles.append(pair.busy.submit("trivial"))
    assert owners_of(pair.busy, [handles[-1].run_id]) == {None}, "nothing is leased while no slot comes free"
    gate.open.set()
    assert {handle.result(SIGNAL_TIMEOUT_SECONDS).status for handle in handles} == {"Completed"}
    assert pair.done.acquire(timeout=SIGNAL_TIMEOUT_SECONDS)


def test_nothing_is_leased_ahead_while_the_pace_is_unknown(pair: BusyAndIdleRunner) -> None:
    pair.idle.shutdown()
    pair.occupy_slot()
    run_ids = [pair.busy.submit("trivial").run_id for _ in range(RUN_COUNT)]
    assert owners_of(pair.busy, run_ids) == {None}
    pair.gate.open.set()
    assert all([pair.done.acquire(timeout=SIGNAL_TIMEOUT_SECONDS) for _ in range(RUN_COUNT)])


def test_a_paused_run_is_not_begun_by_those_that_hear_of_it(pair: BusyAndIdleRunner) -> None:
    """What was handed back belongs to its run: pausing and cancelling reach it."""
    pair.idle.shutdown()
    pair.occupy_slot()
    handles = [pair.busy.submit("trivial") for _ in range(4)]
    for handle in handles[:2]:
        pair.busy.pause(handle.run_id)
    pair.busy.cancel(handles[2].run_id)
    pair.gate.open.set()
    assert handles[3].result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert handles[2].result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"
    assert pair.done.acquire(timeout=SIGNAL_TIMEOUT_SECONDS)
    assert not pair.done.acquire(blocking=False)
    for handle in handles[:2]:
        pair.busy.resume(handle.run_id)
        assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


@pytest.mark.parametrize(
    ("slots", "took_us", "expected"),
    [
        (1, 1_000, 100),
        (4, 1_000, 400),
        (4, 10_000, 40),
        (4, 50_000, 8),
        (1, 100_000, 1),
        (1, 200_000, 0),
        (4, 4_000_000, 0),
        (4, -5, 1 << 17),
    ],
)
def test_the_pace(slots: int, took_us: int, expected: int) -> None:
    pace = SlotThroughput(slots)
    assert pace.expected(Micros(0), full=True) == pace.expected(Micros(0), full=False) == 0, "unknown"
    pace.ended(Micros(1_000_000), took_us)
    assert min(pace.expected(Micros(1_000_000), full=True), 1 << 17) == expected
    later = 1_000_001 + 2 * STALLED_US
    assert pace.expected(Micros(later), full=True) == 0
    assert min(pace.expected(Micros(later), full=False), 1 << 17) == expected


def test_throughput_follows_task_durations() -> None:
    pace = SlotThroughput(1)
    pace.ended(Micros(0), PREFETCH_HORIZON_US // 10)
    for _ in range(50):
        pace.ended(Micros(0), 10 * PREFETCH_HORIZON_US)
    assert pace.expected(Micros(0), full=False) == 0
    for _ in range(100):
        pace.ended(Micros(0), PREFETCH_HORIZON_US // 10)
    assert pace.expected(Micros(0), full=False) in (9, 10)
