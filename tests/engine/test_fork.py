"""New runs that begin in the middle of earlier ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from holdwater import Context, DefaultRunner
from holdwater.engine import Engine
from holdwater.errors import (
    ConfigError,
    EncodingError,
    IdempotencyConflict,
    InvalidTransition,
    RunNotFound,
    TaskNotFound,
)
from holdwater.model import events as ev
from holdwater.model.journal import JournalEntry, encode_entry
from holdwater.model.records import RunRow
from holdwater.model.registry import Registry, registry
from holdwater.model.time import Micros
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.config import DriverConfig
from tests.engine.test_retry import FlakyTasks, bench, has_no_violations, tasks_of
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate

__all__ = ["bench"]


def chain(bench: FlakyTasks) -> tuple[Any, ...]:
    def second(context: Context) -> None:
        bench("second")(context)
        context["double"] = 2 * context["x"]

    return (
        ("first", bench("first"), {}),
        ("second", second, {"dependencies": ["first"]}),
        ("third", bench("third"), {"dependencies": ["second"]}),
        ("apart", bench("apart"), {}),
    )


def test_what_came_before_is_taken_over_with_its_times(
    runner: DefaultRunner, define: Define, bench: FlakyTasks
) -> None:
    define("w", *chain(bench))
    source = runner.submit("w", {"x": 1, "y": 1}).result(SIGNAL_TIMEOUT_SECONDS)
    bench.ran.clear()
    handle = runner.fork(source.run_id, "second", context={"x": 21, "z": None}, remove=["y"])
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Completed"
    assert bench.ran == ["second", "third"]
    assert result.forked_from == source.run_id == result.summary.forked_from == result.to_dict()["forked_from"]
    assert result.parent_run_id is None
    final = result.final_context
    assert (final["x"], final["double"], "y" in final, "z" in final, final["z"]) == (21, 42, False, True, None)
    assert source.final_context["double"] == 2
    then, now = ({t.task_name: t for t in r.task_results} for r in (source, result))
    assert now["first"] == then["first"]
    assert now["apart"] == then["apart"]
    assert (now["second"].start_time or "") > (then["third"].end_time or "")
    assert runner.get_run(source.run_id).status == "Completed"
    assert source.forked_from is None
    assert has_no_violations(runner)


def test_a_failed_run_with_other_values(runner: DefaultRunner, define: Define, bench: FlakyTasks) -> None:
    define("w", *chain(bench))
    source = runner.submit("w", {}).result(SIGNAL_TIMEOUT_SECONDS)
    assert (source.status, tasks_of(source)["second"]) == ("Failed", "Failed")
    fork = runner.handle(source.run_id).fork("second", context={"x": 4})
    assert fork.result(SIGNAL_TIMEOUT_SECONDS).final_context["double"] == 8
    with pytest.raises(InvalidTransition):
        fork.retry()
    again = fork.fork("third", context={"w": 1}).result(SIGNAL_TIMEOUT_SECONDS)
    assert again.final_context["double"] == 8
    assert again.forked_from == fork.run_id
    other = fork.fork("second", context={"y": 0}).result(SIGNAL_TIMEOUT_SECONDS)
    assert (other.final_context["double"], other.final_context["y"]) == (8, 0)
    assert has_no_violations(runner)


def test_a_running_run(runner: DefaultRunner, define: Define, bench: FlakyTasks, gate: Gate) -> None:
    define(
        "w",
        ("a", bench("a"), {}),
        ("b", lambda context: gate() if context.get("wait", True) else None, {"dependencies": ["a"]}),
        ("c", bench("c"), {"dependencies": ["b"]}),
    )
    source = runner.submit("w")
    gate.wait_started()
    fork = runner.fork(source.run_id, "b", context={"wait": False})
    assert fork.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert source.status == "Running"
    gate.open.set()
    assert source.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    assert bench.ran == ["a", "c", "c"]
    assert has_no_violations(runner)


def test_a_failed_fork_is_retried_with_its_edits(runner: DefaultRunner, define: Define, bench: FlakyTasks) -> None:
    define("w", *chain(bench))
    source = runner.submit("w", {"x": 1}).result(SIGNAL_TIMEOUT_SECONDS)
    bench.failing_tasks = {"second"}
    fork = runner.fork(source.run_id, "second", context={"x": 5})
    assert fork.result(SIGNAL_TIMEOUT_SECONDS).status == "Failed"
    bench.failing_tasks.clear()
    fork.retry()
    assert fork.result(SIGNAL_TIMEOUT_SECONDS).final_context["double"] == 10
    assert has_no_violations(runner)


def test_it_survives_its_process(
    open_runner: Callable[..., DefaultRunner], define: Define, bench: FlakyTasks, gate: Gate
) -> None:
    define("w", ("a", bench("a"), {}), ("b", lambda context: gate(), {"dependencies": ["a"]}))
    first = open_runner(shutdown_timeout_seconds=0)
    gate.open.set()
    source = first.submit("w").result(SIGNAL_TIMEOUT_SECONDS)
    gate.wait_started()
    gate.open.clear()
    fork = first.fork(source.run_id, "b", context={"x": [1]})
    gate.wait_started()
    first.shutdown()
    gate.open.set()
    second = open_runner()
    result = second.handle(fork.run_id).result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Completed"
    assert result.final_context["x"] == [1]
    assert bench.ran == ["a"]
    assert has_no_violations(second)


def test_an_unknown_task_names_those_there_are(runner: DefaultRunner, define: Define, bench: FlakyTasks) -> None:
    define("w", *chain(bench))
    source = runner.submit("w", {"x": 1}).result(SIGNAL_TIMEOUT_SECONDS)
    with pytest.raises(TaskNotFound) as caught:
        runner.fork(source.run_id, "secnd")
    assert "did you mean 'second'? its tasks are first, second, third, apart" in str(caught.value)
    with pytest.raises(RunNotFound):
        runner.fork("no-such-run", "second")
    with pytest.raises(ConfigError):
        runner.fork(source.run_id, "second", context={"x": 1}, remove="x")
    with pytest.raises(EncodingError):
        runner.fork(source.run_id, "second", context={"x": object()})
    with pytest.raises(ConfigError, match="'second' does not see 'doubel', which is to be removed") as typo:
        runner.fork(source.run_id, "second", remove=["x", "doubel"])
    assert "did you mean 'double'?" in str(typo.value)
    assert len(runner.list_runs()) == 1


def test_a_key_that_may_still_come_can_be_removed(runner: DefaultRunner, define: Define, bench: FlakyTasks) -> None:
    """The first task failed: when it runs again it may write any key."""
    bench.failing_tasks = {"first"}
    define("w", *chain(bench))
    source = runner.submit("w", {"x": 1}).result(SIGNAL_TIMEOUT_SECONDS)
    bench.failing_tasks.clear()
    fork = runner.fork(source.run_id, "second", remove=["to_come"])
    assert fork.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


def test_one_key_one_fork(runner: DefaultRunner, define: Define, bench: FlakyTasks) -> None:
    define("w", *chain(bench))
    source = runner.submit("w", {"x": 1}).result(SIGNAL_TIMEOUT_SECONDS)
    forks = [runner.fork(source.run_id, "third", context={"k": 1}, idempotency_key="once") for _ in range(3)]
    assert len({fork.run_id for fork in forks}) == 1
    assert {fork.result(SIGNAL_TIMEOUT_SECONDS).status for fork in forks} == {"Completed"}
    with pytest.raises(IdempotencyConflict):
        runner.fork(source.run_id, "third", context={"k": 2}, idempotency_key="once")
    with pytest.raises(IdempotencyConflict):
        runner.submit("w", {"x": 1}, idempotency_key="once")
    assert len(runner.list_runs()) == 2


def test_a_structure_nobody_here_has_waits_for_whoever_has_it(
    open_runner: Callable[..., DefaultRunner], define: Define, bench: FlakyTasks
) -> None:
    define("w", *chain(bench))
    runner = open_runner()
    source = runner.submit("w", {"x": 1}).result(SIGNAL_TIMEOUT_SECONDS)
    registry.unregister("w")
    fork = runner.fork(source.run_id, "second", context={"x": 3})
    assert fork.status == "Running"
    assert runner._engine.store.work_of_run(fork.run_id)[0].owner is None
    assert has_no_violations(runner)
    define("w", *chain(bench))
    assert fork.result(SIGNAL_TIMEOUT_SECONDS).final_context["double"] == 6


# -- what the checker says of forks and retries that are not what they say


def tamper_with_journal(
    url: str, bench: FlakyTasks, entries: Callable[[list[JournalEntry]], list[JournalEntry]]
) -> list[str]:
    """The violations of a fork whose birth was written otherwise."""
    engine = Engine(url, DriverConfig(), registry=registry)
    try:
        started = engine.submit("w", {"x": 1})
        started.future.result(SIGNAL_TIMEOUT_SECONDS)
        from holdwater.runtime import forking

        source = engine.reader.fold(engine.reader.row(started.info.id))
        run = forking.create_fork(source, None, "third", {}, (), engine.clock)
        run.unsaved_entries = entries(run.unsaved_entries)
        from holdwater.model.records import RunUpdate, WorkRow

        head: RunRow = run.row
        head.seq = len(run.unsaved_entries)
        now = engine.clock.now()
        node = run.compiled_plan.node_index["third"]
        work = [WorkRow(head.id, node, 1, "execute", "w", now, "another", Micros(now + 3_600_000_000))]
        plan = run.compiled_plan.plan.to_data()
        engine.store.commit([RunUpdate(head, 0, [encode_entry(e) for e in run.unsaved_entries], now, True, plan, work)])
        return [str(v) for v in StoreChecker(engine.store, engine.clock.now).find_violations()]
    finally:
        engine.close(1.0)


def test_the_checker_compares_a_fork_with_its_source(define: Define, bench: FlakyTasks) -> None:
    define("w", *chain(bench))
    assert tamper_with_journal("memory://", bench, lambda entries: entries) == []

    def forged(entries: list[JournalEntry]) -> list[JournalEntry]:
        return [
            JournalEntry(e.event, Micros(17), Micros(18))
            if isinstance(e.event, ev.Succeeded) and e.event.node == 0
            else e
            for e in entries
        ]

    found = tamper_with_journal("memory://", bench, forged)
    assert len(found) == 1
    assert "about task 'first' is not in the journal of run" in found[0]


def test_the_checker_lets_a_retry_record_again_what_failed_and_nothing_else(define: Define, bench: FlakyTasks) -> None:
    """Judged from the journal: the machine that folds it is not asked."""
    from holdwater.kernel import Machine, compile_plan
    from holdwater.runs.verify.checker import _RunCheck

    define("w", ("a", bench("a"), {}), ("b", bench("b"), {}), ("c", bench("c"), {"dependencies": ["b"]}))
    plan = registry.get("w").plan
    look = _RunCheck(RunRow("r", "w", "tasks", plan.structure, "", Micros(0)), Micros(0), None)
    machine = Machine(compile_plan(plan))
    for event in (ev.Started({}), ev.Succeeded(0, 1), ev.Failed(1, 1, "E", "e"), ev.Resumed(), ev.Succeeded(1, 2)):
        look.seq += 1
        look._apply_entry(machine, JournalEntry(event), False)
    assert look.violations == []
    look._check_single_result(machine, ev.Succeeded(0, 2))
    assert [v.invariant for v in look.violations] == ["I2"]


def test_a_stranger_forks_what_it_cannot_execute(define: Define, bench: FlakyTasks, url: str) -> None:
    define("w", *chain(bench))
    own = Engine(url, DriverConfig())
    stranger = Engine(url, DriverConfig(recover=False), registry=Registry())
    try:
        source = own.submit("w", {"x": 1}).future.result(SIGNAL_TIMEOUT_SECONDS)
        fork = stranger.fork(source.id, "second", Context({"x": 9}), ()).info
        run = own.wait_for_run(fork.id, SIGNAL_TIMEOUT_SECONDS)
        assert run.result["double"].text == "18"
        assert run.info.code == registry.get("w").code_fingerprint
    finally:
        stranger.close(1.0)
        own.close(1.0)
