"""Take one law away and watch the outcomes multiply: the proof that the other tests would notice."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from holdwater.kernel import Machine, barrier, supersteps
from holdwater.kernel.compiled_plan import CompiledLoop
from holdwater.kernel.machine_state import Superstep
from holdwater.model.events import Succeeded
from tests.kernel.drivers import ChaosDriver, run_outcome
from tests.kernel.programs import CASES, Case

SCHEDULES = 60


def _distinct_outcomes(case: Case, crash: float = 0.1) -> set[str]:
    found = set()
    for seed in range(SCHEDULES):
        try:
            chaos = ChaosDriver(case.program, case.inputs, case.answers, seed=seed, crash_probability=crash)
            found.add(json.dumps(run_outcome(case.program, chaos.run_to_end())))
        except (AssertionError, KeyError) as error:
            found.add(type(error).__name__)
    return found


def test_without_the_barrier(monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES["graphs: forked loop"]
    assert len(_distinct_outcomes(case)) == 1
    superstep = supersteps.start_superstep

    def finish_at_once(m: Machine, loop: CompiledLoop, node: int, values: Any, decision: Any) -> None:
        m.node_states[node] = "succeeded"
        r = m.supersteps[loop.unit]
        r.remaining -= 1
        r.issued_nodes = [node]
        r.results[node] = (values, decision)
        barrier.commit_superstep(m, loop, r)

    def superstep_of_the_idle(m: Machine, loop: CompiledLoop) -> None:
        busy = {i for i in loop.nodes if i in m.todo}
        r = m.supersteps.get(loop.unit)
        if r is not None:
            r.candidates -= busy
        if not busy or r is None or any(supersteps._is_ready(m, i) for i in r.candidates):
            superstep(m, loop)

    monkeypatch.setattr(barrier, "complete_member", finish_at_once)
    monkeypatch.setattr(supersteps, "start_superstep", superstep_of_the_idle)
    assert len(_distinct_outcomes(case)) > 5


def test_without_plan_order_at_the_barrier(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two producers of one name in one superstep: which write is the latest must not depend on who came first."""
    case = CASES["graphs: rivals in a loop"]
    assert len(_distinct_outcomes(case)) == 1
    publish = barrier.commit_superstep

    def in_order_of_arrival(m: Machine, loop: CompiledLoop, r: Superstep) -> None:
        r.issued_nodes = list(r.results)
        publish(m, loop, r)

    monkeypatch.setattr(barrier, "commit_superstep", in_order_of_arrival)
    assert len(_distinct_outcomes(case)) > 1


def test_without_the_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A result that the dead process left behind is taken for its successor's."""
    case = CASES["tasks: retries"]
    assert len(_distinct_outcomes(case)) == 1
    execute = Machine.issue_execute

    def same_number_again(m: Machine, i: int, again: int = 0) -> None:
        execute(m, i, again)
        m.fences[i] = 1
        m.todo[i].fence = 1  # type: ignore[union-attr]

    monkeypatch.setattr(Machine, "issue_execute", same_number_again)
    chaos = ChaosDriver(case.program, case.inputs)
    chaos.restart()
    assert chaos.machine.accepts(Succeeded(0, 1)), "a zombie's result"


def test_with_inputs_from_more_than_the_ancestors() -> None:
    case = CASES["tasks: peers"]
    assert len(_distinct_outcomes(case)) == 1
    nosy = replace(case.program, view=lambda m, i: case.program.outputs(m))
    assert len(_distinct_outcomes(replace(case, program=nosy))) > 5


def test_with_skips_that_hide_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """`cut` is not `skipped`: a chain behind a failure would run again one step further on."""
    case = CASES["tasks: rules, failed"]
    cut2 = case.program.compiled_plan.node_index["cut2"]
    assert ChaosDriver(case.program, case.inputs).run_to_end().node_states[cut2] == "upstream_failed"
    plan = case.program.plan
    forgetful = replace(plan, nodes=tuple(replace(n, outcome_if_not_run="skipped") for n in plan.nodes))
    m = ChaosDriver(replace(case.program, plan=forgetful), case.inputs).run_to_end()
    assert m.node_states[cut2] == "succeeded"


def test_without_the_order_of_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ready gate holds its targets back; else a target runs once more than its gate allowed."""
    case = CASES["graphs: gate and target at once"]
    before = _distinct_outcomes(case)
    assert len(before) == 1
    monkeypatch.setattr(supersteps, "hold_back_targets", lambda m, ready: ready)
    assert _distinct_outcomes(case) != before
