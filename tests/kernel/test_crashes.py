"""A process may die after any event, and work may end in any order: the outcome is the same."""

from __future__ import annotations

import pytest

from holdwater.model import events as ev
from tests.kernel.drivers import ChaosDriver, run_outcome, run_to_end
from tests.kernel.journal import decode, fold, is_same_state
from tests.kernel.programs import CASES, Case


def test_a_plain_and_a_journalled_run_agree(case: Case) -> None:
    plain = run_to_end(case.program, case.inputs, case.answers)
    journalled = ChaosDriver(case.program, case.inputs, case.answers).run_to_end()
    assert plain.ended
    assert run_outcome(case.program, plain) == run_outcome(case.program, journalled)


def test_a_journal_folds_to_the_machine_that_wrote_it(case: Case) -> None:
    chaos = ChaosDriver(case.program, case.inputs, case.answers, seed=1, crash_probability=0.1)
    assert (
        is_same_state(fold(case.program.compiled_plan, chaos.journal), chaos.run_to_end()) is False
    )  # the run had only begun
    assert is_same_state(fold(case.program.compiled_plan, chaos.journal), chaos.machine)


def test_a_crash_after_any_event_changes_nothing(case: Case) -> None:
    first = ChaosDriver(case.program, case.inputs, case.answers)
    expected = run_outcome(case.program, first.run_to_end())
    for k in range(len(first.journal) + 1):
        again = ChaosDriver(case.program, case.inputs, case.answers, journal=first.journal[:k])
        assert run_outcome(case.program, again.run_to_end()) == expected, f"restarted after {k} events"


def test_a_second_crash_during_recovery_changes_nothing(case: Case) -> None:
    first = ChaosDriver(case.program, case.inputs, case.answers)
    expected = run_outcome(case.program, first.run_to_end())
    for k in range(0, len(first.journal), 3):
        again = ChaosDriver(case.program, case.inputs, case.answers, journal=first.journal[:k])
        third = ChaosDriver(case.program, case.inputs, case.answers, journal=again.journal)
        third.step()
        third.restart()
        assert run_outcome(case.program, third.run_to_end()) == expected, f"restarted twice after {k} events"


def test_no_order_and_no_crash_can_be_seen(case: Case) -> None:
    assert _run_all_seeds(case, 15)


@pytest.mark.long
def test_no_order_and_no_crash_can_be_seen_for_long(case: Case) -> None:
    assert _run_all_seeds(case, 400)


def _run_all_seeds(case: Case, seeds: int) -> int:
    expected = run_outcome(case.program, ChaosDriver(case.program, case.inputs, case.answers).run_to_end())
    crashes = 0
    for seed in range(seeds):
        chaos = ChaosDriver(case.program, case.inputs, case.answers, seed=seed, crash_probability=0.12)
        assert run_outcome(case.program, chaos.run_to_end()) == expected, f"seed {seed}"
        crashes += chaos.crash_count
    return crashes


def test_a_crash_that_had_not_begun_is_not_counted() -> None:
    case = CASES["tasks: diamond"]
    m = fold(case.program.compiled_plan, [])
    m.apply(ev.Started(case.inputs))
    m.apply(ev.AttemptLost(0, 1, counts_as_crash=False))
    m.apply(ev.AttemptLost(0, 2))
    m.apply(ev.AttemptLost(0, 3))
    assert m.crash_counts == {0: 2}
    [execute] = m.todo.values()
    assert execute.node == 0
    assert m.fences[0] == 4


def test_a_restart_does_only_what_is_left() -> None:
    case = CASES["steps: retry"]
    first = ChaosDriver(case.program, case.inputs)
    first.run_to_end()
    done = next(k for k, line in enumerate(first.journal) if isinstance(decode(line), ev.Succeeded))
    again = ChaosDriver(case.program, case.inputs, journal=first.journal[: done + 1])
    again.run_to_end()
    assert first.executed[0] == "one"
    assert "one" not in again.executed
