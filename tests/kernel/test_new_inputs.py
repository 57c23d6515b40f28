"""Resumed with other inputs: who has read them, and all behind, is done anew; it ends as if they had been the first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from holdwater.kernel import Machine, compile_plan, reset
from holdwater.model import events as ev
from holdwater.model.commands import AwaitChildren, Execute, StartTimer
from holdwater.model.events import Event
from holdwater.model.plan import Plan, PlanNode, Read
from holdwater.model.rules import AllOf, ValuePredicate
from holdwater.model.time import Micros
from tests.kernel.drivers import ChaosDriver, possible_child_events, run_attempt, run_outcome, run_to_end
from tests.kernel.journal import decode, encode, fold, is_same_state
from tests.kernel.programs import CASES, double_input, fail_if_odd, results_or_errors
from tests.kernel.styles.graphs import END, Ask, FanOutNode, Fn, Gate, Interrupt, Part, graph
from tests.kernel.styles.program import FanOutFunctions, Program, Question, Retry
from tests.kernel.test_against_reference import _gate_function, _mixing_function, wild_graphs
from tests.kernel.test_fence import assert_refused
from tests.kernel.test_forking import fork_entries
from tests.kernel.test_retry import FailingProgram
from tests.suite.effort import property_test


def _branches() -> Program:
    """Two inputs, a branch of each, and their join."""
    return graph(
        "branches",
        [
            Fn("a", lambda x: ["a", x], ("x",), ("p",)),
            Fn("b", lambda y: ["b", y], ("y",), ("q",)),
            Fn("join", lambda p, q: [p, q], ("p", "q"), ("z",)),
            Fn("tail", lambda q: ["tail", q], ("q",), ("t",)),
        ],
    )


def _counter() -> Program:
    return graph(
        "counter",
        [
            Fn("inc", lambda n, by: n + by, ("n", "by"), ("n",)),
            Gate("more", lambda n, stop: "inc" if n < stop else END, ("inc", END), ("n", "stop")),
            Fn("after", lambda n: -n, ("n",), ("m",)),
        ],
        entry=["inc"],
    )


def resume_with_inputs(chaos: ChaosDriver, **inputs: Any) -> list[str]:
    """What is executed then."""
    done = len(chaos.executed)
    chaos.commit(ev.Resumed("", inputs))
    chaos.run_to_end()
    return chaos.executed[done:]


# -- who is done anew


@pytest.mark.parametrize(
    ("inputs", "executed"),
    [
        ({"x": 5}, ["a", "join"]),
        ({"y": 5}, ["b", "join", "tail"]),
        ({"x": 5, "y": 6}, ["a", "b", "join", "tail"]),
        ({"x": 1}, ["a", "join"]),  # an equal value is a new value
    ],
)
def test_a_completed_run(inputs: dict[str, Any], executed: list[str]) -> None:
    chaos = ChaosDriver(_branches(), {"x": 1, "y": 2})
    assert chaos.run_to_end().status == "completed"
    fences = list(chaos.machine.fences)
    assert resume_with_inputs(chaos, **inputs) == executed
    again = {chaos.program.compiled_plan.node_index[name] for name in executed}
    assert chaos.machine.fences == [n + (i in again) for i, n in enumerate(fences)], "fences are never taken back"
    assert run_outcome(chaos.program, chaos.machine) == run_outcome(
        chaos.program, run_to_end(chaos.program, {"x": 1, "y": 2} | inputs)
    )
    assert chaos.machine.start_count == 2
    assert is_same_state(fold(chaos.program.compiled_plan, chaos.journal), chaos.machine)


def test_what_nobody_has_is_refused() -> None:
    m = run_to_end(_branches(), {"x": 1, "y": 2})
    assert_refused(m, ev.Resumed())
    assert_refused(m, ev.Resumed("", {"stranger": 1}))
    assert_refused(m, ev.Resumed("", {"x": 1, "stranger": 1}))
    assert_refused(m, ev.Resumed("", {"x": 1}, 0))


def test_a_running_run_is_left_alone() -> None:
    program = _branches()
    m = Machine(program.compiled_plan)
    assert_refused(m, ev.Resumed("", {"x": 1}))
    m.apply(ev.Started({"x": 1, "y": 2}))
    assert_refused(m, ev.Resumed("", {"x": 1}))
    m.apply(ev.CancelRequested())
    assert_refused(m, ev.Resumed("", {"x": 1}))


def test_an_input_nobody_reads_changes_nothing() -> None:
    plan = Plan("deaf", (PlanNode("a", writes=("a",)),), inputs=("x",))
    m = Machine(compile_plan(plan))
    m.apply(ev.Started({"x": 1}))
    m.apply(ev.Succeeded(0, 1, ("v",)))
    m.apply(ev.Resumed("", {"x": 2}))
    assert (m.status, m.run_counts, m.values) == ("completed", [1], [2, "v"])


def test_an_input_that_was_missing() -> None:
    program = _branches()
    chaos = ChaosDriver(program, {"x": 1})
    assert chaos.run_to_end().node_states == ["succeeded", "skipped", "skipped", "skipped"]
    assert resume_with_inputs(chaos, y=2) == ["b", "join", "tail"]
    assert run_outcome(program, chaos.machine) == run_outcome(program, run_to_end(program, {"x": 1, "y": 2}))


def test_a_paused_run() -> None:
    """What is at work on the old input is given up, and its late result refused; the rest goes on."""
    program = _branches()
    chaos = ChaosDriver(program, {"x": 1, "y": 2})
    a, b = chaos.machine.todo[0], chaos.machine.todo[1]
    chaos.commit(ev.Paused())
    chaos.commit(ev.Resumed("", {"x": 5}))
    m = chaos.machine
    assert isinstance(a, Execute)
    assert isinstance(b, Execute)
    late = run_attempt(program, m, a, 0)
    assert_refused(m, late)
    assert m.todo == {1: b, 0: Execute(0, 2, 1)}
    assert m.start_count == 1
    assert run_outcome(program, chaos.run_to_end()) == run_outcome(program, run_to_end(program, {"x": 5, "y": 2}))


def test_a_failed_and_a_cancelled_run() -> None:
    for halt in (True, False):
        ailing = FailingProgram(_branches(), {1: 1})
        chaos = ChaosDriver(ailing.program, {"x": 1, "y": 2})
        if halt:
            chaos.step()
            chaos.commit(ev.CancelRequested())
        chaos.run_to_end()
        assert chaos.machine.node_states[0] == "succeeded"
        ailing.start_count += 1
        assert sorted(resume_with_inputs(chaos, x=5)) == ["a", "b", "join", "tail"]
        assert run_outcome(ailing.program, chaos.machine) == run_outcome(
            ailing.program, run_to_end(_branches(), {"x": 5, "y": 2})
        )


def test_a_failure_that_reads_the_input_has_all_its_attempts_again() -> None:
    program = graph("f", [Fn("a", lambda x: 1 // x, ("x",), ("p",), retry=Retry(2), on_error="fail")])
    chaos = ChaosDriver(program, {"x": 0})
    assert chaos.run_to_end().failure_counts == {0: 2}
    chaos.commit(ev.Resumed("", {"x": 1}))
    assert chaos.machine.todo == {0: Execute(0, 3, 1)}
    assert chaos.run_to_end().status == "completed"


def test_an_ignored_failure_that_reads_the_input_is_tried_again() -> None:
    program = graph("f", [Fn("a", lambda x: 1 // x, ("x",), ("p",), on_error="ignore")])
    chaos = ChaosDriver(program, {"x": 0})
    assert chaos.run_to_end().status == "completed"
    assert resume_with_inputs(chaos, x=1) == ["a"]
    assert chaos.machine.errors == {}


def test_a_rule_over_values_is_asked_again() -> None:
    node = PlanNode("a", ready=AllOf((ValuePredicate("x", "exists"),)), reads=(Read("x", ("x",)),))
    m = Machine(compile_plan(Plan("ruled", (node,), inputs=("x",))))
    m.apply(ev.Started({"x": 1}))
    m.apply(ev.RuleEvaluated(0, (True,)))
    m.apply(ev.Failed(0, 1, "E", "e"))
    m.apply(ev.Resumed("", {"x": 2}))
    assert m.node_states == ["evaluating"]
    m.apply(ev.RuleEvaluated(0, (False,)))
    assert (m.status, m.node_states, m.errors) == ("completed", ["skipped"], {})


# -- what waits


def test_a_question_behind_the_input_is_put_again() -> None:
    program = graph(
        "ask",
        [
            Fn("a", lambda x: x, ("x",), ("p",)),
            Interrupt("who", "q", lambda p: Question(p), ("p",)),
            Ask("plain", "r", ("p",)),
            Interrupt("other", "s", lambda y: Question(y), ("y",)),
        ],
    )
    who, plain, other = 1, 2, 3
    chaos = ChaosDriver(program, {"x": 1, "y": 2})
    assert chaos.run_to_end().pending_inputs == {who: 1, plain: None, other: 2}
    assert chaos.machine.status == "paused"
    chaos.commit(ev.Resumed("", {"x": 5}))
    assert chaos.machine.pending_inputs == {other: 2}
    assert_refused(chaos.machine, ev.InputRequested(who, 1, "late"))
    assert chaos.run_to_end().pending_inputs == {who: 5, plain: None, other: 2}
    for i in (who, plain, other):
        chaos.commit(ev.InputProvided(i, (f"to {i}",)))
    assert chaos.run_to_end().status == "completed"
    chaos.commit(ev.Resumed("", {"y": 3}))
    chaos.run_to_end()
    assert chaos.machine.pending_inputs == {other: 3}, "what was answered is asked again, if it was about the input"


def test_children_of_the_old_input_are_forgotten() -> None:
    program = graph(
        "f",
        [
            FanOutNode(
                "fan", FanOutFunctions(lambda x: [{"n": x}, {"n": 1}], double_input, results_or_errors), ("x",), "all"
            )
        ],
    )
    for moment in ("paused", "resting", "halted"):
        m = Machine(program.compiled_plan)
        m.apply(ev.Started({"x": 1}))
        m.apply(ev.ChildRunsRequested(0, 1, ({"n": 1}, {"n": 1})))
        m.apply(ev.ChildStatusChanged(0, 1, 0, "completed", {"result": 2}))
        if moment == "resting":
            m.apply(ev.ChildStatusChanged(0, 1, 1, "paused"))
        else:
            m.apply(ev.Paused() if moment == "paused" else ev.CancelRequested())
        m.apply(ev.Resumed("", {"x": 5}))
        assert m.todo == {0: Execute(0, 2, 1)}, moment
        assert m.fan_outs == {}
        assert_refused(m, ev.ChildStatusChanged(0, 1, 1, "completed"))
        m.apply(ev.ChildRunsRequested(0, 2, ({"n": 5}, {"n": 1})))
        assert_refused(m, ev.ChildStatusChanged(0, 1, 1, "completed"))
        assert m.todo == {0: AwaitChildren(0, 2)}


def test_a_sleep_on_the_old_input_is_over() -> None:
    for halted in (True, False):
        m = Machine(_branches().compiled_plan)
        m.apply(ev.Started({"x": 1, "y": 2}))
        m.apply(ev.Deferred(0, 1, Micros(99)))
        m.apply(ev.Deferred(1, 1, Micros(77)))
        m.apply(ev.CancelRequested() if halted else ev.Paused())
        m.apply(ev.Resumed("", {"x": 5}))
        assert m.todo == {0: Execute(0, 2, 1), 1: StartTimer(1, at=Micros(77))}


def test_a_halted_sleep_waits_for_the_rest() -> None:
    m = Machine(_branches().compiled_plan)
    m.apply(ev.Started({"x": 1}))
    m.apply(ev.Deferred(0, 1, Micros(99)))
    m.apply(ev.CancelRequested())
    assert (m.status, m.halted_nodes) == ("cancelled", [0])
    m.apply(ev.Resumed())
    assert m.todo == {0: StartTimer(0, at=Micros(99))}
    m.apply(ev.TimerFired(0))
    m.apply(ev.CancelRequested())
    m.apply(ev.Deferred(0, 2, Micros(200)))
    m.apply(ev.Resumed())
    assert m.todo == {0: StartTimer(0, at=Micros(200))}
    m.apply(ev.TimerFired(0))
    m.apply(ev.Failed(0, 3, "E", "e"))
    m.apply(ev.Resumed())
    assert m.todo == {0: Execute(0, 4, 1)}, "who has failed begins at once"


# -- loops


def test_a_loop_goes_on_from_what_it_has_come_to() -> None:
    chaos = ChaosDriver(_counter(), {"n": 0, "by": 1, "stop": 3})
    assert chaos.program.outputs(chaos.run_to_end()) == {"n": 3, "m": -3}
    resume_with_inputs(chaos, stop=5)
    assert chaos.program.outputs(chaos.machine) == {"n": 5, "m": -5}
    assert chaos.machine.run_counts == [2, 2, 1], "turns of the first life do not count"
    resume_with_inputs(chaos, by=10)
    assert chaos.program.outputs(chaos.machine) == {"n": 15, "m": -15}
    resume_with_inputs(chaos, n=1, by=2)
    assert chaos.program.outputs(chaos.machine) == {"n": 5, "m": -5}
    assert is_same_state(fold(chaos.program.compiled_plan, chaos.journal), chaos.machine)


def test_a_loop_behind_a_failure_begins_with_its_seed() -> None:
    ailing = FailingProgram(_counter(), {2: 1}, {2: "fail"})
    chaos = ChaosDriver(ailing.program, {"n": 0, "by": 1, "stop": 3})
    assert chaos.run_to_end().status == "failed"
    ailing.start_count += 1
    resume_with_inputs(chaos, by=2)
    assert ailing.program.outputs(chaos.machine) == {"n": 4, "m": -4}


def test_a_loop_that_failed_in_the_middle_begins_with_its_seed() -> None:
    """Its later turns have read the input too, and one of them is the failure."""
    program = graph(
        "late",
        [
            Fn("inc", lambda n: n + 1, ("n",), ("n",)),
            Fn("log", lambda log, n, by: [*log, n * by], ("log", "n", "by"), ("log",)),
            Gate("more", lambda n, log: "inc" if n < 3 else END, ("inc", END), ("n", "log")),
        ],
        entry=["inc"],
    )
    chaos = ChaosDriver(program, {"n": 0, "by": 1, "log": []})
    log = program.compiled_plan.node_index["log"]
    while chaos.machine.run_counts[log] < 1 or log not in chaos.machine.todo:
        chaos.step()
    chaos.commit(ev.Failed(log, chaos.machine.fences[log], "E", "e"))
    assert chaos.run_to_end().status == "failed"
    resume_with_inputs(chaos, by=2)
    assert program.outputs(chaos.machine)["log"] == [2, 4, 6]
    assert run_outcome(program, chaos.machine) == run_outcome(
        program, run_to_end(program, {"n": 0, "by": 2, "log": []})
    )


def test_a_node_that_feeds_itself_goes_on_from_what_it_has_come_to() -> None:
    program = graph("sum", [Fn("add", lambda total, x: total + x, ("total", "x"), ("total",))])
    chaos = ChaosDriver(program, {"total": 0, "x": 1})
    chaos.run_to_end()
    resume_with_inputs(chaos, x=5)
    assert program.outputs(chaos.machine) == {"total": 6}
    assert chaos.machine.run_counts == [1]
    resume_with_inputs(chaos, total=100)
    assert program.outputs(chaos.machine) == {"total": 105}


def test_a_value_given_for_an_output_stands_in_its_place() -> None:
    chaos = ChaosDriver(_branches(), {"x": 1, "y": 2})
    chaos.run_to_end()
    assert resume_with_inputs(chaos, p="mine") == ["join"]
    assert chaos.program.outputs(chaos.machine)["z"] == ["mine", ["b", 2]]
    assert resume_with_inputs(chaos, x=7) == ["a", "join"]
    assert chaos.program.outputs(chaos.machine)["z"] == [["a", 7], ["b", 2]]


def test_an_interview_goes_on() -> None:
    """Each resumption is another turn of a conversation that remembers what was said."""
    case = CASES["graphs: interrupts in a loop"]
    chaos = ChaosDriver(case.program, case.inputs, case.answers)
    assert case.program.outputs(chaos.run_to_end())["said"] == ["hi", "hm"]
    chaos.commit(ev.Resumed("", {"said": ["new"]}))
    assert chaos.run_to_end().pending_inputs == {0: 1}
    chaos.commit(ev.InputProvided(0, ("bye",)))
    assert case.program.outputs(chaos.run_to_end()) == {"reply": "bye", "said": ["new"]}


# -- generated programs: as if the new inputs had been the first


@st.composite
def acyclic_graphs(draw: st.DrawFn) -> Program:
    """Graphs without loops, of everything there is."""
    known = ["i0", "i1", "i2"]
    parts: list[Part] = []
    for k in range(draw(st.integers(1, 7))):
        params = tuple(draw(st.lists(st.sampled_from(known), min_size=1, max_size=2, unique=True)))
        kind = draw(st.sampled_from(["fn", "fn", "fn", "fan", "gate", "known"]))
        name, out = f"p{k}", f"o{k}"
        match kind:
            case "fn":
                parts.append(
                    Fn(name, _mixing_function(k), params, (out,), on_error=draw(st.sampled_from(["stop", "fail"])))
                )
            case "known":
                parts.append(Interrupt(name, out, _mixing_function(k), params))
            case "fan":
                each = draw(st.sampled_from([double_input, fail_if_odd]))
                children = FanOutFunctions(
                    lambda *seen: [{"n": sum(seen) + j} for j in range(sum(seen) % 4)],
                    each,
                    lambda outcomes: len(str(results_or_errors(outcomes))),
                    draw(st.none() | st.integers(1, 2)),
                    fail_fast=False,
                )
                parts.append(FanOutNode(name, children, params, out))
            case _:
                target = f"t{k}"
                parts.append(Gate(name, _gate_function(k, [[target], [END]]), (target, END), params))
                parts.append(Fn(target, _mixing_function(k), params, (out,)))
        known.append(out)
    return graph("web", draw(st.permutations(parts)))


INPUTS = st.fixed_dictionaries({"i0": st.integers(0, 9), "i1": st.integers(0, 9), "i2": st.integers(0, 9)})
HALTS: list[Event] = [ev.Paused(), ev.CancelRequested()]
CHANGES = st.dictionaries(st.sampled_from(["i0", "i1", "i2"]), st.integers(0, 9), min_size=1)


def _inputs(program: Program, values: dict[str, int]) -> dict[str, int]:
    return {name: value for name, value in values.items() if name in program.plan.inputs}


def _check_same_as_new_run(program: Program, data: st.DataObject) -> None:
    """Changed inputs at any moments: paused, halted, failed or completed."""
    ill = data.draw(st.dictionaries(st.sampled_from(range(len(program.functions))), st.just(1), max_size=2))
    inputs = _inputs(program, data.draw(INPUTS))
    ailing = FailingProgram(program, ill)
    chaos = ChaosDriver(ailing.program, inputs, seed=data.draw(st.integers(0, 99)), crash_probability=0.05)
    compiled_plan = program.compiled_plan
    for _ in range(data.draw(st.integers(1, 3))):
        for _ in range(data.draw(st.integers(0, 30))):
            chaos.step()
        m = chaos.machine
        halt = data.draw(st.sampled_from(HALTS))
        if m.accepts(halt):
            chaos.commit(halt)
        changes = _inputs(program, data.draw(CHANGES))
        if not m.accepts(ev.Resumed("", changes)):
            chaos.run_to_end()
        if not changes:
            break
        inputs = inputs | changes
        before, fences, fired = chaos.machine.status, list(chaos.machine.fences), list(chaos.machine.run_counts)
        ailing.start_count += 1
        chaos.commit(ev.Resumed("", changes))
        m = chaos.machine
        assert all(now >= then for now, then in zip(m.fences, fences, strict=True))
        if before == "completed":
            behind = compiled_plan.descendants([compiled_plan.unit_of[i] for i in compiled_plan.readers(changes)])
            assert [bool(n) for n in m.run_counts] == [
                bool(n and compiled_plan.unit_of[i] not in behind) for i, n in enumerate(fired)
            ], "nothing else is done anew"
    m = chaos.run_to_end()
    while m.status != "completed":  # paused, then failed
        ailing.resume(chaos)
        m = chaos.run_to_end()
    assert run_outcome(program, m) == run_outcome(program, run_to_end(program, inputs))
    assert is_same_state(fold(compiled_plan, chaos.journal), m)
    issued = [(e.node, e.fence) for e in map(decode, chaos.journal) if isinstance(e, ev.Succeeded)]
    assert len(issued) == len(set(issued))
    node = data.draw(st.sampled_from(range(len(program.functions))))
    birth = fork_entries(program, chaos.journal, node)
    fork = ChaosDriver(program, inputs, journal=[encode(e.event) for e in birth], seed=1).run_to_end()
    assert run_outcome(program, fork) == run_outcome(program, m)


@property_test(acyclic_graphs(), st.data(), quick_examples=80, long_examples=6000)
def test_webs(program: Program, data: st.DataObject) -> None:
    _check_same_as_new_run(program, data)


@property_test(wild_graphs(), st.integers(0, 40), st.integers(0, 9), st.data(), quick_examples=80, long_examples=6000)
def test_loops_of_a_cancelled_run(
    drawn: tuple[Program, dict[str, Any]], steps: int, seed: int, data: st.DataObject
) -> None:
    """They begin with their seeds: it is as if the new inputs had been the first."""
    program, inputs = drawn
    chaos = ChaosDriver(program, inputs, seed=seed)
    for _ in range(steps):
        chaos.step()
    if not inputs or not chaos.machine.accepts(ev.CancelRequested()):
        return
    chaos.commit(ev.CancelRequested())
    chaos.run_to_end()
    own = sorted(inputs.keys() - program.plan.aliases.keys())
    some = data.draw(st.lists(st.sampled_from(own), min_size=1, unique=True)) if own else []
    names = data.draw(st.sampled_from([some, list(inputs)])) if some else list(inputs)
    changed = {name: data.draw(st.integers(10, 20)) for name in names}
    chaos.commit(ev.Resumed("", changed))
    m, fresh = chaos.run_to_end(), run_to_end(program, inputs | changed)
    if m.status == fresh.status == "completed":
        assert run_outcome(program, m) == run_outcome(program, fresh)
    assert m.status == fresh.status
    assert is_same_state(fold(program.compiled_plan, chaos.journal), m)


def _small() -> Program:
    children = FanOutFunctions(lambda p: [{"n": p}, {"n": p + 1}], fail_if_odd, results_or_errors, 1, fail_fast=False)
    return graph(
        "small",
        [
            Fn("a", lambda x: x, ("x",), ("p",)),
            FanOutNode("fan", children, ("p",), "q"),
            Interrupt("who", "r", lambda y: Question(y), ("y",)),
            Fn("join", lambda q, r: [q, r], ("q", "r"), ("z",)),
        ],
    )


def test_every_order_with_new_inputs_at_every_moment() -> None:
    """Once, in a run that was paused or cancelled, or rests, or is completed."""
    program = _small()
    start = Machine(program.compiled_plan)
    start.apply(ev.Started({"x": 1, "y": 2}))
    outcomes: set[str] = set()
    seen: set[str] = set()
    stack = [(start, 0, 0)]
    while stack:
        m, given, halted = stack.pop()
        hidden = ("version", "write_count", "given_values", "fences")
        moment = repr(({k: v for k, v in m.snapshot().items() if k not in hidden}, given, halted))
        if moment in seen:
            continue
        seen.add(moment)
        events: list[Event] = []
        for c in m.todo.values():
            if isinstance(c, Execute):
                events.append(run_attempt(program, m, c, 0))
            elif isinstance(c, AwaitChildren):
                events.extend(possible_child_events(program, m, c))
        events.extend(ev.InputProvided(i, ("said",)) for i in m.pending_inputs)
        events.extend(e for e in [ev.Resumed()] if m.accepts(e))
        if not given:
            events.extend(e for e in [ev.Resumed("", {"x": 4})] if m.accepts(e))
        if not halted:
            events.extend(e for e in HALTS if m.accepts(e))
        if not events:
            outcomes.add(str(run_outcome(program, m)))
        for e in events:
            later = Machine.restore(program.compiled_plan, m.snapshot())
            later.apply(e)
            stack.append((later, given + (isinstance(e, ev.Resumed) and bool(e.inputs)), halted + (e in HALTS)))
    assert outcomes == {
        str(run_outcome(program, ChaosDriver(program, {"x": 4, "y": 2}, {"who": ["said"]}).run_to_end()))
    }
    assert len(seen) > 250


# -- forks of such runs


def test_a_fork_has_the_latest_inputs_and_what_was_made_of_them() -> None:
    program = _branches()
    chaos = ChaosDriver(program, {"x": 1, "y": 2})
    chaos.run_to_end()
    resume_with_inputs(chaos, x=5)
    expected = run_outcome(program, chaos.machine)
    birth = fork_entries(program, chaos.journal, program.compiled_plan.node_index["tail"])
    fork = ChaosDriver(program, {}, journal=[encode(e.event) for e in birth])
    assert run_outcome(program, fork.run_to_end()) == expected
    assert fork.executed == ["tail"]


def test_a_fork_behind_a_loop_that_went_on() -> None:
    program = _counter()
    chaos = ChaosDriver(program, {"n": 0, "by": 1, "stop": 3})
    chaos.run_to_end()
    resume_with_inputs(chaos, stop=5)
    expected = run_outcome(program, chaos.machine)
    birth = fork_entries(program, chaos.journal, program.compiled_plan.node_index["after"])
    fork = ChaosDriver(program, {}, journal=[encode(e.event) for e in birth])
    assert run_outcome(program, fork.run_to_end()) == expected
    assert fork.executed == ["after"]


# -- take something away


def test_without_what_a_loop_has_come_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reset, "_keep_loop_state", lambda m, units: None)
    chaos = ChaosDriver(_counter(), {"n": 0, "by": 1, "stop": 3})
    chaos.run_to_end()
    resume_with_inputs(chaos, by=10)
    assert chaos.program.outputs(chaos.machine) == {"n": 10, "m": -10}
