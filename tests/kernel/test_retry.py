"""Failed, cancelled or timed out, then tried again: as if what failed had never failed, and nothing is done twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st

from holdwater.errors import IllegalEvent
from holdwater.kernel import Machine, reset
from holdwater.kernel.compiled_plan import CompiledPlan
from holdwater.model import events as ev
from holdwater.model.commands import AwaitChildren, Evaluate, Execute
from holdwater.model.events import Event
from holdwater.model.plan import OnError
from holdwater.model.rules import AllOf, ValuePredicate
from tests.kernel.drivers import ChaosDriver, evaluate_rule, possible_child_events, run_attempt, run_outcome
from tests.kernel.journal import decode, fold, is_same_state
from tests.kernel.programs import Case, append_value, count_peers, double_input, raise_error, set_values
from tests.kernel.reference import Reference
from tests.kernel.styles.graphs import END, FanOutNode, Fn, Gate, graph
from tests.kernel.styles.program import FanOutFunctions, NodeCall, NodeFunction, Program, Retry, gather_results
from tests.kernel.styles.tasks import Task, failed, tasks
from tests.kernel.test_against_reference import (
    _reference_functions,
    _reference_rule_evaluator,
    dags,
    wild_graphs,
    wild_plans,
)
from tests.suite.effort import property_test


class FailingProgram:
    """A program some of whose bodies fail in the first lives of a run.  `life`: which one it is in, from 0."""

    def __init__(
        self, program: Program, failing_starts: Mapping[int, int], on_error: Mapping[int, OnError] | None = None
    ) -> None:
        """`ill`: node -> number of lives in which it fails."""
        self.start_count = 0
        nodes = tuple(
            replace(n, on_error=(on_error or {}).get(i, n.on_error)) for i, n in enumerate(program.plan.nodes)
        )
        bodies = tuple(
            self._failing_function(body, failing_starts.get(i, 0)) for i, body in enumerate(program.functions)
        )
        self.program = replace(program, plan=replace(program.plan, nodes=nodes), functions=bodies)

    def _failing_function(self, function: NodeFunction | None, failing_starts: int) -> NodeFunction | None:
        if function is None or not failing_starts:
            return function

        def ill(call: NodeCall) -> Any:
            if self.start_count < failing_starts:
                raise OSError("ill")
            return function(call)

        return ill

    def resume(self, chaos: ChaosDriver) -> None:
        self.start_count += 1
        chaos.commit(ev.Resumed())


def _executable_nodes(program: Program) -> list[int]:
    return [i for i, body in enumerate(program.functions) if body is not None]


def _singles(program: Program) -> list[int]:
    compiled_plan = program.compiled_plan
    return [i for i in _executable_nodes(program) if compiled_plan.loop_of[compiled_plan.unit_of[i]] is None]


def _outcome_without_failures(case: Case, on_error: Mapping[int, OnError] | None = None) -> dict[str, Any]:
    """How the program ends when nobody is ill."""
    program = FailingProgram(case.program, {}, on_error).program
    return run_outcome(program, ChaosDriver(program, case.inputs, case.answers).run_to_end())


# -- every program, every body that may fail, every moment the run may be halted at


@pytest.mark.parametrize("on_error", ["fail", "stop"])
def test_whatever_fails_once_has_never_failed(case: Case, on_error: OnError) -> None:
    for i in _executable_nodes(case.program):
        expected = _outcome_without_failures(case, {i: on_error})
        if on_error == "stop" and i in dict(expected["errors"]):
            continue  # it fails by itself and halts the run: how far the others come depends on the order
        for seed in (None, 1, 2):
            ailing = FailingProgram(case.program, {i: 1}, {i: on_error})
            crash = 0.0 if seed is None else 0.1
            chaos = ChaosDriver(ailing.program, case.inputs, case.answers, seed=seed, crash_probability=crash)
            if not chaos.run_to_end().errors.get(i):
                continue  # it is never executed
            assert chaos.machine.status == "failed"
            ailing.resume(chaos)
            assert run_outcome(ailing.program, chaos.run_to_end()) == expected, case.program.plan.nodes[i].name
            assert is_same_state(fold(ailing.program.compiled_plan, chaos.journal), chaos.machine)


@pytest.mark.parametrize("halt", [ev.CancelRequested("enough"), ev.TimedOut("late")], ids=["cancelled", "timed out"])
def test_whatever_failed_before_the_run_was_halted(case: Case, halt: Event) -> None:
    for i in _executable_nodes(case.program):
        expected = _outcome_without_failures(case, {i: "fail"})
        k = 1
        while True:
            ailing = FailingProgram(case.program, {i: 1}, {i: "fail"})
            chaos = ChaosDriver(ailing.program, case.inputs, case.answers, seed=k)
            while len(chaos.journal) < k and chaos.step():
                pass
            if len(chaos.journal) < k:
                break
            if chaos.machine.accepts(halt):
                chaos.commit(halt)
            chaos.run_to_end()
            chaos.restart()
            if chaos.machine.status != "completed":
                ailing.resume(chaos)
                assert run_outcome(ailing.program, chaos.run_to_end()) == expected, f"{i} ill, halted after {k} events"
            k += 1


def test_a_crash_at_any_moment_of_two_lives(case: Case) -> None:
    """At every prefix: the process dies, and a new one goes on from the journal."""
    for i in _executable_nodes(case.program):
        expected = _outcome_without_failures(case, {i: "fail"})
        ailing = FailingProgram(case.program, {i: 1}, {i: "fail"})
        first = ChaosDriver(ailing.program, case.inputs, case.answers, seed=i)
        first.run_to_end()
        if i not in first.machine.errors:
            continue
        ailing.resume(first)
        first.run_to_end()
        for k in range(len(first.journal)):
            ailing.start_count = sum(isinstance(decode(line), ev.Resumed) for line in first.journal[:k])
            again = ChaosDriver(ailing.program, case.inputs, case.answers, journal=first.journal[:k])
            again.run_to_end()
            if not ailing.start_count:
                ailing.resume(again)
                again.run_to_end()
            assert run_outcome(ailing.program, again.machine) == expected, f"{i} ill, restarted after {k} events"


def test_a_snapshot_anywhere_in_two_lives(case: Case) -> None:
    for i in _executable_nodes(case.program):
        ailing = FailingProgram(case.program, {i: 1}, {i: "fail"})
        chaos = ChaosDriver(ailing.program, case.inputs, case.answers, seed=i)
        if chaos.run_to_end().status != "failed":
            continue
        ailing.resume(chaos)
        chaos.run_to_end()
        compiled_plan = ailing.program.compiled_plan
        m = Machine(compiled_plan)
        for k, line in enumerate(chaos.journal):
            taken = m.snapshot()
            m = Machine.restore(compiled_plan, taken)
            assert is_same_state(m, fold(compiled_plan, chaos.journal[:k]))
            m.apply(decode(line))
        assert is_same_state(m, chaos.machine)


# -- every order of small plans, with a cancellation anywhere


def _ruled() -> Program:
    return tasks(
        "ruled",
        [
            Task("a", set_values(x=1)),
            Task("b", append_value("log", "b")),
            Task("tidy", append_value("log", "tidy"), ("a",), failed("a")),
            Task("use", append_value("log", "use"), ("a", "b")),
            Task("sure", count_peers("n"), ("tidy", "use"), AllOf((ValuePredicate("x", "exists"),))),
        ],
    )


def _looped() -> Program:
    """A loop that runs without what may fail, seeded by hand, under a gate that stands outside."""
    return graph(
        "looped",
        [
            Fn("pre", lambda x: x, ("x",), ("p",), on_error="fail"),
            Gate("door", lambda x: "step", ("step", END), ("x",)),
            Fn("step", lambda n, p: n + p, ("n", "p"), ("n",), {"p": 3}),
            Gate("more", lambda n: "step" if n < 9 else END, ("step", END), ("n",)),
            Fn("after", lambda n: -n, ("n",), ("z",)),
        ],
        entry=["step"],
    )


def _fan_out() -> Program:
    return graph(
        "spread",
        [
            Fn("start", lambda x: x, ("x",), ("n",), on_error="fail"),
            FanOutNode(
                "fan",
                FanOutFunctions(lambda x: [{"n": x}, {"n": x + 1}], double_input, gather_results, 1),
                ("x",),
                "all",
            ),
            FanOutNode(
                "next", FanOutFunctions(lambda n, all: [{"n": n}], double_input, gather_results), ("n", "all"), "more"
            ),
        ],
    )


def _every_order(ailing: FailingProgram, inputs: dict[str, Any], cancels: int, pauses: int = 0) -> tuple[set[str], int]:
    """The final outcomes of all orders, with as many cancellations and pauses anywhere, and how many moments."""
    program = ailing.program
    start = Machine(program.compiled_plan)
    start.apply(ev.Started(inputs))
    outcomes: set[str] = set()
    seen: set[str] = set()
    stack = [(start, cancels, pauses)]
    while stack:
        m, left, rests = stack.pop()
        hidden = ("version", "write_count", "given_values")
        moment = repr(({k: v for k, v in m.snapshot().items() if k not in hidden}, left, rests))
        if moment in seen:
            continue
        seen.add(moment)
        ailing.start_count = m.start_count - 1
        events: list[Event] = []
        for c in m.todo.values():
            if isinstance(c, Execute):
                events.append(run_attempt(program, m, c, 0))
                if m.halted:
                    events.append(ev.Cancelled(c.node, c.fence))
            elif isinstance(c, Evaluate):
                events.append(evaluate_rule(program, m, c))
            elif isinstance(c, AwaitChildren):
                events.extend(possible_child_events(program, m, c))
            else:
                events.append(ev.TimerFired(c.node))
        if m.accepts(ev.Resumed()):
            events.append(ev.Resumed())
        nexts = [(e, left, rests) for e in events]
        if left and m.accepts(ev.CancelRequested()):
            nexts.append((ev.CancelRequested(), left - 1, rests))
        if rests and m.accepts(ev.Paused()):
            nexts.append((ev.Paused(), left, rests - 1))
        if not nexts:
            outcomes.add(json.dumps(run_outcome(program, m)))
        for e, *counts in nexts:
            later = Machine.restore(program.compiled_plan, m.snapshot())
            later.apply(e)
            stack.append((later, counts[0], counts[1]))
    return outcomes, len(seen)


@pytest.mark.parametrize(
    ("program", "inputs", "ill"),
    [
        (_ruled(), {"given": {}}, {0: 1}),
        (_ruled(), {"given": {}}, {0: 2, 1: 1}),
        (_ruled(), {"given": {}}, {0: 1, 2: 1}),
        (_looped(), {"x": 1, "n": 0}, {0: 1}),
        (_looped(), {"x": 1, "n": 0}, {0: 1, 2: 1}),
        (_fan_out(), {"x": 1}, {0: 1}),
        (_fan_out(), {"x": 1}, {1: 1}),
    ],
    ids=["one", "two", "a cleanup too", "before a loop", "in the loop too", "before a fan", "a fan"],
)
def test_every_order_has_one_outcome(program: Program, inputs: dict[str, Any], ill: dict[int, int]) -> None:
    expected = json.dumps(run_outcome(program, ChaosDriver(program, inputs).run_to_end()))
    outcomes, moments = _every_order(FailingProgram(program, ill), inputs, cancels=1, pauses=1)
    assert outcomes == {expected}
    assert moments > 40


# -- generated plans, against the reference


def _check_agreement(failing: FailingProgram, inputs: dict[str, Any], seed: int, starts: int) -> None:
    program = failing.program
    reference = Reference(program.plan, inputs, _reference_functions(program), _reference_rule_evaluator(program))
    chaos = ChaosDriver(program, inputs, seed=seed, crash_probability=0.05)
    names = [n.name for n in program.plan.nodes]
    told = 0
    for _ in range(starts + 1):
        m = chaos.run_to_end()
        if reference.status == "halted":  # a loop used up its iterations
            return
        events = [decode(line) for line in chaos.journal[told:]]
        done = {names[e.node] for e in events if isinstance(e, ev.Succeeded | ev.Failed)}
        assert done == set(reference.executed), "what is kept was done again, or what is not was not"
        assert dict(zip(names, m.node_states, strict=True)) == reference.node_states
        assert dict(zip(names, m.run_counts, strict=True)) == reference.run_counts
        assert m.status == reference.status
        values = {
            c: m.values[i]
            for c, i in m.compiled_plan.cell_index.items()
            if m.versions[i] and c not in program.plan.aliases
        }
        assert values == {c: value for c, (_, value) in reference.cells.items()}
        assert is_same_state(fold(program.compiled_plan, chaos.journal), m)
        assert sorted(m.fences) >= sorted(m.run_counts)
        if m.status == "completed":
            assert not m.accepts(ev.Resumed())
            return
        told = len(chaos.journal)
        fences = list(m.fences)
        failing.resume(chaos)
        assert all(now >= then for now, then in zip(chaos.machine.fences, fences, strict=True))
        reference = reference.retry(_reference_functions(program))
    raise AssertionError("it never recovers")


@st.composite
def failing_programs(draw: st.DrawFn, programs: st.SearchStrategy[Any]) -> tuple[FailingProgram, dict[str, Any]]:
    """A generated program with bodies outside of loops that fail in the first lives."""
    drawn = draw(programs)
    program, inputs = drawn if isinstance(drawn, tuple) else (drawn, {"given": {}})
    healed = tuple(_without_own_failures(body, program.plan.style) for body in program.functions)
    program = replace(program, functions=healed)
    singles = _singles(program)
    which = draw(st.lists(st.sampled_from(singles), max_size=3, unique=True)) if singles else []
    ill = {i: draw(st.integers(1, 3)) for i in which}
    on_error: dict[int, OnError] = {i: draw(st.sampled_from(["fail", "fail", "fail", "ignore"])) for i in which}
    return FailingProgram(program, ill, on_error), inputs


def _without_own_failures(function: NodeFunction | None, style: str) -> NodeFunction | None:
    """The generated tasks fail by themselves: here, only on their first attempts."""
    if function is None or style != "tasks":
        return function
    return lambda call: function(replace(call, attempt=99))


@property_test(failing_programs(dags()), st.integers(0, 9), quick_examples=60, long_examples=5000)
def test_dags(drawn: tuple[FailingProgram, dict[str, Any]], seed: int) -> None:
    _check_agreement(*drawn, seed, 4)


@property_test(failing_programs(wild_graphs()), st.integers(0, 9), quick_examples=60, long_examples=5000)
def test_graphs(drawn: tuple[FailingProgram, dict[str, Any]], seed: int) -> None:
    _check_agreement(*drawn, seed, 4)


@property_test(failing_programs(wild_plans()), st.integers(0, 9), quick_examples=60, long_examples=5000)
def test_plans(drawn: tuple[FailingProgram, dict[str, Any]], seed: int) -> None:
    _check_agreement(*drawn, seed, 4)


# -- examples


def _resume_after_failure(program: Program, failing_nodes: Iterable[int] = ()) -> tuple[FailingProgram, ChaosDriver]:
    ailing = FailingProgram(program, dict.fromkeys(failing_nodes, 1))
    chaos = ChaosDriver(ailing.program, {"given": {}})
    chaos.run_to_end()
    return ailing, chaos


def test_a_retried_task_has_all_its_attempts_again_and_a_new_fence() -> None:
    program = tasks("t", [Task("a", raise_error, retry=Retry(3))])
    _, chaos = _resume_after_failure(program)
    m = chaos.machine
    assert (m.status, m.failure_counts) == ("failed", {0: 3})
    chaos.commit(ev.Resumed())
    assert m.todo == {0: Execute(0, fence=4, attempt=1)}
    assert not m.accepts(ev.Succeeded(0, 3, ({},))), "a zombie of the first life"
    assert m.start_count == 2


def test_what_ran_because_of_the_failure_is_taken_back() -> None:
    program = tasks("t", [Task("a", set_values(a=1)), Task("tidy", set_values(tidied=1), ("a",), failed("a"))])
    ailing, chaos = _resume_after_failure(program, [0])
    assert chaos.machine.node_states == ["failed", "succeeded"]
    assert program.outputs(chaos.machine) == {"tidied": 1}
    ailing.resume(chaos)
    assert chaos.machine.node_states == ["issued", "waiting"]
    assert program.outputs(chaos.machine) == {}
    assert chaos.run_to_end().node_states == ["succeeded", "skipped"]
    assert program.outputs(chaos.machine) == {"a": 1}


def test_an_ignored_failure_stands() -> None:
    program = tasks(
        "t",
        [
            Task("a", raise_error, on_error="ignore"),
            Task("b", set_values(b=1), ("a",), failed("a")),
            Task("c", set_values(c=1)),
        ],
    )
    ailing, chaos = _resume_after_failure(program, [2])
    assert chaos.machine.status == "failed"
    told = len(chaos.executed)
    ailing.resume(chaos)
    assert chaos.run_to_end().status == "completed"
    assert chaos.executed[told:] == ["c"]
    with pytest.raises(IllegalEvent):
        chaos.machine.apply(ev.Resumed())


def test_a_poison_pill_gets_its_lives_back() -> None:
    program = tasks("t", [Task("a", set_values(a=1)), Task("b", set_values(b=1), on_error="stop")])
    m = Machine(program.compiled_plan)
    m.apply(ev.Started({"given": {}}))
    for i in (0, 1):
        m.apply(ev.AttemptLost(i, 1))
        m.apply(ev.Failed(i, 2, "CRASHED", "died too often"))
    assert m.crash_counts == {0: 1, 1: 1}
    m.apply(ev.Resumed())
    assert m.crash_counts == {}
    assert m.todo.keys() == {0, 1}


def test_a_run_that_ends_while_it_is_paused_is_tried_again() -> None:
    program = tasks("t", [Task("a", raise_error), Task("b", set_values(b=1), ("a",))])
    m = Machine(program.compiled_plan)
    m.apply(ev.Started({"given": {}}))
    m.apply(ev.Paused())
    m.apply(ev.Failed(0, 1, "E", "e"))
    assert m.ended
    m.apply(ev.Resumed())
    assert not m.suspended
    assert m.todo.keys() == {0}


def test_a_failure_behind_a_failure_waits_for_it() -> None:
    program = tasks("t", [Task("a", set_values(a=1)), Task("tidy", set_values(t=1), ("a",), AllOf())])
    ailing, chaos = _resume_after_failure(program, [0, 1])
    assert chaos.machine.node_states == ["failed", "failed"]
    ailing.resume(chaos)
    assert chaos.machine.todo.keys() == {0}
    assert chaos.run_to_end().status == "completed"


# -- take one part of it away


def _check_recovery(case: Case, failing_starts: dict[int, int]) -> bool:
    expected = _outcome_without_failures(case)
    for seed in range(6):
        ailing = FailingProgram(case.program, failing_starts)
        chaos = ChaosDriver(ailing.program, case.inputs, case.answers, seed=seed)
        chaos.run_to_end()
        try:
            ailing.resume(chaos)
            if run_outcome(ailing.program, chaos.run_to_end()) != expected:
                return False
        except (AssertionError, KeyError, IndexError):
            return False
    return True


ABLATIONS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "dependents stay": (CompiledPlan, "descendants", lambda self, units: set(units)),
    "nothing is taken back": (reset, "_reset_node", lambda m, i: None),
    "nothing goes back": (reset, "_reset_nodes", lambda m, anew, **how: []),
}


@pytest.mark.parametrize("what", ABLATIONS)
def test_without_it_nothing_heals(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(_ruled(), {"given": {}})
    assert _check_recovery(case, {0: 1})
    monkeypatch.setattr(*ABLATIONS[what])
    assert not _check_recovery(case, {0: 1})


def test_without_the_seed_of_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop begins with what was given, though it stands in a cell that the loop itself has written over."""
    case = Case(_looped(), {"x": 1, "n": 0})
    assert _check_recovery(case, {0: 1})
    forget = reset._reset_node

    def forget_all(m: Machine, i: int) -> None:
        m.given_values.clear()
        forget(m, i)

    monkeypatch.setattr(reset, "_reset_node", forget_all)
    assert not _check_recovery(case, {0: 1})


def test_without_the_decision_a_loop_has_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate that stands outside the loop does not decide again."""
    program = graph(
        "door",
        [
            Fn("pre", lambda x: x, ("x",), ("p",), on_error="fail"),
            Gate("door", lambda x: "step", ("step", END), ("x",), default_open=False),
            Fn("step", lambda n, p: n + p, ("n", "p"), ("n2",), {"p": 3}),
            Fn("back", lambda n2: n2, ("n2",), ("n",)),
            Gate("more", lambda n2: "back" if n2 < 9 else END, ("back", END), ("n2",), default_open=False),
        ],
        entry=[],
    )
    case = Case(program, {"x": 1, "n": 0})
    assert _outcome_without_failures(case)["fired"][2]
    assert _check_recovery(case, {0: 1})
    forget = reset._reset_node

    def forget_the_spent(m: Machine, i: int) -> None:
        m.consumed_gates.clear()
        forget(m, i)

    monkeypatch.setattr(reset, "_reset_node", forget_the_spent)
    assert not _check_recovery(case, {0: 1})
