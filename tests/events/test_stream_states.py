"""Events alone say in which state each node and the run are: after every entry, for every program of the kernel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st

from holdwater.events import run_events as events
from holdwater.events.stream import RunEventStream
from holdwater.kernel import CompiledPlan, Machine
from holdwater.kernel.states import ISSUED, WAITING
from holdwater.model import events as ev
from holdwater.model.journal import JournalEntry
from holdwater.model.records import RunRow
from holdwater.model.rules import CANCELLED, FAILED, SETTLED_OUTCOMES, SKIPPED, SUCCEEDED, UPSTREAM_FAILED
from holdwater.model.time import Micros
from holdwater.runs.authoring_styles import STYLES
from tests.kernel.conftest import case
from tests.kernel.drivers import ChaosDriver
from tests.kernel.journal import decode
from tests.kernel.programs import Case
from tests.kernel.styles.graphs import Fn, graph
from tests.kernel.styles.program import Program
from tests.kernel.test_against_reference import dags, wild_graphs
from tests.kernel.test_retry import FailingProgram
from tests.kernel.test_sequences import SequenceRun, sequence
from tests.suite.effort import property_test

__all__ = ["case"]

UNDER_WAY = "under way"
"""waits for an instant, an answer or child runs"""


@dataclass
class Watcher:
    """Knows of a run what its events say."""

    plan: CompiledPlan
    status: str = "new"
    states: dict[str, str] = field(default_factory=dict)
    scheduled: set[tuple[str, int | None, int | None]] = field(default_factory=set)
    passed_over: set[str] = field(default_factory=set)

    def hear(self, event: events.RunEvent) -> None:
        match event:
            case events.RunStarted() | events.RunResumed():
                self.status = "running"
            case events.RunPaused():
                self.status = "paused"
            case events.RunEnded():
                self.status = event.status
            case events.RunCancelRequested() | events.RunTimedOut():
                self.status = "running"
            case events.NodeEvent():
                self._hear_of_node(event)

    def _hear_of_node(self, event: events.NodeEvent) -> None:
        match event:
            case events.NodeScheduled():
                assert event.fence is not None
                assert (event.node, event.attempt, event.fence) not in self.scheduled
                self.scheduled.add((event.node, event.attempt, event.fence))
                self.states[event.node] = ISSUED
            case events.NodeSkipped():
                self.states[event.node] = UPSTREAM_FAILED if event.because_of_failure else SKIPPED
            case events.NodeSucceeded():
                self.states[event.node] = SUCCEEDED
            case events.NodeFailed():
                self.states[event.node] = FAILED if event.retry_at is None else UNDER_WAY
            case events.NodeCancelled():
                self.states[event.node] = CANCELLED
            case events.NodeWaiting() | events.NodeInputRequested() | events.NodeChildrenRequested():
                self.states[event.node] = UNDER_WAY
            case events.NodeReset():
                self.states[event.node] = WAITING
        if isinstance(event, events.AttemptEnded) and event.attempt is not None:
            assert (event.node, event.attempt, event.fence) in self.scheduled

    def assert_agrees(self, machine: Machine) -> None:
        for node, state in zip(self.plan.plan.nodes, machine.node_states, strict=True):
            told = self.states.get(node.name, WAITING)
            if state in SETTLED_OUTCOMES or state == ISSUED:
                assert told == state, node.name
            else:
                passed_over = self.plan.node_index[node.name] in machine.skipped_nodes
                assert told not in SETTLED_OUTCOMES or (told == SKIPPED and passed_over), (node.name, told, state)
        assert self.status == machine.status


def assert_told(plan: CompiledPlan, journal: Iterable[ev.Event], *, forked_from: str | None = None) -> None:
    """Hear a journal to its end, and compare after every entry."""
    row = RunRow("r", plan.plan.name, plan.plan.style, "", "", Micros(0), forked_from=forked_from)
    stream, machine, watcher = RunEventStream(row, plan, STYLES["graphs"]), Machine(plan), Watcher(plan)
    for seq, event in enumerate(journal, 1):
        told = stream.append(JournalEntry(event))
        assert [one.position for one in told] == [(seq, part) for part in range(len(told))]
        for one in told:
            watcher.hear(one)
        machine.apply(event)
        watcher.assert_agrees(machine)


@pytest.mark.parametrize("seed", range(4))
def test_every_program_in_every_order_and_through_crashes(case: Case, seed: int) -> None:
    chaos = ChaosDriver(case.program, case.inputs, case.answers, seed=seed, crash_probability=0.1)
    chaos.run_to_end()
    assert_told(case.program.compiled_plan, map(decode, chaos.journal))


@pytest.mark.parametrize("halt", [ev.CancelRequested("enough"), ev.TimedOut("late"), ev.Paused("later")])
def test_a_halt_at_every_moment_and_the_way_back(case: Case, halt: Any) -> None:
    k = 1
    while True:
        chaos = ChaosDriver(case.program, case.inputs, case.answers, seed=k)
        while len(chaos.journal) < k and chaos.step():
            pass
        if len(chaos.journal) < k:
            break
        if chaos.machine.accepts(halt):
            chaos.commit(halt)
        if type(halt) is not ev.Paused:
            chaos.run_to_end()
        if chaos.machine.accepts(ev.Resumed()):
            chaos.commit(ev.Resumed("go on"))
        chaos.run_to_end()
        assert_told(case.program.compiled_plan, map(decode, chaos.journal))
        k += 1


def test_a_failure_of_each_node_and_its_retry(case: Case) -> None:
    for node, body in enumerate(case.program.functions):
        if body is None:
            continue
        ailing = FailingProgram(case.program, {node: 1}, {node: "fail"})
        chaos = ChaosDriver(ailing.program, case.inputs, case.answers, seed=node)
        if chaos.run_to_end().status == "failed":
            ailing.resume(chaos)
            chaos.run_to_end()
        assert_told(ailing.program.compiled_plan, map(decode, chaos.journal))


def test_a_node_under_way_is_reset_by_new_inputs() -> None:
    program = graph("g", [Fn("double", lambda x: 2 * x, ("x",), ("y",))])
    plan = program.compiled_plan
    row = RunRow("r", "g", "graphs", "", "", Micros(0))
    stream = RunEventStream(row, plan, STYLES["graphs"])
    told = [
        [one.type for one in stream.append(JournalEntry(event))]
        for event in (ev.Started({"x": 1}), ev.Paused(), ev.Resumed("", {"x": 2}))
    ]
    assert told == [
        ["workflow_started", "task_marked_ready"],
        ["workflow_paused"],
        ["workflow_resumed", "task_reset", "task_marked_ready"],
    ]


def assert_told_through_a_retry(program: Program, inputs: dict[str, Any], seed: int) -> None:
    chaos = ChaosDriver(program, inputs, seed=seed, crash_probability=0.05)
    chaos.run_to_end()
    if chaos.machine.accepts(ev.Resumed()):
        chaos.commit(ev.Resumed())
        chaos.run_to_end()
    assert_told(program.compiled_plan, map(decode, chaos.journal))


@property_test(dags(), st.integers(0, 9), quick_examples=40, long_examples=2000)
def test_tasks(program: Program, seed: int) -> None:
    assert_told_through_a_retry(program, {"given": {}}, seed)


@property_test(wild_graphs(), st.integers(0, 9), quick_examples=40, long_examples=2000)
def test_graphs(wild: tuple[Program, dict[str, Any]], seed: int) -> None:
    assert_told_through_a_retry(*wild, seed)


@pytest.mark.parametrize("passed", [(), ("n0", "n2")])
@pytest.mark.parametrize("decision", [("n2", "n4"), ("n3", "n4", "n5", ""), ("n2", ""), ()])
@pytest.mark.parametrize("ill", [(), (4,), (1,)])
@pytest.mark.parametrize("start", [None, 0, 1, 2, 3, 5])
def test_a_sequence_that_jumps_and_begins_anywhere(
    passed: tuple[str, ...], decision: tuple[str, ...], ill: tuple[int, ...], start: int | None
) -> None:
    walk = SequenceRun(sequence(6), {1: decision})
    walk.start(passed)
    walk.run_to_end(ill)
    if walk.machine.accepts(ev.Resumed("", {}, start)):
        walk.resume(start)
    assert_told(walk.machine.compiled_plan, map(decode, walk.journal))
