"""Children of a node: how many at once, what a failure stops, who runs again, and whose news are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st

from holdwater.kernel import Machine, compile_plan, fanout
from holdwater.kernel.machine_state import FanOut
from holdwater.model import events as ev
from holdwater.model.commands import AwaitChildren, Execute, StartTimer
from holdwater.model.events import Event
from holdwater.model.fanout import ChildResult
from holdwater.model.plan import OnError, Plan, PlanNode
from holdwater.model.time import Micros
from tests.kernel.drivers import ChaosDriver, run_outcome
from tests.kernel.journal import decode, fold, is_same_state
from tests.kernel.programs import CASES, double_input, fail_if_odd, results_or_errors
from tests.kernel.styles.graphs import FanOutNode, Fn, graph
from tests.kernel.styles.program import FanOutFunctions, Program, Retry, gather_results
from tests.kernel.test_fence import assert_refused
from tests.kernel.test_snapshots import Opaque
from tests.suite.effort import property_test


def start_fan_out_run(on_error: OnError = "stop", beside: bool = False) -> Machine:
    """A run whose only node, or one of two, is a fan that is about to ask for children."""
    nodes = [PlanNode("fan", kind="fan_out", writes=("all",), on_error=on_error)]
    nodes += [PlanNode("beside", writes=("b",), on_error="stop")] if beside else []
    m = Machine(compile_plan(Plan("family", tuple(nodes))))
    m.apply(ev.Started({}))
    return m


def request_children(m: Machine, count: int, max_concurrency: int | None = None, *, fail_fast: bool = True) -> int:
    """The fan asks for children.  Returns their turn."""
    turn = m.fences[0]
    m.apply(ev.ChildRunsRequested(0, turn, tuple({"n": k} for k in range(count)), max_concurrency, fail_fast))
    return turn


def child_status_changed(m: Machine, index: int, status: str, **kw: Any) -> ev.ChildStatusChanged:
    e = ev.ChildStatusChanged(0, m.fan_outs[0].generation, index, status, **kw)
    m.apply(e)
    return e


def status(m: Machine) -> str:
    return m.status


def states(m: Machine) -> Sequence[str]:
    return m.fan_outs[0].statuses


# -- width, stopping, results


def test_no_more_run_at_once_than_there_is_room_for() -> None:
    m = start_fan_out_run()
    request_children(m, 4, max_concurrency=2)
    assert states(m) == ["running", "running", "waiting", "waiting"]
    assert type(m.todo[0]) is AwaitChildren
    child_status_changed(m, 1, "completed")
    assert states(m) == ["running", "completed", "running", "waiting"]
    child_status_changed(m, 0, "paused")
    assert states(m) == ["paused", "completed", "running", "running"], "who rests leaves room"
    child_status_changed(m, 2, "failed")
    child_status_changed(m, 3, "completed")
    assert type(m.todo[0]) is AwaitChildren, "one of them still lives"
    child_status_changed(m, 0, "completed")
    assert m.todo == {0: Execute(0, 2, 1)}


@pytest.mark.parametrize(("stop", "then"), [(True, "waiting"), (False, "running")])
@pytest.mark.parametrize("how", ["failed", "cancelled"])
def test_after_a_failure(how: str, stop: bool, then: str) -> None:
    m = start_fan_out_run()
    request_children(m, 3, max_concurrency=2, fail_fast=stop)
    child_status_changed(m, 0, how, error="why")
    assert states(m) == [how, "running", then]
    child_status_changed(m, 1, "completed", values={"result": 1})
    if not stop:
        child_status_changed(m, 2, "completed", values={"result": 2})
    assert m.fan_outs[0].results() == (
        ChildResult(how, {}, "why"),  # type: ignore[arg-type]
        ChildResult("completed", {"result": 1}),
        None if stop else ChildResult("completed", {"result": 2}),
    )
    assert m.todo == {0: Execute(0, 2, 1)}


def test_nobody_to_wait_for() -> None:
    m = start_fan_out_run()
    request_children(m, 0)
    assert m.todo == {0: Execute(0, 2, 1)}
    assert m.fan_outs[0].results() == ()
    m.apply(ev.Succeeded(0, 2, ([],)))
    assert m.status == "completed"
    assert m.fan_outs == {}


def test_results_stand_in_the_order_of_the_children() -> None:
    m = start_fan_out_run()
    request_children(m, 3)
    for k in (2, 0, 1):
        child_status_changed(m, k, "completed", values={"result": k})
    assert [o.values["result"] for o in m.fan_outs[0].results() if o] == [0, 1, 2]


def test_a_body_may_ask_again_for_others() -> None:
    m = start_fan_out_run()
    first = request_children(m, 1)
    late = child_status_changed(m, 0, "completed")
    second = request_children(m, 2)
    assert second > first
    assert_refused(m, late)
    assert states(m) == ["running", "running"]


def test_a_body_may_do_without() -> None:
    m = start_fan_out_run()
    m.apply(ev.Succeeded(0, 1, ("alone",)))
    assert m.status == "completed"


# -- who is refused


def test_news_of_children_that_do_not_fit() -> None:
    m = start_fan_out_run()
    assert_refused(m, ev.ChildStatusChanged(0, 1, 0, "completed"))
    turn = request_children(m, 3, max_concurrency=2)
    wrong: list[Event] = [
        ev.ChildStatusChanged(0, turn, 2, "completed"),  # has not begun
        ev.ChildStatusChanged(0, turn, 3, "completed"),  # is nobody's
        ev.ChildStatusChanged(0, turn, -1, "completed"),
        ev.ChildStatusChanged(0, turn - 1, 0, "completed"),
        ev.ChildStatusChanged(0, turn + 1, 0, "completed"),
        ev.ChildStatusChanged(1, turn, 0, "completed"),
        ev.ChildStatusChanged(-1, turn, 0, "completed"),
        ev.ChildStatusChanged(0, turn, 0, "running"),  # it is
        ev.ChildStatusChanged(0, turn, 0, "waiting"),
        ev.ChildStatusChanged(0, turn, 0, "lost"),
        ev.Succeeded(0, turn),
        ev.Failed(0, turn, "E", "e"),
        ev.AttemptLost(0, turn),
        ev.Cancelled(0, turn),
        ev.ChildRunsRequested(0, turn, ()),
        ev.TimerFired(0),
        ev.TimerSet(0, Micros(1)),
    ]
    for e in wrong:
        assert_refused(m, e)
    done = child_status_changed(m, 0, "completed")
    assert_refused(m, done)
    assert_refused(m, replace(done, status="failed"))
    rest = child_status_changed(m, 1, "paused")
    assert_refused(m, rest)
    child_status_changed(m, 2, "completed")
    last = child_status_changed(m, 1, "completed")
    for e in (last, *wrong):
        assert_refused(m, e)


@pytest.mark.parametrize("width", [0, -1])
def test_a_width_that_lets_nobody_run_is_refused(width: int) -> None:
    assert_refused(start_fan_out_run(), ev.ChildRunsRequested(0, 1, ({"n": 1},), width))


def test_only_fans_have_children() -> None:
    case = CASES["tasks: diamond"]
    m = Machine(case.program.compiled_plan)
    m.apply(ev.Started(case.inputs))
    assert_refused(m, ev.ChildRunsRequested(0, 1, ({"n": 1},)))
    assert_refused(m, ev.InputRequested(0, 1, "?"))


# -- pauses


def test_a_run_rests_when_all_its_children_do() -> None:
    m = start_fan_out_run()
    request_children(m, 2)
    child_status_changed(m, 0, "paused")
    assert status(m) == "running"
    child_status_changed(m, 1, "paused")
    assert status(m) == "paused"
    assert_refused(m, ev.Resumed())
    child_status_changed(m, 0, "running")
    assert status(m) == "running"
    child_status_changed(m, 0, "paused")
    assert status(m) == "paused"


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
def test_a_run_that_rested_goes_on_when_its_last_child_has_ended(end: str) -> None:
    m = start_fan_out_run()
    request_children(m, 1)
    child_status_changed(m, 0, "paused")
    assert status(m) == "paused"
    child_status_changed(m, 0, end)
    assert (m.status, m.todo) == ("running", {0: Execute(0, 2, 1)})


def test_a_run_does_not_rest_while_anything_else_goes_on() -> None:
    m = start_fan_out_run(beside=True)
    request_children(m, 1)
    child_status_changed(m, 0, "paused")
    assert status(m) == "running"
    m.apply(ev.Succeeded(1, 1, (1,)))
    assert status(m) == "paused"


def test_children_and_a_person_pause_a_run_apart() -> None:
    m = start_fan_out_run()
    request_children(m, 2, max_concurrency=1)
    m.apply(ev.Paused())
    child_status_changed(m, 0, "paused")
    child_status_changed(m, 0, "running")
    assert status(m) == "paused", "a person said so"
    child_status_changed(m, 0, "completed")
    child_status_changed(m, 1, "paused")
    m.apply(ev.Resumed())
    assert status(m) == "paused", "the other child still rests"
    child_status_changed(m, 1, "completed")
    assert status(m) == "running"
    m.apply(ev.Paused())
    m.apply(ev.Resumed())
    m.apply(ev.Succeeded(0, 2, (1,)))
    assert status(m) == "completed"


def test_an_early_word_does_not_wake_a_run_whose_children_rest() -> None:
    program = CASES["graphs: interrupts"].program
    plan = replace(program.plan, nodes=(*program.plan.nodes, PlanNode("fan", kind="fan_out")))
    m = Machine(compile_plan(plan))
    m.apply(ev.Started({"topic": "t"}))
    fan = m.compiled_plan.node_index["fan"]
    m.apply(ev.ChildRunsRequested(fan, 1, ({},)))
    m.apply(ev.ChildStatusChanged(fan, 1, 0, "paused"))
    m.apply(ev.Succeeded(0, 1, ("text",)))
    for i in (1, 2):
        m.apply(ev.InputRequested(i, 1, "?"))
    m.apply(ev.Succeeded(3, 1, ("text",)))
    assert status(m) == "paused"
    m.apply(ev.InputProvided(1, ("ok",)))
    assert status(m) == "paused"
    m.apply(ev.InputProvided(2, ("ok",)))
    assert status(m) == "running"


# -- once more


def test_a_retry_runs_those_that_did_not_complete() -> None:
    m = start_fan_out_run()
    turn = request_children(m, 4, max_concurrency=2)
    child_status_changed(m, 0, "completed", values={"result": 0})
    child_status_changed(m, 1, "failed", error="ill")
    child_status_changed(m, 2, "completed")
    m.apply(ev.Failed(0, 2, "E", "a child failed", Micros(0)))
    assert m.fan_outs[0].generation == turn
    assert states(m) == ["completed", "running", "completed", "running"]
    assert m.fan_outs[0].start_counts == [1, 2, 1, 1]
    assert m.fan_outs[0].results()[0] == ChildResult("completed", {"result": 0})
    child_status_changed(m, 3, "completed")
    child_status_changed(m, 1, "completed")
    assert m.todo == {0: Execute(0, 3, 2)}


def test_a_retry_after_a_delay_runs_children_first() -> None:
    m = start_fan_out_run()
    request_children(m, 1)
    child_status_changed(m, 0, "failed")
    m.apply(ev.Failed(0, 2, "E", "e", Micros(99)))
    assert m.todo == {0: StartTimer(0, at=Micros(99))}
    m.apply(ev.TimerFired(0))
    assert m.fan_outs[0].start_counts == [2]
    assert type(m.todo[0]) is AwaitChildren


def test_a_retry_of_one_whose_children_have_all_completed() -> None:
    m = start_fan_out_run()
    request_children(m, 1)
    child_status_changed(m, 0, "completed")
    m.apply(ev.Failed(0, 2, "E", "e", Micros(0)))
    assert m.todo == {0: Execute(0, 3, 2)}


@pytest.mark.parametrize("on_error", ["stop", "fail"])
def test_a_run_that_failed_and_is_resumed_keeps_what_children_have_done(on_error: OnError) -> None:
    m = start_fan_out_run(on_error)
    turn = request_children(m, 2)
    child_status_changed(m, 0, "completed")
    child_status_changed(m, 1, "failed")
    m.apply(ev.Failed(0, 2, "E", "e"))
    assert m.status == "failed"
    m.apply(ev.Resumed())
    assert m.fan_outs[0].generation == turn
    assert states(m) == ["completed", "running"]
    assert m.fan_outs[0].start_counts == [1, 2]


def test_a_body_that_waits_with_what_its_children_did_finds_it_unchanged() -> None:
    """To be called again at an instant is no other try."""
    m = start_fan_out_run()
    request_children(m, 1)
    child_status_changed(m, 0, "failed", error="ill")
    m.apply(ev.Deferred(0, 2, Micros(99)))
    m.apply(ev.TimerFired(0))
    assert m.todo == {0: Execute(0, 3, 1)}
    assert m.fan_outs[0].results() == (ChildResult("failed", {}, "ill"),)


def test_a_deferral_is_over_when_children_were_asked_for() -> None:
    m = start_fan_out_run()
    m.apply(ev.Deferred(0, 1, Micros(99)))
    m.apply(ev.TimerFired(0))
    turn = m.fences[0]
    request_children(m, 1)
    m.apply(ev.CancelRequested())
    m.apply(ev.Resumed())
    assert m.todo == {0: AwaitChildren(0, turn)}


@pytest.mark.parametrize("counted", [True, False])
def test_a_crash_before_and_after_the_children(counted: bool) -> None:
    m = start_fan_out_run()
    m.apply(ev.AttemptLost(0, 1, counted))
    assert request_children(m, 1) == 2
    child_status_changed(m, 0, "failed")
    m.apply(ev.AttemptLost(0, 3, counted))
    assert m.todo == {0: Execute(0, 4, 1, reissue_count=1)}, (
        "children are not begun again because their parent's process died"
    )
    assert [o and o.status for o in m.fan_outs[0].results()] == ["failed"]


# -- halts


@pytest.mark.parametrize("halt", [ev.CancelRequested(), ev.TimedOut("late")], ids=["cancelled", "timed out"])
def test_a_halt_while_children_run(halt: Event) -> None:
    m = start_fan_out_run()
    turn = request_children(m, 4, max_concurrency=2)
    child_status_changed(m, 0, "completed")
    child_status_changed(m, 1, "paused")
    m.apply(halt)
    assert m.ended
    assert m.halted_nodes == [0]
    for e in [
        ev.ChildStatusChanged(0, turn, k, s) for k in range(4) for s in ("completed", "cancelled", "running", "paused")
    ]:
        assert_refused(m, e)
    m.apply(ev.Resumed())
    assert states(m) == ["completed", "running", "running", "waiting"]
    assert m.fan_outs[0].start_counts == [1, 2, 2, 1]
    assert m.status == "running"


def test_another_failure_halts_the_children() -> None:
    m = start_fan_out_run(beside=True)
    request_children(m, 2)
    child_status_changed(m, 0, "completed")
    m.apply(ev.Failed(1, 1, "E", "e"))
    assert (m.status, m.halted_nodes) == ("failed", [1, 0])
    m.apply(ev.Resumed())
    assert states(m) == ["completed", "running"]
    assert m.todo.keys() == {0, 1}


@pytest.mark.parametrize("count", [0, 2])
def test_who_asks_for_children_when_the_run_has_halted_has_them_later(count: int) -> None:
    m = start_fan_out_run()
    m.take_commands()
    m.apply(ev.CancelRequested())
    m.take_commands()
    turn = request_children(m, count)
    assert m.status == "cancelled"
    assert m.take_commands() == []
    assert m.fan_outs[0].start_counts == [0] * count, "nobody has begun"
    m.apply(ev.Resumed())
    assert m.todo == {0: AwaitChildren(0, turn) if count else Execute(0, 2, 1)}


def test_a_cancelled_second_execution_tries_again_who_failed() -> None:
    m = start_fan_out_run()
    request_children(m, 2)
    child_status_changed(m, 0, "completed")
    child_status_changed(m, 1, "failed")
    m.apply(ev.CancelRequested())
    m.apply(ev.Cancelled(0, 2))
    m.apply(ev.Resumed())
    assert states(m) == ["completed", "running"]


# -- loops, and whole programs


def test_each_superstep_has_children_of_its_own() -> None:
    case = CASES["graphs: fans in a loop"]
    for seed in (None, 1, 2, 3):
        chaos = ChaosDriver(case.program, case.inputs, seed=seed, crash_probability=0.1 if seed else 0.0)
        m = chaos.run_to_end()
        fan = m.compiled_plan.node_index["fan"]
        told = [decode(line) for line in chaos.journal]
        turns = [e.fence for e in told if isinstance(e, ev.ChildRunsRequested)]
        assert len(turns) == len(set(turns)) == m.run_counts[fan] == 4
        assert {turn for i, turn, _ in chaos.children if i == fan} <= set(turns)


def test_a_failed_fan_in_a_loop_goes_on_where_it_was() -> None:
    case = CASES["graphs: fans in a loop"]
    expected = run_outcome(case.program, ChaosDriver(case.program, case.inputs).run_to_end())
    fan = case.program.compiled_plan.node_index["fan"]
    chaos = ChaosDriver(case.program, case.inputs)
    while type(chaos.machine.todo.get(fan)) is not AwaitChildren or len(chaos.machine.fan_outs[fan].statuses) < 2:
        chaos.step()
    chaos.advance_node(fan)
    turn = chaos.machine.fan_outs[fan].generation
    chaos.commit(ev.ChildStatusChanged(fan, turn, 1, "failed", {}, "ill"))
    chaos.commit(ev.Failed(fan, chaos.machine.fences[fan], "E", "e"))
    assert chaos.run_to_end().status == "failed"
    chaos.commit(ev.Resumed())
    assert chaos.machine.fan_outs[fan].statuses == ["completed", "running"]
    assert chaos.machine.fan_outs[fan].generation == turn
    assert run_outcome(case.program, chaos.run_to_end()) == expected


def test_children_that_fail_in_their_first_lives() -> None:
    def moody(given: Any, life: int) -> Any:
        if life <= given["n"]:
            raise OSError(f"{given['n']} is ill")
        return given["n"]

    def program(attempts: int) -> Program:
        children = FanOutFunctions(
            lambda x: [{"n": k} for k in range(x)], moody, gather_results, max_concurrency=2, fail_fast=False
        )
        return graph("moody", [FanOutNode("fan", children, ("x",), "all", retry=Retry(attempts, 2.0))])

    for seed in range(20):
        chaos = ChaosDriver(program(4), {"x": 4}, seed=seed, crash_probability=0.1)
        assert chaos.run_to_end().status == "completed"
        assert program(4).outputs(chaos.machine) == {"all": [0, 1, 2, 3]}
        assert sorted(given["n"] for _, given in chaos.started_children) == [0, 1, 1, 2, 2, 2, 3, 3, 3, 3]
    chaos = ChaosDriver(program(3), {"x": 4})
    assert chaos.run_to_end().status == "failed"
    chaos.commit(ev.Resumed())
    assert chaos.run_to_end().status == "completed"
    assert [given["n"] for _, given in chaos.started_children[-1:]] == [3], "nobody else began again"


@st.composite
def fan_out_graphs(draw: st.DrawFn) -> Program:
    """A few fans of every make, one after the other and side by side."""
    parts: list[Fn | FanOutNode] = [Fn("start", lambda x: [x], ("x",), ("o0",))]
    for k in range(draw(st.integers(1, 4))):
        count, width = draw(st.integers(0, 4)), draw(st.none() | st.integers(1, 3))
        source = draw(st.integers(0, len(parts) - 1))
        children = FanOutFunctions(
            lambda seen, count=count: [{"n": len(str(seen)) + j} for j in range(count)],
            draw(st.sampled_from([double_input, fail_if_odd])),
            results_or_errors,
            width,
            fail_fast=False,
        )
        parts.append(FanOutNode(f"fan{k}", children, (f"o{source}",), f"o{len(parts)}"))
    return graph("families", parts)


INTERRUPTIONS: list[Event] = [ev.CancelRequested(), ev.Paused(), ev.TimedOut("late")]


@property_test(fan_out_graphs(), st.integers(0, 99), st.data(), quick_examples=50, long_examples=3000)
def test_families(program: Program, seed: int, data: st.DataObject) -> None:
    """Any order, pauses of children, crashes, halts and rests in between: one outcome."""
    expected = run_outcome(program, ChaosDriver(program, {"x": 1}).run_to_end())
    chaos = ChaosDriver(program, {"x": 1}, seed=seed, crash_probability=0.1, pauses=data.draw(st.integers(0, 3)))
    for event in data.draw(st.lists(st.sampled_from(INTERRUPTIONS), max_size=3)):
        for _ in range(data.draw(st.integers(0, 12))):
            chaos.step()
        if chaos.machine.accepts(event):
            chaos.commit(event)
            chaos.run_to_end()
            chaos.restart()
            if chaos.machine.accepts(ev.Resumed()):
                chaos.commit(ev.Resumed())
    assert run_outcome(program, chaos.run_to_end()) == expected
    assert is_same_state(fold(program.compiled_plan, chaos.journal), chaos.machine)


def test_values_are_opaque() -> None:
    """What children begin with, what they come to, and what is asked."""
    plan = Plan("opaque", (PlanNode("fan", kind="fan_out"), PlanNode("who", kind="interrupt", writes=("who",))))
    m = Machine(compile_plan(plan))
    events: list[Event] = [
        ev.Started({}),
        ev.ChildRunsRequested(0, 1, ({"n": Opaque()}, {"n": Opaque()})),
        ev.ChildStatusChanged(0, 1, 1, "completed", {"result": Opaque()}),
        ev.InputRequested(1, 1, Opaque()),
        ev.CancelRequested(),
        ev.Resumed(),
        ev.InputRequested(1, 2, Opaque()),
        ev.ChildStatusChanged(0, 1, 0, "completed", {"result": Opaque()}),
        ev.InputProvided(1, (Opaque(),)),
        ev.Succeeded(0, 2),
    ]
    for e in events:
        m.apply(e)
        m = Machine.restore(m.compiled_plan, m.snapshot())
    assert m.status == "completed"


# -- take something away


def _distinct_outcomes(name: str) -> set[str]:
    case, found = CASES[name], set()
    for seed in range(40):
        try:
            found.add(
                str(
                    run_outcome(
                        case.program,
                        ChaosDriver(case.program, case.inputs, seed=seed, crash_probability=0.1).run_to_end(),
                    )
                )
            )
        except (AssertionError, IndexError, KeyError) as error:
            found.add(type(error).__name__)
    return found


def test_with_results_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(_distinct_outcomes("graphs: fan")) == 1
    monkeypatch.setattr(FanOut, "results", lambda self: tuple(self.results_by_index.values()))
    assert len(_distinct_outcomes("graphs: fan")) > 5


def test_with_children_of_an_earlier_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(_distinct_outcomes("graphs: fans in a loop")) == 1
    start = fanout.start_children
    monkeypatch.setattr(fanout, "start_children", lambda m, e: start(m, replace(e, fence=1)))
    assert "AssertionError" in _distinct_outcomes("graphs: fans in a loop")


# -- size


def test_ten_thousand_children() -> None:
    m = start_fan_out_run()
    turn = request_children(m, 10_000, max_concurrency=100)
    m.take_commands()
    for k in range(10_000):
        m.apply(ev.ChildStatusChanged(0, turn, k, "completed", {"result": k}))
    assert len(m.fan_outs[0].running) == 0
    assert [o.values["result"] for o in m.fan_outs[0].results() if o] == list(range(10_000))
    assert m.todo == {0: Execute(0, 2, 1)}
