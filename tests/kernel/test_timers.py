"""Retries, deferrals and waits against a clock that jumps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from holdwater.model import events as ev
from holdwater.model.commands import Execute, StartTimer
from holdwater.model.time import Micros
from tests.kernel.drivers import SECOND_US, ChaosDriver
from tests.kernel.journal import decode, fold
from tests.kernel.programs import CASES, poll_until_ready, raise_error, set_values
from tests.kernel.styles.program import NodeCall, Retry
from tests.kernel.styles.steps import Step, Wait, steps
from tests.kernel.styles.tasks import Context, Task, tasks


def test_a_wait_outlives_its_process() -> None:
    program = steps("nap", [Wait("nap", 30.0), Step("x", lambda v, c: c.now)])
    first = ChaosDriver(program, {"given": 0})
    first.step()
    first.step()  # the rule, then the instant is fixed at 0 s
    again = ChaosDriver(program, {"given": 0}, journal=first.journal, now=12 * SECOND_US)
    m = again.run_to_end()
    assert again.fired_timers == [("nap", 30.0)]
    assert program.outputs(m) == {"nap": 30.0, "x": 30 * SECOND_US}


def test_a_retry_comes_when_the_journal_says() -> None:
    program = tasks("t", [Task("a", raise_error, retry=Retry(4, 2.0))])
    chaos = ChaosDriver(program, {"given": {}})
    m = chaos.run_to_end()
    assert chaos.fired_timers == [("a", 2.0), ("a", 4.0), ("a", 6.0)]
    assert m.failure_counts == {0: 4}
    assert m.fences == [4]
    assert m.status == "failed"


def test_a_journal_folds_the_same_under_another_policy() -> None:
    """Whether to try again was decided once, by whoever saw the failure."""
    old = tasks("t", [Task("a", raise_error, retry=Retry(4, 2.0))])
    first = ChaosDriver(old, {"given": {}})
    while first.machine.failure_counts.get(0, 0) < 2:
        first.step()
    new = tasks("t", [Task("a", raise_error, retry=Retry(1))])
    assert new.plan.structure == old.plan.structure
    again = ChaosDriver(new, {"given": {}}, journal=first.journal, now=first.now)
    m = again.run_to_end()
    assert again.fired_timers == [("a", 4.0)]
    assert m.failure_counts == {0: 3}, "the third failure is judged by the new policy"


def test_attempts_are_numbered_by_failures_alone() -> None:
    attempts: list[int] = []

    def body(context: Context, call: NodeCall) -> None:
        attempts.append(call.attempt)
        if call.attempt < 3:
            raise OSError("again")

    program = tasks("t", [Task("a", body, retry=Retry(5))])
    chaos = ChaosDriver(program, {"given": {}})
    for _ in range(3):
        chaos.restart()
    chaos.run_to_end()
    assert attempts == [1, 2, 3]
    assert chaos.machine.fences == [6]
    assert chaos.machine.crash_counts == {0: 3}


def test_a_deferred_body_is_called_again_at_its_instant() -> None:
    program = tasks("t", [Task("poll", poll_until_ready)])
    chaos = ChaosDriver(program, {"given": {}})
    m = chaos.run_to_end()
    assert chaos.fired_timers == [("poll", 5.0), ("poll", 10.0), ("poll", 15.0)]
    assert m.failure_counts == {}, "a deferral is no failure"
    assert m.fences == [4]


def test_timers_of_siblings_do_not_wait_for_each_other() -> None:
    naps = [Task(f"t{s}", raise_error, retry=Retry(2, float(s))) for s in (9, 3, 6)]
    chaos = ChaosDriver(tasks("t", naps), {"given": {}})
    chaos.run_to_end()
    assert chaos.fired_timers == [("t3", 3.0), ("t6", 6.0), ("t9", 9.0)]


def test_no_timer_rings_while_the_run_is_paused() -> None:
    program = tasks("t", [Task("a", poll_until_ready), Task("b", set_values(b=1), ("a",))])
    chaos = ChaosDriver(program, {"given": {}})
    chaos.step()
    chaos.commit(ev.Paused())
    chaos.now = 60 * SECOND_US
    m = chaos.run_to_end()
    assert (m.status, chaos.fired_timers) == ("paused", [])
    chaos.commit(ev.Resumed())
    assert chaos.run_to_end().status == "completed"
    assert chaos.fired_timers == [("a", 60.0)]


@pytest.mark.parametrize(("retry_at", "kind"), [(0, Execute), (7, StartTimer)])
def test_what_a_failure_leaves_outstanding(retry_at: int, kind: type) -> None:
    case = CASES["tasks: diamond"]
    m = fold(case.program.compiled_plan, [])
    m.apply(ev.Started(case.inputs))
    m.apply(ev.Failed(0, 1, "OSError", "again", Micros(retry_at)))
    assert type(m.todo[0]) is kind
    assert m.errors == {}, "not final"
    if retry_at:
        assert m.todo[0] == StartTimer(0, at=Micros(7))
        m.apply(ev.TimerFired(0))
    assert m.todo[0] == Execute(0, fence=2, attempt=2)


def test_a_resumed_wait_begins_anew() -> None:
    program = steps("nap", [Wait("nap", 30.0)])
    chaos = ChaosDriver(program, {"given": 0})
    chaos.step()
    chaos.step()
    chaos.now = 29 * SECOND_US
    chaos.commit(ev.CancelRequested())
    chaos.now = 100 * SECOND_US
    chaos.commit(ev.Resumed())
    assert chaos.run_to_end().status == "completed"
    assert chaos.fired_timers == [("nap", 130.0)]
    assert sum(isinstance(decode(line), ev.TimerSet) for line in chaos.journal) == 2


def test_each_firing_in_a_loop_has_all_its_attempts() -> None:
    case = CASES["graphs: retries in a loop"]
    score = case.program.compiled_plan.node_index["score"]
    attempts: list[int] = []
    inner = case.program.functions[score]
    assert inner is not None

    def noted(call: NodeCall) -> Any:
        attempts.append(call.attempt)
        return inner(call)

    bodies = list(case.program.functions)
    bodies[score] = noted
    chaos = ChaosDriver(replace(case.program, functions=tuple(bodies)), case.inputs)
    assert chaos.run_to_end().run_counts[score] == 4
    assert attempts == [1, 2, 3] * 4
