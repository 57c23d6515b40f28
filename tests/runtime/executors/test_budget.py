"""A budget of the process: task functions of its tenants begin in turn, and no more than it has slots for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdwater import WorkflowBuilder, task
from holdwater.engine import Engine
from holdwater.errors import ConfigError
from holdwater.model.registry import Registry, registry
from holdwater.runtime.config import DriverConfig
from holdwater.runtime.executors.budget import Budget, SlotUsage
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS
from tests.suite.waiting import wait_until


@dataclass(eq=False)
class Body:
    """What the budget knows of an attempt."""

    tenant: str
    executor: Any = None
    started_at: int = 0


class Simulation:
    """Bodies of tenants, begun by the budget and ended by the test.  `order`: tenants as their bodies began."""

    def __init__(self, slots: int, per_tenant: int) -> None:
        self.budget = Budget(slots, per_tenant)
        self.running: list[Body] = []
        self.order: list[str] = []

    def enter(self, tenant: str) -> None:
        body = Body(tenant)

        def begin() -> None:
            self.running.append(body)
            self.order.append(tenant)

        share = self.budget.share(tenant)
        with share.lock:
            share.enter(body, begin)  # type: ignore[arg-type]

    def end(self, index: int) -> None:
        body = self.running.pop(index % len(self.running))
        share = self.budget.share(body.tenant)
        with share.lock:
            share.leave(body)  # type: ignore[arg-type]

    def waiting(self) -> dict[str, int]:
        return {name: used.waiting for name, used in self.budget.usage().items()}

    def running_of(self, tenant: str) -> int:
        return [body.tenant for body in self.running].count(tenant)


STEPS = st.lists(st.one_of(st.sampled_from("abcde"), st.integers(0, 9)), max_size=80)
"""a tenant: a body of it is ready; a number: one of those that run ends"""


@given(st.integers(1, 4), st.integers(1, 4), STEPS)
def test_no_slot_is_idle_while_one_may_begin_and_none_is_given_twice(
    slots: int, per_tenant: int, steps: list[str | int]
) -> None:
    simulation = Simulation(slots, per_tenant)
    limit = simulation.budget.per_tenant
    for step in steps:
        if isinstance(step, str):
            simulation.enter(step)
        elif simulation.running:
            simulation.end(step)
        waiting = simulation.waiting()
        assert len(simulation.running) <= slots
        assert all([simulation.running_of(tenant) <= limit for tenant in "abcde"])
        if len(simulation.running) < slots:
            assert not [name for name, count in waiting.items() if count and simulation.running_of(name) < limit]


@given(st.integers(1, 4), STEPS)
def test_a_tenant_that_waits_is_passed_by_each_other_once_at_most(slots: int, steps: list[str | int]) -> None:
    simulation = Simulation(slots, slots)
    for step in steps:
        if isinstance(step, str):
            simulation.enter(step)
        elif simulation.running:
            simulation.end(step)
    waits = [name for name, count in simulation.waiting().items() if count]
    began = len(simulation.order)
    while waits and not set(waits) <= set(simulation.order[began:]):
        simulation.end(0)
    first = simulation.order[began:]
    for name in waits:
        before = first[: first.index(name)]
        assert len(before) == len(set(before)), f"{name} waits while another begins twice: {first}"


def test_ten_thousand_bodies_of_one_do_not_delay_another() -> None:
    simulation = Simulation(1, 1)
    for _ in range(10_000):
        simulation.enter("noisy")
    simulation.enter("quiet")
    simulation.end(0)
    assert simulation.order == ["noisy", "quiet"]


def test_limits_are_whole_numbers() -> None:
    with pytest.raises(ConfigError, match="per_tenant"):
        Budget(4, 0)


# -- in engines


@contextmanager
def open_engine(folder: Path, tenant: str, budget: Budget, **options: Any) -> Iterator[Engine]:
    config = DriverConfig(slot_share=budget.share(tenant), **options)
    engine = Engine(f"sqlite:///{folder}/{tenant}.db", config, registry=_registry_of(tenant))
    try:
        yield engine
    finally:
        engine.close(SIGNAL_TIMEOUT_SECONDS)


def _registry_of(tenant: str) -> Registry:
    own = Registry()
    own.register(registry.get("in turn"), "in turn")
    return own


class Turns:
    """The bodies of all tenants: `order` as they began; each ends when it is let go."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self._begun = threading.Semaphore(0)
        self._may_end = threading.Semaphore(0)

    def __call__(self, context: Any) -> None:
        self.order.append(context["tenant"])
        self._begun.release()
        assert self._may_end.acquire(timeout=SIGNAL_TIMEOUT_SECONDS)

    def wait_begun(self) -> None:
        assert self._begun.acquire(timeout=SIGNAL_TIMEOUT_SECONDS)

    def let_go(self, count: int = 1) -> None:
        self._may_end.release(count)


@pytest.fixture
def turns() -> Iterator[Turns]:
    made = Turns()
    with WorkflowBuilder("in turn"):
        task(id="body")(made)
    yield made
    made.let_go(10_000)
    registry.unregister("in turn")


def test_engines_take_turns(turns: Turns, tmp_path: Path) -> None:
    budget = Budget(1, 1)
    with ExitStack() as closing:
        noisy = closing.enter_context(open_engine(tmp_path, "noisy", budget))
        quiet = closing.enter_context(open_engine(tmp_path, "quiet", budget))
        runs = [noisy.submit("in turn", {"tenant": "noisy"}) for _ in range(40)]
        turns.wait_begun()
        wait_until(lambda: budget.usage()["noisy"].waiting > 0)
        one = quiet.submit("in turn", {"tenant": "quiet"})
        wait_until(lambda: budget.usage()["quiet"] == SlotUsage(0, 1))
        turns.let_go()
        turns.wait_begun()
        assert turns.order == ["noisy", "quiet"]
        turns.let_go(1000)
        for run in [*runs, one]:
            assert run.future.result(SIGNAL_TIMEOUT_SECONDS).status == "completed"
        assert budget.usage() == {}


def test_the_limit_of_one_tenant_leaves_the_rest_to_others(turns: Turns, tmp_path: Path) -> None:
    budget = Budget(4, 1)
    with ExitStack() as closing:
        noisy = closing.enter_context(open_engine(tmp_path, "noisy", budget, max_concurrent_tasks=4))
        quiet = closing.enter_context(open_engine(tmp_path, "quiet", budget))
        for _ in range(10):
            noisy.submit("in turn", {"tenant": "noisy"})
        turns.wait_begun()
        quiet.submit("in turn", {"tenant": "quiet"})
        turns.wait_begun()
        assert turns.order == ["noisy", "quiet"]
        assert budget.usage()["noisy"].running == 1
        turns.let_go(1000)


def test_an_engine_that_ends_gives_its_slots_back(turns: Turns, tmp_path: Path) -> None:
    budget = Budget(1, 1)
    with ExitStack() as closing:
        with open_engine(tmp_path, "ending", budget) as ending:
            ending.submit("in turn", {"tenant": "ending"})
            turns.wait_begun()
            quiet = closing.enter_context(open_engine(tmp_path, "quiet", budget))
            quiet.submit("in turn", {"tenant": "quiet"})
            wait_until(lambda: budget.usage()["quiet"].waiting == 1)
            ending.close(0.0)  # the body goes on in its thread
        turns.wait_begun()
        assert turns.order == ["ending", "quiet"]
        turns.let_go(2)


def test_a_body_that_waits_gives_its_slot_to_others(tmp_path: Path, turns: Turns) -> None:
    """`defer_until` gives up the slot of the budget, and takes its turn to go on."""
    budget = Budget(1, 1)
    has_begun, may_go_on = threading.Event(), threading.Event()
    went_on: list[str] = []
    with WorkflowBuilder("deferring"):

        @task(id="waits")
        def waits(context: Any, handle: Any) -> None:
            has_begun.set()
            handle.defer_until(may_go_on.is_set, 0.01)
            went_on.append("went on")

    own = Registry()
    own.register(registry.get("deferring"), "deferring")
    registry.unregister("deferring")
    engine = Engine(f"sqlite:///{tmp_path}/d.db", DriverConfig(slot_share=budget.share("d")), registry=own)
    try:
        run = engine.submit("deferring", {})
        assert has_begun.wait(SIGNAL_TIMEOUT_SECONDS)
        with open_engine(tmp_path, "other", budget) as other:
            taken = other.submit("in turn", {"tenant": "other"})
            turns.wait_begun()
            may_go_on.set()
            wait_until(lambda: budget.usage().get("d") == SlotUsage(0, 1))
            assert went_on == []
            turns.let_go()
            assert run.future.result(SIGNAL_TIMEOUT_SECONDS).status == "completed"
            assert taken.future.result(SIGNAL_TIMEOUT_SECONDS).status == "completed"
    finally:
        engine.close(SIGNAL_TIMEOUT_SECONDS)
    assert budget.usage() == {}
