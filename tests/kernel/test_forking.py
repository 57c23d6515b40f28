"""A run that begins in the middle of another one: what stands is taken over, the rest is done, and it ends the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st

from holdwater.errors import WorkflowError
from holdwater.kernel import Machine
from holdwater.kernel.forking import fork_journal
from holdwater.model import events as ev
from holdwater.model.journal import JournalEntry
from holdwater.model.time import Micros
from tests.kernel.drivers import ChaosDriver, run_outcome
from tests.kernel.journal import decode, encode
from tests.kernel.programs import Case, raise_error, set_values
from tests.kernel.styles.program import Program
from tests.kernel.styles.tasks import Task, failed, tasks
from tests.kernel.test_against_reference import dags, wild_graphs
from tests.kernel.test_retry import FailingProgram, _executable_nodes, _without_own_failures
from tests.suite.effort import property_test


def decode_entries(lines: Iterable[str]) -> list[JournalEntry]:
    return [JournalEntry(decode(line), started_at=Micros(k), ended_at=Micros(k + 1)) for k, line in enumerate(lines, 1)]


def fork_entries(program: Program, lines: Iterable[str], node: int, **kw: Any) -> list[JournalEntry]:
    return fork_journal(program.compiled_plan, decode_entries(lines), node, kw.get("edits", {}))


def nodes_outside_loops(program: Program) -> list[int]:
    compiled_plan = program.compiled_plan
    return [i for i in range(len(program.plan.nodes)) if compiled_plan.loop_of[compiled_plan.unit_of[i]] is None]


def check_fork(program: Program, case: Case, source: Machine, lines: list[str], node: int, seed: int) -> ChaosDriver:
    """Fork, execute the fork to its end, and see what it executed."""
    compiled_plan = program.compiled_plan
    birth = fork_entries(program, lines, node)
    chaos = ChaosDriver(
        program, case.inputs, case.answers, journal=[encode(e.event) for e in birth], seed=seed, now=10_000_000_000
    )
    taken = {e.event.node for e in birth if isinstance(e.event, ev.Succeeded)}
    taken |= {e.event.node for e in birth if isinstance(e.event, ev.InputProvided) and source.run_counts[e.event.node]}
    behind = compiled_plan.descendants([compiled_plan.unit_of[node]])
    assert all(compiled_plan.unit_of[i] not in behind for i in taken)
    chaos.run_to_end()
    singles = {i for i in taken if compiled_plan.loop_of[compiled_plan.unit_of[i]] is None}
    executed = {compiled_plan.node_index[name] for name in chaos.executed}
    assert not executed & singles, "what was taken over was executed again"
    spoilt = compiled_plan.descendants(
        [compiled_plan.unit_of[i] for i, s in enumerate(source.node_states) if s == "failed"]
    )
    for i in _executable_nodes(program):
        if (
            source.node_states[i] == "succeeded"
            and compiled_plan.unit_of[i] not in behind | spoilt
            and source.fences[i]
        ):
            assert i in taken, "what stands was not taken over"
    assert all(e.ended_at for e in birth if isinstance(e.event, ev.Succeeded)), "it keeps its times"
    return chaos


def test_a_fork_of_any_moment_ends_as_its_source(case: Case) -> None:
    """From every node, at every prefix of the journal."""
    first = ChaosDriver(case.program, case.inputs, case.answers, seed=3)
    expected = run_outcome(case.program, first.run_to_end())
    for node in nodes_outside_loops(case.program):
        for k in range(1, len(first.journal) + 1):
            lines = first.journal[:k]
            m = Machine(case.program.compiled_plan)
            for line in lines:
                m.apply(decode(line))
            chaos = check_fork(case.program, case, m, lines, node, seed=k)
            assert run_outcome(case.program, chaos.machine) == expected, f"forked from {node} after {k} events"


def test_a_fork_of_a_halted_run(case: Case) -> None:
    expected = run_outcome(case.program, ChaosDriver(case.program, case.inputs, case.answers).run_to_end())
    for k in range(1, 12):
        chaos = ChaosDriver(case.program, case.inputs, case.answers, seed=k)
        while len(chaos.journal) < k and chaos.step():
            pass
        if not chaos.machine.accepts(ev.CancelRequested()):
            break
        chaos.commit(ev.CancelRequested())
        chaos.run_to_end()
        for node in nodes_outside_loops(case.program):
            fork = check_fork(case.program, case, chaos.machine, chaos.journal, node, seed=k)
            assert run_outcome(case.program, fork.machine) == expected


@property_test(dags(), st.data(), quick_examples=50, long_examples=3000)
def test_a_fork_of_a_run_that_failed_and_was_retried(program: Program, data: st.DataObject) -> None:
    """Nothing of an earlier life that was taken back comes back."""
    program = replace(program, functions=tuple(_without_own_failures(b, "tasks") for b in program.functions))
    ill = data.draw(st.dictionaries(st.sampled_from(range(len(program.functions))), st.integers(1, 2), max_size=3))
    ailing = FailingProgram(program, ill)
    program = ailing.program
    case = Case(program, {"given": {}})
    chaos = ChaosDriver(program, case.inputs, seed=data.draw(st.integers(0, 9)))
    while chaos.run_to_end().status == "failed":
        ailing.resume(chaos)
    ailing.start_count = 9
    expected = run_outcome(program, ChaosDriver(program, case.inputs).run_to_end())
    k = data.draw(st.integers(1, len(chaos.journal)))
    m = Machine(program.compiled_plan)
    for line in chaos.journal[:k]:
        m.apply(decode(line))
    node = data.draw(st.sampled_from(range(len(program.functions))))
    fork = check_fork(program, case, m, chaos.journal[:k], node, seed=1).machine
    assert fork.status == "completed"
    if not any(state == "failed" for state in chaos.machine.node_states):  # an ignored failure stands, in the fork too
        assert run_outcome(program, fork) == expected


@property_test(wild_graphs(), st.data(), quick_examples=50, long_examples=3000)
def test_a_fork_behind_loops(drawn: tuple[Program, dict[str, Any]], data: st.DataObject) -> None:
    program, inputs = drawn
    case = Case(program, inputs)
    chaos = ChaosDriver(program, inputs, seed=data.draw(st.integers(0, 9)))
    if chaos.run_to_end().status != "completed":
        return
    expected = run_outcome(program, chaos.machine)
    nodes = nodes_outside_loops(program)
    if nodes:
        fork = check_fork(program, case, chaos.machine, chaos.journal, data.draw(st.sampled_from(nodes)), seed=1)
        assert run_outcome(program, fork.machine) == expected


def test_a_node_in_a_loop_is_refused(case: Case) -> None:
    chaos = ChaosDriver(case.program, case.inputs, case.answers)
    chaos.run_to_end()
    for node in set(range(len(case.program.plan.nodes))) - set(nodes_outside_loops(case.program)):
        with pytest.raises(WorkflowError, match="in a loop"):
            fork_entries(case.program, chaos.journal, node)


def test_the_birth_of_a_fork() -> None:
    program = tasks(
        "t",
        [
            Task("a", set_values(a=1)),
            Task("bad", raise_error),
            Task("tidy", set_values(t=1), ("bad",), failed("bad")),
            Task("lame", raise_error, on_error="ignore"),
            Task("b", set_values(b=1), ("a",)),
            Task("c", set_values(c=1), ("b",)),
        ],
    )
    chaos = ChaosDriver(program, {"given": {}})
    chaos.run_to_end()
    birth = fork_entries(program, chaos.journal, 4, edits={4: "edit"})
    assert [(type(e.event).__name__, getattr(e.event, "node", None)) for e in birth] == [
        ("InputsOverridden", 4),
        ("Started", None),
        ("Succeeded", 0),
        ("Failed", 3),
    ]
    m = Machine(program.compiled_plan)
    for e in birth:
        m.apply(e.event)
    assert m.todo.keys() == {1, 4}, "what failed is tried again, and what ran because of it waits"
    assert m.overrides == {4: "edit"}
