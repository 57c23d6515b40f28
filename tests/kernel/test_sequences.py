"""Sequences: what a decision passes over never runs, and a run that is resumed may begin anywhere in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import strategies as st

from holdwater.kernel import Machine, compile_plan
from holdwater.model import events as ev
from holdwater.model.commands import Execute
from holdwater.model.plan import OnError, Plan, PlanNode
from tests.kernel.journal import encode, fold, is_same_state
from tests.kernel.test_fence import assert_refused
from tests.kernel.test_scale import _count_lines_run
from tests.suite.effort import property_test

Pairs = tuple[str, ...]


def sequence(count: int, on_error: Mapping[int, OnError] | None = None) -> Plan:
    nodes = tuple(
        PlanNode(
            f"n{i}",
            after=(f"n{i - 1}",) if i else (),
            writes=(f"v{i}",),
            on_error=(on_error or {}).get(i, "stop"),
        )
        for i in range(count)
    )
    return Plan("sequence", nodes, style="steps", inputs=("x",), sequence=True)


@dataclass
class SequenceRun:
    """Takes a sequence from one end to the other and writes down what happens."""

    plan: Plan
    decisions: Mapping[int, Pairs] = field(default_factory=dict)
    executed: list[int] = field(default_factory=list)
    journal: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.machine = Machine(compile_plan(self.plan))

    def start(self, skipped_ranges: Pairs = ()) -> Machine:
        self.apply(ev.Started({"x": 0}, skipped_ranges))
        return self.machine

    def apply(self, e: ev.Event) -> None:
        self.journal.append(encode(e))
        self.machine.apply(e)

    def run_to_end(self, failing_nodes: Sequence[int] = ()) -> Machine:
        """To the end; who is ill fails."""
        m = self.machine
        while m.todo:
            [command] = m.todo.values()
            assert isinstance(command, Execute)
            i, fence = command.node, command.fence
            self.executed.append(i)
            if i in failing_nodes:
                self.apply(ev.Failed(i, fence, "E", f"n{i}"))
            else:
                self.apply(ev.Succeeded(i, fence, (f"by n{i}",), self.decisions.get(i)))
        assert is_same_state(fold(m.compiled_plan, self.journal), m)
        return m

    def resume(self, start: int | None, failing_nodes: Sequence[int] = ()) -> list[int]:
        """What is executed then."""
        done = len(self.executed)
        self.apply(ev.Resumed("", {}, start))
        self.run_to_end(failing_nodes)
        return self.executed[done:]


def states(m: Machine) -> str:
    """A letter for each node."""
    return "".join(s[0] for s in m.node_states)


# -- decisions


@pytest.mark.parametrize(
    ("decisions", "ends"),
    [
        ({}, "ssssss"),
        ({0: ("n1", "n4")}, "s---ss"),
        ({0: ("n1", "")}, "s-----"),
        ({1: ("n5", "")}, "sssss-"),
        ({0: ("n1", "n2", "n4", "")}, "s-ss--"),
        ({0: ("n2", "n5"), 1: ("n4", "")}, "ss----"),
        ({0: ("n1", "n3"), 1: ("n3", "")}, "s--sss"),  # who is passed over decides nothing
        ({3: ("n0", "n2")}, "ssssss"),  # what is done is done
        ({3: ("n0", "n5")}, "ssss-s"),
        ({0: ("n3", "n3")}, "ssssss"),
        ({0: ("n4", "n2")}, "ssssss"),
        ({5: ("n5", "")}, "ssssss"),
        ({0: ()}, "ssssss"),
    ],
)
def test_what_is_passed_over(decisions: Mapping[int, Pairs], ends: str) -> None:
    walk = SequenceRun(sequence(6), decisions)
    walk.start()
    m = walk.run_to_end()
    assert m.status == "completed"
    assert ["-" if s == "skipped" else s[0] for s in m.node_states] == list(ends)
    assert walk.executed == [i for i, letter in enumerate(ends) if letter == "s"]


@pytest.mark.parametrize(
    ("passed", "executed"),
    [((), [0, 1, 2, 3]), (("n0", "n2"), [2, 3]), (("n0", ""), []), (("n0", "n1", "n2", "n3"), [1, 3])],
)
def test_a_run_may_begin_anywhere(passed: Pairs, executed: list[int]) -> None:
    walk = SequenceRun(sequence(4))
    walk.start(passed)
    assert walk.run_to_end().status == "completed"
    assert walk.executed == executed


@pytest.mark.parametrize("pairs", [("n1",), ("n1", "n9"), ("n9", ""), ("", "n2"), ("", ""), ("n1", "n2", "n3")])
def test_a_decision_about_nobody_is_refused(pairs: Pairs) -> None:
    m = Machine(compile_plan(sequence(4)))
    assert_refused(m, ev.Started({}, pairs))
    m.apply(ev.Started({}))
    assert_refused(m, ev.Succeeded(0, 1, (), pairs))
    m.apply(ev.Succeeded(0, 1, (), ("n1", "")))
    assert m.status == "completed"


def test_only_a_sequence_passes_over() -> None:
    m = Machine(compile_plan(replace(sequence(3), sequence=False)))
    assert_refused(m, ev.Started({}, ("n0", "n1")))
    m.apply(ev.Started({}))
    m.apply(ev.Failed(0, 1, "E", "e"))
    assert_refused(m, ev.Resumed("", {}, 1))
    m.apply(ev.Resumed())


# -- a run that is resumed somewhere


@pytest.mark.parametrize(
    ("start", "executed", "ends"),
    [
        (None, [2, 3, 4], "sssss"),
        (0, [0, 1, 2, 3, 4], "sssss"),
        (1, [1, 2, 3, 4], "sssss"),
        (2, [2, 3, 4], "sssss"),
        (3, [3, 4], "ss-ss"),
        (4, [4], "ss--s"),
    ],
)
def test_before_at_and_behind_the_failure(start: int | None, executed: list[int], ends: str) -> None:
    walk = SequenceRun(sequence(5))
    walk.start()
    assert walk.run_to_end(failing_nodes=[2]).status == "failed"
    assert walk.resume(start) == executed
    assert ["-" if s == "skipped" else s[0] for s in walk.machine.node_states] == list(ends)
    assert (walk.machine.status, walk.machine.errors) == ("completed", {})


def test_what_was_done_before_the_start_keeps_its_values() -> None:
    walk = SequenceRun(sequence(4))
    walk.start()
    walk.run_to_end(failing_nodes=[2])
    walk.resume(1)
    assert walk.machine.fences == [1, 2, 2, 1], "fences are never taken back"
    assert walk.machine.run_counts == [1, 1, 1, 1]
    assert walk.machine.values[1:] == [f"by n{i}" for i in range(4)]


@pytest.mark.parametrize("start", [-1, 4])
def test_a_start_outside_is_refused(start: int) -> None:
    walk = SequenceRun(sequence(4))
    walk.start()
    assert_refused(walk.run_to_end(failing_nodes=[2]), ev.Resumed("", {}, start))


@pytest.mark.parametrize(
    ("start", "executed"),
    [
        (0, [0, 1, 5]),  # everything anew, the choices too
        (1, [1, 5]),
        (2, [2, 5]),  # it was passed over, and is wanted now; what else was passed over is not
        (3, [3, 4, 5]),  # the rest of what was passed over together with it is wanted too
        (5, [5]),
    ],
)
def test_earlier_choices_count(start: int, executed: list[int]) -> None:
    walk = SequenceRun(sequence(6), {0: ("n3", "n5"), 1: ("n2", "n3")})
    walk.start()
    walk.run_to_end(failing_nodes=[5])
    assert walk.resume(start) == executed
    assert walk.machine.status == "completed"


def test_a_choice_that_is_done_again_may_decide_otherwise() -> None:
    walk = SequenceRun(sequence(5), {1: ("n2", "n4")})
    walk.start()
    walk.run_to_end(failing_nodes=[4])
    assert states(walk.machine) == "ssssf"
    assert walk.machine.node_states[2:4] == ["skipped"] * 2
    walk.decisions = {}
    assert walk.resume(1) == [1, 2, 3, 4]


def test_a_choice_that_stands_counts_beside_what_was_left_out_from_the_start() -> None:
    """Both passed over the same node: that one of them counts no more does not bring it back."""
    walk = SequenceRun(sequence(5), {0: ("n2", "n4")})
    walk.start(skipped_ranges=("n3", "n4"))
    walk.run_to_end(failing_nodes=[4])
    assert walk.resume(1) == [1, 4]
    assert walk.machine.node_states[2:4] == ["skipped", "skipped"]


def test_left_out_from_the_start_stays_left_out() -> None:
    walk = SequenceRun(sequence(4))
    walk.start(skipped_ranges=("n0", "n2"))
    walk.run_to_end(failing_nodes=[3])
    assert walk.resume(None) == [3]
    walk.apply(ev.Resumed("", {"x": 1}, 2))
    assert walk.run_to_end().status == "completed"
    assert walk.executed == [2, 3, 3, 2, 3]
    assert walk.resume(1) == [1, 2, 3], "unless somebody wants it"


def test_resumed_twice() -> None:
    walk = SequenceRun(sequence(6))
    walk.start()
    walk.run_to_end(failing_nodes=[1])
    assert walk.resume(3, failing_nodes=[4]) == [3, 4]
    assert walk.machine.node_states[1:3] == ["skipped", "skipped"]
    assert walk.resume(2, failing_nodes=[5]) == [2, 3, 4, 5]
    assert walk.resume(None) == [5]
    assert [s[:2] for s in walk.machine.node_states] == ["su", "sk", "su", "su", "su", "su"]


def test_a_failure_that_did_not_stop_the_run_and_stands_before_the_start() -> None:
    """It is not done, and will not be; what was done after it stands."""
    walk = SequenceRun(sequence(5, {1: "fail", 2: "ignore"}))
    walk.start()
    assert walk.run_to_end(failing_nodes=[1, 2]).status == "failed"
    assert walk.resume(4) == [4]
    assert walk.machine.node_states == ["succeeded", "skipped", "failed", "succeeded", "succeeded"]
    assert (walk.machine.status, list(walk.machine.errors)) == ("completed", [2])


@pytest.mark.parametrize("start", [0, 1, 2, 3])
def test_a_run_that_was_halted(start: int) -> None:
    for done in (True, False):
        walk = SequenceRun(sequence(4))
        m = walk.start()
        walk.apply(ev.Succeeded(0, 1, ("v",)))
        walk.apply(ev.CancelRequested())
        walk.apply(ev.Succeeded(1, 1, ("v",)) if done else ev.Cancelled(1, 1))
        assert walk.resume(start) == list(range(start, 4))
        assert m.node_states == [
            *["succeeded" if i <= done else "skipped" for i in range(start)],
            *["succeeded"] * (4 - start),
        ]


@pytest.mark.parametrize("start", [0, 1, 2, 3])
def test_a_run_that_somebody_has_paused(start: int) -> None:
    """What runs before the start is given up; its late result is refused."""
    walk = SequenceRun(sequence(4))
    m = walk.start()
    walk.apply(ev.Succeeded(0, 1, ("v",)))
    walk.apply(ev.Paused())
    walk.apply(ev.Resumed("", {}, start))
    assert_refused(m, ev.Succeeded(1, 1, ("late",)))
    walk.run_to_end()
    assert walk.executed == list(range(start, 4))
    assert m.status == "completed"


def test_a_completed_run_from_somewhere() -> None:
    walk = SequenceRun(sequence(3))
    walk.start()
    assert_refused(walk.run_to_end(), ev.Resumed())
    assert walk.resume(1) == [1, 2]


def test_children_before_at_and_behind_the_start() -> None:
    plan = sequence(3)
    plan = replace(plan, nodes=tuple(replace(n, kind="fan_out") for n in plan.nodes))

    def halted() -> Machine:
        m = Machine(compile_plan(plan))
        m.apply(ev.Started({}))
        m.apply(ev.Succeeded(0, 1, ("v",)))
        m.apply(ev.ChildRunsRequested(1, 1, ({}, {})))
        m.apply(ev.ChildStatusChanged(1, 1, 0, "completed"))
        m.apply(ev.CancelRequested())
        return m

    m = halted()
    m.apply(ev.Resumed())
    assert m.fan_outs[1].statuses == ["completed", "running"]
    for start in (0, 1, 2):
        m = halted()
        m.apply(ev.Resumed("", {}, start))
        assert m.fan_outs == {}, "from there everything is done anew"
        assert m.todo == {start: Execute(start, 1 if start == 2 else 2, 1)}


# -- against a naive reading


class NaiveSequence:
    """What each node of a sequence has come to, said without a machine."""

    def __init__(self, count: int, on_error: Mapping[int, OnError]) -> None:
        self.count, self.on_error = count, on_error
        self.state = ["waiting"] * count
        self.decided: dict[int, list[tuple[int, int]]] = {}
        self.executed: list[int] = []

    def _number(self, name: str) -> int:
        return int(name[1:]) if name else self.count

    def node_ranges(self, pairs: Pairs) -> list[tuple[int, int]]:
        return [(self._number(a), self._number(b)) for a, b in zip(pairs[::2], pairs[1::2], strict=True)]

    def run_to_end(self, decisions: Mapping[int, Pairs], failing_nodes: Sequence[int]) -> str:
        self.executed = []
        for i in range(self.count):
            if self.state[i] != "waiting":
                continue
            if any(a <= i < b for spans in self.decided.values() for a, b in spans):
                self.state[i] = "skipped"
                continue
            self.executed.append(i)
            self.state[i] = "failed" if i in failing_nodes else "succeeded"
            if i not in failing_nodes:
                self.decided[i] = self.node_ranges(decisions.get(i, ()))
            elif self.on_error.get(i, "stop") == "stop":
                return "failed"
        hurt = [i for i, s in enumerate(self.state) if s == "failed" and self.on_error.get(i, "stop") != "ignore"]
        return "failed" if hurt else "completed"

    def resume(self, start: int | None) -> None:
        if start is None:
            hurt = [i for i, s in enumerate(self.state) if s == "failed" and self.on_error.get(i, "stop") != "ignore"]
            first = min(hurt)
        else:
            for i in range(start):
                if self.state[i] == "waiting" or (
                    self.state[i] == "failed" and self.on_error.get(i, "stop") != "ignore"
                ):
                    self.state[i] = "skipped"
            self.decided = {
                i: [span for span in spans if not span[0] <= start < span[1]]
                for i, spans in self.decided.items()
                if 0 <= i < start
            }
            first = start
        for i in range(first, self.count):
            self.state[i] = "waiting"
            self.decided.pop(i, None)


@st.composite
def sequence_cases(
    draw: st.DrawFn,
) -> tuple[int, dict[int, OnError], list[tuple[dict[int, Pairs], list[int], int | None]]]:
    """How many nodes; how they fail; and per life what they decide, who is ill, and where the next life begins."""
    count = draw(st.integers(1, 8))
    node = st.integers(0, count - 1)
    on_error: dict[int, OnError] = draw(st.dictionaries(node, st.sampled_from(["stop", "fail", "ignore"])))
    lives = []
    for _ in range(draw(st.integers(1, 4))):
        decisions: dict[int, Pairs] = {}
        for i in draw(st.lists(node, max_size=3, unique=True)):
            pairs: list[str] = []
            for _ in range(draw(st.integers(0, 2))):
                a = draw(node)
                b = draw(st.integers(a, count))
                pairs += [f"n{a}", f"n{b}" if b < count else ""]
            decisions[i] = tuple(pairs)
        lives.append((decisions, draw(st.lists(node, max_size=2)), draw(st.none() | node)))
    return count, on_error, lives


SequenceCase = tuple[int, dict[int, OnError], list[tuple[dict[int, Pairs], list[int], int | None]]]


def _check_agreement(sequence_case: SequenceCase) -> None:
    count, on_error, lives = sequence_case
    walk, naive = SequenceRun(sequence(count, on_error)), NaiveSequence(count, on_error)
    walk.start()
    for decisions, ill, start in lives:
        walk.decisions = decisions
        done = len(walk.executed)
        m = walk.run_to_end(ill)
        assert m.status == naive.run_to_end(decisions, ill)
        assert m.node_states == naive.state
        assert walk.executed[done:] == naive.executed
        again = ev.Resumed("", {}, start)
        assert m.accepts(again) == (m.status == "failed" or start is not None)
        if not m.accepts(again):
            return
        walk.apply(again)
        naive.resume(start)


@property_test(sequence_cases(), quick_examples=120, long_examples=8000)
def test_any_course(course: SequenceCase) -> None:
    _check_agreement(course)


# -- size


def test_ten_thousand_are_linear() -> None:
    """Everybody decides something; then all of it is done again."""

    def cost(count: int) -> int:
        plan = sequence(count)
        decisions: dict[int, Any] = {i: (f"n{i + 1}", f"n{i + 2}") for i in range(0, count - 2, 2)}
        walk = SequenceRun(plan, decisions)
        walk.start()

        def twice() -> None:
            m = walk.machine
            for _ in range(2):
                while m.todo:
                    [i] = m.todo
                    m.apply(ev.Succeeded(i, m.fences[i], (i,), decisions.get(i)))
                if m.start_count == 1:
                    m.apply(ev.Resumed("", {}, 1))

        spent = _count_lines_run(twice)
        assert walk.machine.status == "completed"
        return spent

    assert cost(2_000) < 1.1 * 8 * cost(250)


def test_ten_thousand_are_passed_over_at_once() -> None:
    walk = SequenceRun(sequence(10_000), {0: ("n1", "n9999")})
    walk.start()
    walk.run_to_end()
    assert walk.executed == [0, 9_999]
    assert walk.resume(5_000) == list(range(5_000, 10_000))
