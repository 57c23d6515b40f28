"""Bodies that ask: they put the question themselves, or know the answer, or have it before they were called."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from holdwater.kernel import Machine, compile_plan
from holdwater.model import events as ev
from holdwater.model.commands import Execute
from holdwater.model.plan import Plan, PlanNode
from holdwater.model.time import Micros
from tests.kernel.drivers import ChaosDriver, run_attempt, run_outcome, run_to_end
from tests.kernel.programs import CASES
from tests.kernel.styles.graphs import END, Fn, Gate, Interrupt, graph
from tests.kernel.styles.program import Program, Question
from tests.kernel.test_fence import assert_refused


def start_interrupt_run() -> Machine:
    m = Machine(compile_plan(Plan("one", (PlanNode("who", kind="interrupt", writes=("who",)),))))
    m.apply(ev.Started({}))
    return m


def status(m: Machine) -> str:
    return m.status


def test_a_question_is_put_and_answered() -> None:
    m = start_interrupt_run()
    assert m.todo == {0: Execute(0, 1, 1)}
    m.apply(ev.InputRequested(0, 1, "who?"))
    assert (status(m), m.pending_inputs, m.todo) == ("paused", {0: "who?"}, {})
    assert_refused(m, ev.InputRequested(0, 1, "who?"))
    assert_refused(m, ev.Succeeded(0, 1, ("late",)))
    m.apply(ev.InputProvided(0, ("ann",)))
    assert (status(m), m.pending_inputs, m.values) == ("completed", {}, ["ann"])


def test_a_body_that_knows_asks_nobody() -> None:
    m = start_interrupt_run()
    m.apply(ev.Succeeded(0, 1, ("known",)))
    assert (m.status, m.pending_inputs) == ("completed", {})


def test_an_answer_before_the_question_is_kept() -> None:
    m = start_interrupt_run()
    m.apply(ev.InputProvided(0, ("early",)))
    assert_refused(m, ev.InputProvided(0, ("doubled",)))
    m.apply(ev.InputRequested(0, 1, "who?"))
    assert (m.status, m.pending_inputs, m.values) == ("completed", {}, ["early"])


def test_with_an_answer_the_body_is_not_called() -> None:
    case = CASES["graphs: interrupts"]
    legal, brand = (case.program.compiled_plan.node_index[n] for n in ("legal", "brand"))
    chaos = ChaosDriver(case.program, case.inputs)
    chaos.commit(ev.InputProvided(legal, ("early",)))
    chaos.run_to_end()
    assert "legal" not in chaos.executed
    assert chaos.machine.pending_inputs == {brand: ["brand", "about t"]}
    assert_refused(chaos.machine, ev.InputProvided(legal, ("late",)))
    chaos.commit(ev.InputProvided(brand, ("b",)))
    assert chaos.run_to_end().status == "completed"
    assert case.program.outputs(chaos.machine)["url"] == ["about t", "early", "b", "known: about t"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_several_at_once_are_answered_in_any_order(order: tuple[int, ...]) -> None:
    names = ["a", "b", "c"]
    parts = [Interrupt(n, f"of {n}", lambda x, n=n: Question([n, x]), ("x",)) for n in names]
    program = graph("three", [*parts, Fn("join", lambda *seen: list(seen), ("of a", "of b", "of c"), ("z",))])
    chaos = ChaosDriver(program, {"x": 1})
    chaos.run_to_end()
    assert chaos.machine.pending_inputs == {k: [n, 1] for k, n in enumerate(names)}
    for k in order:
        assert status(chaos.machine) == "paused"
        chaos.commit(ev.InputProvided(k, (f"to {names[k]}",)))
        chaos.run_to_end()
    assert status(chaos.machine) == "completed"
    assert program.outputs(chaos.machine)["z"] == ["to a", "to b", "to c"]


def test_in_a_loop_it_asks_again_each_turn() -> None:
    case = CASES["graphs: interrupts in a loop"]
    person = case.program.compiled_plan.node_index["person"]
    chaos = ChaosDriver(case.program, case.inputs)
    for k, word in enumerate(("hi", "hm", "bye")):
        assert chaos.run_to_end().pending_inputs == {person: k}, "it shows how much was said"
        chaos.commit(ev.InputProvided(person, (word,)))
    assert chaos.run_to_end().status == "completed"
    assert chaos.executed.count("person") == 3
    assert case.program.outputs(chaos.machine) == {"reply": "bye", "said": ["hi", "hm"]}


def test_in_a_loop_it_asks_only_when_it_does_not_know() -> None:
    program = graph(
        "guess",
        [
            Interrupt("ask", "word", lambda n: f"word {n}" if n % 2 else Question(n), ("n",)),
            Fn("count", lambda n, word: n + 1, ("n", "word"), ("n",)),
            Gate("again", lambda n: "ask" if n < 5 else END, ("ask", END), ("n",)),
        ],
        entry=["ask"],
    )
    m = run_to_end(program, {"n": 1})
    asked: list[Any] = []
    while m.pending_inputs:
        asked += m.pending_inputs.values()
        m.apply(ev.InputProvided(0, ("said",)))
        while m.todo:
            i = next(iter(m.todo))
            m.apply(_run_attempt(program, m, i))
    assert asked == [2, 4]
    assert m.status == "completed"


def _run_attempt(program: Program, m: Machine, i: int) -> Any:
    command = m.todo[i]
    assert isinstance(command, Execute)
    return run_attempt(program, m, command, 0)


@pytest.mark.parametrize("early", [False, True])
def test_a_halt_while_it_is_asked(early: bool) -> None:
    """It asks anew when the run is resumed: what it shows may have changed."""
    m = start_interrupt_run()
    m.apply(ev.InputRequested(0, 1, "who?"))
    m.apply(ev.CancelRequested())
    assert (m.status, m.halted_nodes, m.pending_inputs) == ("cancelled", [0], {})
    assert_refused(m, ev.InputProvided(0, ("late",)))
    m.apply(ev.Resumed())
    assert m.todo == {0: Execute(0, 2, 1)}
    assert_refused(m, ev.InputRequested(0, 1, "who?"))
    if early:
        m.apply(ev.InputProvided(0, ("ann",)))
    m.apply(ev.InputRequested(0, 2, "who now?"))
    assert m.pending_inputs == ({} if early else {0: "who now?"})


def test_who_asks_in_a_run_that_has_halted_asks_later() -> None:
    m = start_interrupt_run()
    m.apply(ev.CancelRequested())
    m.apply(ev.InputProvided(0, ("meanwhile",)))
    m.apply(ev.InputRequested(0, 1, "who?"))
    assert (m.status, m.pending_inputs, m.halted_nodes) == ("cancelled", {}, [0])
    m.apply(ev.Resumed())
    assert (m.status, m.values) == ("completed", ["meanwhile"])


def test_it_may_fail_and_be_tried_again_and_sleep_and_die() -> None:
    m = start_interrupt_run()
    m.apply(ev.Failed(0, 1, "E", "e", Micros(0)))
    m.apply(ev.AttemptLost(0, 2))
    m.apply(ev.Deferred(0, 3, Micros(99)))
    m.apply(ev.TimerFired(0))
    m.apply(ev.InputRequested(0, 4, "who?"))
    m.apply(ev.CancelRequested())
    m.apply(ev.Resumed())
    assert m.todo == {0: Execute(0, 5, 1)}, "the deferral was over"


def test_a_question_does_not_stop_what_runs_beside_it() -> None:
    case = CASES["graphs: interrupts"]
    expected = run_outcome(case.program, ChaosDriver(case.program, case.inputs, case.answers).run_to_end())
    chaos = ChaosDriver(case.program, case.inputs, case.answers)
    chaos.step()
    legal = case.program.compiled_plan.node_index["legal"]
    chaos.advance_node(legal)
    assert chaos.machine.pending_inputs.keys() == {legal}
    assert chaos.machine.status == "running"
    assert run_outcome(case.program, chaos.run_to_end()) == expected
