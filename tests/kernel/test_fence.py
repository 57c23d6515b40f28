"""Late, doubled and foreign events are refused before anything changes."""

from __future__ import annotations

import pytest

from holdwater.errors import IllegalEvent
from holdwater.kernel import Machine
from holdwater.model import events as ev
from holdwater.model.events import Event
from holdwater.model.time import Micros
from tests.kernel.drivers import ChaosDriver
from tests.kernel.journal import decode
from tests.kernel.programs import CASES, Case

ACCEPTED_ONCE = (
    ev.Started,
    ev.Succeeded,
    ev.Failed,
    ev.AttemptLost,
    ev.Deferred,
    ev.InputRequested,
    ev.ChildRunsRequested,
)
REPEATABLE = (ev.InputProvided, ev.Paused, ev.Resumed)


def assert_refused(m: Machine, e: Event) -> None:
    before, fresh = m.snapshot(), list(m.new_commands)
    assert not m.accepts(e), f"{e} is accepted"
    with pytest.raises(IllegalEvent):
        m.apply(e)
    assert m.snapshot() == before
    assert m.new_commands == fresh


def test_no_event_is_taken_twice(case: Case) -> None:
    chaos = ChaosDriver(case.program, case.inputs, case.answers, seed=2, crash_probability=0.15)
    chaos.run_to_end()
    m = Machine(case.program.compiled_plan)
    past: list[Event] = []
    for line in chaos.journal:
        e = decode(line)
        m.apply(e)
        past.append(e)
        if not isinstance(e, REPEATABLE):
            assert_refused(m, e)
        for old in past:  # nor ever later: the fence is unique in the run
            if isinstance(old, ACCEPTED_ONCE):
                assert not m.accepts(old)


def test_what_was_never_issued_is_refused_everywhere(case: Case) -> None:
    chaos = ChaosDriver(case.program, case.inputs, case.answers)
    chaos.run_to_end()
    m = Machine(case.program.compiled_plan)
    nodes = len(case.program.plan.nodes)
    for line in ["", *chaos.journal]:
        if line:
            m.apply(decode(line))
        for i in (-1, nodes, 10**9, *range(nodes)):
            fence = m.fences[i] if i in range(nodes) else 1
            for wrong in (fence - 1, fence + 1):
                assert not m.accepts(ev.Succeeded(i, wrong, (1,)))
                assert not m.accepts(ev.Failed(i, wrong, "E", "e"))
                assert not m.accepts(ev.AttemptLost(i, wrong))
                assert not m.accepts(ev.Deferred(i, wrong, Micros(1)))
                assert not m.accepts(ev.Cancelled(i, wrong))
            if i not in m.todo:
                for e in (
                    ev.RuleEvaluated(i, ()),
                    ev.TimerFired(i),
                    ev.TimerSet(i, Micros(5)),
                    ev.Succeeded(i, fence),
                    ev.Cancelled(i, fence),
                ):
                    assert_refused(m, e)
        assert_refused(m, ev.InputProvided(-1, (1,)))
        assert_refused(m, ev.InputProvided(nodes, (1,)))


def test_an_ended_run_takes_nothing(case: Case) -> None:
    m = ChaosDriver(case.program, case.inputs, case.answers).run_to_end()
    events: list[Event] = [ev.Started(case.inputs), ev.Succeeded(0, m.fences[0]), ev.InputProvided(1, (1,))]
    events += [ev.CancelRequested(), ev.TimedOut("x"), ev.Paused(), ev.InputsOverridden(0, 1)]
    for e in events:
        assert_refused(m, e)
    assert m.accepts(ev.Resumed()) == (m.status != "completed")


def test_data_is_edited_before_the_run_begins_or_never(case: Case) -> None:
    m = Machine(case.program.compiled_plan)
    assert_refused(m, ev.InputsOverridden(-1, 1))
    assert_refused(m, ev.InputsOverridden(len(case.program.plan.nodes), 1))
    m.apply(ev.InputsOverridden(0, 1))
    assert m.status == "new"
    assert_refused(m, ev.InputsOverridden(0, 2))
    m.apply(ev.Started(case.inputs))
    assert_refused(m, ev.InputsOverridden(len(case.program.plan.nodes) - 1, 1))
    assert m.overrides == {0: 1}


def test_nothing_happens_to_a_run_that_has_not_started() -> None:
    for case in CASES.values():
        nodes = case.program.plan.nodes
        early: list[Event] = [ev.CancelRequested(), ev.TimedOut("x"), ev.Paused(), ev.Resumed(), ev.Succeeded(0, 1)]
        for e in early + [ev.InputProvided(i, (1,)) for i, n in enumerate(nodes) if n.kind in ("ask", "interrupt")]:
            assert_refused(Machine(case.program.compiled_plan), e)


def test_an_input_the_plan_does_not_have_is_refused() -> None:
    m = Machine(CASES["tasks: diamond"].program.compiled_plan)
    assert_refused(m, ev.Started({"given": {}, "stranger": 1}))


def test_the_wrong_number_of_truths_is_refused() -> None:
    case = CASES["tasks: rules, high"]
    m = Machine(case.program.compiled_plan)
    m.apply(ev.Started(case.inputs))
    m.apply(ev.Succeeded(0, 1, ({"set": {"a": 9}, "append": {}, "drop": []},)))
    assert_refused(m, ev.RuleEvaluated(1, ()))
    assert_refused(m, ev.RuleEvaluated(1, (True, True)))
    m.apply(ev.RuleEvaluated(1, (True,)))
    assert_refused(m, ev.RuleEvaluated(1, (True,)))


def test_a_timer_is_set_once() -> None:
    case = CASES["steps: then"]
    chaos = ChaosDriver(case.program, case.inputs)
    while not any(isinstance(decode(line), ev.TimerSet) for line in chaos.journal):
        chaos.step()
    nap = case.program.compiled_plan.node_index["nap"]
    assert_refused(chaos.machine, ev.TimerSet(nap, Micros(99_000_000)))
    assert_refused(chaos.machine, ev.TimerSet(nap, Micros(30_000_000)))


def test_a_question_is_answered_once_outside_a_loop() -> None:
    case = CASES["graphs: two questions"]
    legal, brand = (case.program.compiled_plan.node_index[n] for n in ("legal", "brand"))
    chaos = ChaosDriver(case.program, case.inputs)
    chaos.commit(ev.InputProvided(legal, ("early",)))
    assert_refused(chaos.machine, ev.InputProvided(legal, ("doubled",)))
    chaos.run_to_end()
    assert chaos.machine.status == "paused"
    assert_refused(chaos.machine, ev.InputProvided(legal, ("late",)))
    assert_refused(chaos.machine, ev.InputProvided(0, ("no question",)))
    chaos.commit(ev.InputProvided(brand, ("b",)))
    assert_refused(chaos.machine, ev.InputProvided(brand, ("late",)))
    m = chaos.run_to_end()
    assert m.status == "completed"
    assert case.program.outputs(m)["url"] == ["about t", "early", "b"]


def test_a_cancelled_attempt_needs_a_halted_run() -> None:
    case = CASES["tasks: peers"]
    m = Machine(case.program.compiled_plan)
    m.apply(ev.Started(case.inputs))
    assert_refused(m, ev.Cancelled(0, 1))
    m.apply(ev.CancelRequested())
    assert_refused(m, ev.CancelRequested())
    assert_refused(m, ev.TimedOut("x"))
    assert_refused(m, ev.Paused())
    m.apply(ev.Cancelled(0, 1))
    assert m.status == "cancelled"


def test_a_zombie_is_refused_and_its_successor_is_not() -> None:
    case = CASES["tasks: diamond"]
    m = Machine(case.program.compiled_plan)
    m.apply(ev.Started(case.inputs))
    m.apply(ev.AttemptLost(0, 1))
    assert_refused(m, ev.Succeeded(0, 1, ({},)))
    m.apply(ev.Succeeded(0, 2, ({},)))
    assert_refused(m, ev.Succeeded(0, 2, ({},)))
