"""Cancelled, timed out, failed or paused at any moment, then resumed: as if nothing had happened."""

from __future__ import annotations

import pytest

from holdwater.kernel import Machine
from holdwater.model import events as ev
from holdwater.model.commands import Cancel, Execute
from holdwater.model.events import Event
from holdwater.model.rules import ValuePredicate
from holdwater.model.time import Micros
from tests.kernel.drivers import ChaosDriver, run_outcome
from tests.kernel.programs import CASES, Case, raise_error, set_values
from tests.kernel.styles.program import Retry
from tests.kernel.styles.tasks import Task, tasks

HALTS: list[Event] = [ev.CancelRequested("enough"), ev.TimedOut("too late")]


def _run_until(case: Case, events: int, seed: int | None = None) -> ChaosDriver:
    """A run in the middle, with bodies in flight."""
    chaos = ChaosDriver(case.program, case.inputs, case.answers, seed=seed)
    while len(chaos.journal) < events and chaos.step():
        pass
    return chaos


def _expected_outcome(case: Case) -> tuple[object, int]:
    chaos = ChaosDriver(case.program, case.inputs, case.answers)
    return run_outcome(case.program, chaos.run_to_end()), len(chaos.journal)


@pytest.mark.parametrize("halt", HALTS, ids=["cancelled", "timed out"])
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_halted_anywhere_and_resumed(case: Case, halt: Event, seed: int | None) -> None:
    expected, length = _expected_outcome(case)
    halted = 0
    for k in range(1, length + 1):
        chaos = _run_until(case, k, seed)
        if not chaos.machine.accepts(halt):
            assert chaos.machine.ended or chaos.machine.halted
            continue
        chaos.commit(halt)
        m = chaos.run_to_end()
        assert m.status == ("cancelled" if isinstance(halt, ev.CancelRequested) else "failed"), f"after {k} events"
        assert not m.todo
        assert not m.pending_inputs
        chaos.commit(ev.Resumed())
        assert run_outcome(case.program, chaos.run_to_end()) == expected, f"halted after {k} events"
        halted += 1
    assert halted


def test_halted_crashed_and_resumed(case: Case) -> None:
    """The process dies while the run is ending."""
    expected, length = _expected_outcome(case)
    for k in range(1, length):
        chaos = _run_until(case, k, seed=k)
        if chaos.machine.accepts(HALTS[0]):
            chaos.commit(HALTS[0])
            chaos.restart()
            assert chaos.machine.ended, "nothing is executed again in a run that was halted"
            chaos.restart()
            chaos.commit(ev.Resumed())
            chaos.restart()
            assert run_outcome(case.program, chaos.run_to_end()) == expected, f"halted after {k} events"


def test_halted_again_after_it_was_resumed(case: Case) -> None:
    expected, length = _expected_outcome(case)
    for k in range(1, length, 2):
        chaos = _run_until(case, k, seed=k)
        for _ in range(3):
            if chaos.machine.accepts(HALTS[0]):
                chaos.commit(HALTS[0])
                chaos.run_to_end()
                chaos.commit(ev.Resumed())
                chaos.step()
        assert run_outcome(case.program, chaos.run_to_end()) == expected, f"halted after {k} events"


@pytest.mark.parametrize("seed", [None, 3])
def test_paused_anywhere_and_resumed(case: Case, seed: int | None) -> None:
    expected, length = _expected_outcome(case)
    for k in range(1, length + 1):
        chaos = _run_until(case, k, seed)
        if not chaos.machine.accepts(ev.Paused()):
            continue
        chaos.commit(ev.Paused())
        begun = list(chaos.executed)
        m = chaos.run_to_end()
        assert chaos.executed == begun, "a body began in a paused run"
        if m.ended:
            assert not m.todo
        else:
            assert m.status == "paused"
            chaos.restart()
            assert chaos.machine.suspended
            chaos.commit(ev.Resumed())
        assert run_outcome(case.program, chaos.run_to_end()) == expected, f"paused after {k} events"


def test_a_paused_run_can_be_cancelled(case: Case) -> None:
    expected, length = _expected_outcome(case)
    for k in range(1, length, 2):
        chaos = _run_until(case, k, seed=5)
        if chaos.machine.accepts(ev.Paused()):
            chaos.commit(ev.Paused())
            chaos.commit(ev.CancelRequested())
            assert chaos.run_to_end().status == "cancelled"
            chaos.commit(ev.Resumed())
            assert run_outcome(case.program, chaos.run_to_end()) == expected, f"paused after {k} events"


def test_a_run_that_fails_while_paused_needs_one_event_to_go_on() -> None:
    case = CASES["steps: stop"]
    chaos = _run_until(case, 2)
    [execute] = chaos.machine.todo.values()
    assert isinstance(execute, Execute)
    chaos.commit(ev.Paused())
    chaos.commit(ev.Failed(execute.node, execute.fence, "OSError", "not yet"))
    assert chaos.machine.ended
    chaos.commit(ev.Resumed())
    assert not chaos.machine.ended
    assert execute.node in chaos.machine.todo


def test_a_failed_run_resumed_does_only_what_is_left() -> None:
    case = CASES["steps: stop"]
    chaos = ChaosDriver(case.program, case.inputs)
    assert chaos.run_to_end().status == "failed"
    again = ChaosDriver(case.program, case.inputs, journal=chaos.journal)
    again.commit(ev.Resumed())
    two = again.machine.todo[1]
    assert isinstance(two, Execute)
    again.commit(ev.Succeeded(1, two.fence, ("mended",)))
    assert again.run_to_end().status == "completed"
    assert again.executed == ["three"]
    assert again.machine.errors == {}


def test_what_runs_when_a_run_halts_is_told_and_may_still_succeed() -> None:
    case = CASES["tasks: peers"]
    chaos = ChaosDriver(case.program, case.inputs)
    chaos.step()
    m = chaos.machine
    m.take_commands()
    m.apply(ev.CancelRequested())
    assert {c.node for c in m.take_commands()} == m.todo.keys() == {1, 2, 3, 4, 5}
    m.apply(ev.Succeeded(1, 1, ({"set": {"k0": 1}, "append": {}, "drop": []},)))
    for i in range(2, 6):
        assert m.status == "running"
        m.apply(ev.Cancelled(i, 1))
    assert m.status == "cancelled"
    assert m.node_states[1] == "succeeded"
    assert m.halted_nodes == [2, 3, 4, 5]
    m.apply(ev.Resumed())
    assert m.todo.keys() == {2, 3, 4, 5}


@pytest.mark.parametrize(
    "late", [ev.Failed(1, 1, "E", "e", Micros(0)), ev.Deferred(1, 1, Micros(99)), ev.AttemptLost(1, 1)]
)
def test_a_halted_run_starts_nothing_whatever_its_bodies_ask_for(late: Event) -> None:
    case = CASES["tasks: deferred"]
    chaos = ChaosDriver(case.program, case.inputs)
    m = chaos.machine
    assert m.todo.keys() == {0, 1}
    chaos.commit(ev.CancelRequested())
    chaos.commit(ev.Cancelled(0, 1))
    chaos.commit(late)
    assert m.status == "cancelled"
    assert not m.todo
    chaos.commit(ev.Resumed())
    assert m.todo.keys() == {0, 1}


def test_a_failure_lets_what_runs_go_on_in_peace() -> None:
    """Only a cancelled or timed out run tells its bodies."""
    program = tasks(
        "t", [Task("a", raise_error, on_error="stop"), Task("b", set_values(b=1)), Task("c", set_values(c=1), ("b",))]
    )
    m = Machine(program.compiled_plan)
    m.apply(ev.Started({"given": {}}))
    m.take_commands()
    m.apply(ev.Failed(0, 1, "ValueError", "boom"))
    assert m.take_commands() == []
    m.apply(ev.Succeeded(1, 1, ({"set": {"b": 1}, "append": {}, "drop": []},)))
    assert m.status == "failed"
    assert m.node_states == ["failed", "succeeded", "waiting"]
    m.apply(ev.Resumed())
    assert m.todo.keys() == {0, 2}


def test_commands_that_a_halt_took_back_are_not_handed_out() -> None:
    program = tasks(
        "t",
        [
            Task("asks", set_values(a=1), (), ValuePredicate("x", "exists")),
            Task("late", set_values(a=1)),
            Task("runs", set_values(b=1)),
        ],
    )
    m = Machine(program.compiled_plan)
    m.apply(ev.Started({"given": {}}))
    m.apply(ev.Deferred(1, 1, Micros(99)))
    m.apply(ev.CancelRequested())
    assert m.take_commands() == [Execute(2, 1, 1), Cancel(2)]
    assert m.take_commands() == []


def test_a_resumed_node_has_all_its_attempts_again() -> None:
    program = tasks("t", [Task("a", raise_error, on_error="stop", retry=Retry(3))])
    chaos = ChaosDriver(program, {"given": {}})
    assert chaos.run_to_end().failure_counts == {0: 3}
    chaos.commit(ev.Resumed())
    assert chaos.machine.todo == {0: Execute(0, fence=4, attempt=1)}
    chaos.run_to_end()
    assert chaos.executed == ["a"] * 6
