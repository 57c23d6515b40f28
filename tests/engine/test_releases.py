"""Runs of releases: each is executed by the release it is pinned to, whichever others are beside it."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from holdwater import Context, TaskHandle
from holdwater.engine import Engine
from holdwater.errors import InvalidArgument, ReleaseDraining, StructureChanged, WorkflowNotFound
from holdwater.graphs import Graph, node
from holdwater.model import events as ev
from holdwater.model.records import RunFilter, RunRow, RunUpdate
from holdwater.model.registry import Registry
from holdwater.model.releases import ReleaseRow
from holdwater.model.schedules import ScheduleRow
from holdwater.model.triggers import Trigger, TriggerResult
from holdwater.operations.databases import Database
from holdwater.operations.doctor import diagnose_run
from holdwater.operations.starting import start_by_name
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runs.view import RunView
from holdwater.runtime.config import DriverConfig, ScheduleConfig
from tests.suite.released_workflows import NEW, OLD, add_release, registry_with, tasks
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Gate
from tests.suite.waiting import poll_pause

OpenEngine = Callable[..., Engine]


@pytest.fixture
def open_engine(url: str) -> Iterator[OpenEngine]:
    """Opens engines on the test's database, with registries of their own."""
    opened: list[Engine] = []

    def open_(registry: Registry, **options: Any) -> Engine:
        opened.append(Engine(url, DriverConfig(**options), registry=registry))
        return opened[-1]

    yield open_
    for engine in opened:
        engine.close(SIGNAL_TIMEOUT_SECONDS)


def says(text: str) -> Callable[[Context], None]:
    def work(context: Context) -> None:
        context["by"] = text

    return work


def says_last(text: str) -> Callable[[Context], None]:
    def conclude(context: Context) -> None:
        context["by"] = text

    return conclude


def waits(gate: Gate, text: str) -> Callable[[Context], None]:
    def work(context: Context) -> None:
        gate()
        context["by"] = text

    return work


def value_of(run: RunView, name: str) -> Any:
    return run.result[name].copy()


def end(engine: Engine, run_id: str) -> RunView:
    return engine.wait_for_run(run_id, SIGNAL_TIMEOUT_SECONDS)


def assert_no_violations(engine: Engine) -> None:
    assert [str(v) for v in StoreChecker(engine.store, engine.clock.now).find_violations()] == []


def rows_by_workflow(engine: Engine) -> dict[str, RunRow]:
    return {row.workflow: row for row in engine.store.iter_runs()}


# -- pinning


def test_two_releases_side_by_side_in_one_process(open_engine: OpenEngine, gate: Gate) -> None:
    registry = registry_with(OLD, tasks("orders", waits(gate, "old")))
    engine = open_engine(registry)
    first = engine.submit("orders", {})
    gate.wait_started()
    assert [row.workflow for row in engine.store.work_of_run(first.info.id)] == [f"orders@{OLD}"]
    add_release(registry, NEW, tasks("orders", says("new")))
    second = engine.execute("orders", {})
    assert (second.info.workflow, second.info.release, value_of(second, "by")) == ("orders", NEW, "new")
    assert (engine.store.count_open_runs(OLD), engine.store.count_open_runs(NEW)) == (1, 0)
    third = engine.submit(f"orders@{OLD}", {})
    gate.open.set()
    for run_id in (first.info.id, third.info.id):
        run = end(engine, run_id)
        assert (run.info.workflow, run.info.release, value_of(run, "by")) == ("orders", OLD, "old")
    assert engine.store.count_open_runs(OLD) == 0
    assert_no_violations(engine)


def test_a_run_is_left_alone_where_its_release_is_not(open_engine: OpenEngine, gate: Gate) -> None:
    one = open_engine(registry_with(OLD, tasks("orders", waits(gate, "old"))))
    run_id = one.submit("orders", {}).info.id
    gate.wait_started()
    one.close(0)
    gate.open.set()
    both = Registry()
    both.register(tasks("orders", says("code")))
    add_release(both, NEW, tasks("orders", says("new")))
    other = open_engine(both, scan_interval_seconds=0.2)
    mine = other.execute("orders", {})
    assert (value_of(mine, "by"), mine.info.release) == ("code", None)
    assert value_of(end(other, other.submit(f"orders@{NEW}", {}).info.id), "by") == "new"
    assert other.control.claim(run_id) is False
    assert other.reader.row(run_id).status == "running"
    third = open_engine(registry_with(OLD, tasks("orders", says("old"))))
    assert value_of(end(third, run_id), "by") == "old"
    assert_no_violations(other)


def test_a_run_of_code_is_not_executed_by_a_release_nor_the_other_way_round(
    open_engine: OpenEngine, gate: Gate
) -> None:
    code = Registry()
    code.register(tasks("orders", waits(gate, "code")))
    one = open_engine(code)
    of_code = one.submit("orders", {}).info.id
    gate.wait_started()
    one.close(0)
    gate.open.set()
    packaged = registry_with(OLD, tasks("orders", says("packaged")))
    two = open_engine(packaged)
    assert (two.control.claim(of_code), two.reader.row(of_code).status) == (False, "running")
    assert value_of(two.execute("orders", {}), "by") == "packaged"
    packaged.register(tasks("orders", says("code")))
    assert value_of(end(two, of_code), "by") == "code"
    assert_no_violations(two)


def test_a_key_leads_to_the_same_run_on_whatever_release(open_engine: OpenEngine) -> None:
    registry = registry_with(OLD, tasks("orders", says("old")))
    engine = open_engine(registry)
    first = engine.submit("orders", {}, idempotency_key="k")
    add_release(registry, NEW, tasks("orders", says("new")))
    again = engine.submit("orders", {}, idempotency_key="k")
    assert (again.info.id, again.is_new, again.info.release) == (first.info.id, False, OLD)


def test_a_removed_release_leaves_its_runs_to_others(open_engine: OpenEngine, gate: Gate) -> None:
    registry = registry_with(OLD, tasks("orders", waits(gate, "old"), says_last("still old")))
    engine = open_engine(registry)
    run_id = engine.submit("orders", {}).info.id
    gate.wait_started()
    registry.remove_release(OLD)
    with pytest.raises(WorkflowNotFound):
        engine.submit("orders", {})
    gate.open.set()
    assert value_of(end(engine, run_id), "by") == "still old", "what it has begun it ends"


# -- children, forks


def calls(name: str) -> Callable[..., Any]:
    def call(context: Context, handle: TaskHandle) -> None:
        context["got"] = handle.execute(name).result["by"].copy()  # type: ignore[attr-defined]

    return call


def test_a_child_call_prefers_the_release_of_its_caller(open_engine: OpenEngine, gate: Gate) -> None:
    def hold(context: Context) -> None:
        gate()

    registry = registry_with(OLD, tasks("outer", hold, calls("inner")), tasks("inner", says("old")))
    registry.register(tasks("other", says("code")))
    engine = open_engine(registry)
    run_id = engine.submit("outer", {}).info.id
    gate.wait_started()
    add_release(registry, NEW, tasks("outer", calls("other")), tasks("inner", says("new")))
    gate.open.set()
    assert value_of(end(engine, run_id), "got") == "old"
    assert value_of(engine.execute("outer", {}), "got") == "code", "the release has no such workflow"
    children = {row.parent_id: (row.workflow, row.release) for row in engine.store.iter_runs() if row.parent_id}
    assert sorted(children.values(), key=str) == [("inner", OLD), ("other", None)]
    assert_no_violations(engine)


@node(output_name="doubled")
def double(x: int) -> int:
    return 2 * x


@node(output_name="done")
def conclude(doubled: int) -> int:
    return doubled + 1


def nested_graph(add: int, *, fails: Callable[[], bool] = lambda: False) -> Any:
    @node(output_name="doubled")
    def double(x: int) -> int:
        if fails():
            raise ValueError("ill")
        return 2 * x + add

    inner = Graph([double], name="inner")
    return Graph([inner.as_node(), conclude], name="outer").program("outer")


def test_a_nested_graph_is_of_the_release_of_its_parent(open_engine: OpenEngine) -> None:
    registry = registry_with(OLD, nested_graph(0))
    add_release(registry, NEW, nested_graph(100))
    engine = open_engine(registry)
    old, new = end(engine, engine.submit(f"outer@{OLD}", {"x": 1}).info.id), engine.execute("outer", {"x": 1})
    assert (value_of(old, "done"), value_of(new, "done")) == (3, 103)
    found = {(row.workflow, row.release) for row in engine.store.iter_runs()}
    assert found == {("outer", OLD), ("outer/inner", OLD), ("outer", NEW), ("outer/inner", NEW)}
    assert_no_violations(engine)


def test_a_fork_stays_on_the_release(open_engine: OpenEngine) -> None:
    registry = registry_with(OLD, tasks("orders", says("old")))
    engine = open_engine(registry)
    run = engine.execute("orders", {})
    add_release(registry, NEW, tasks("orders", says("new")))
    forked = end(engine, engine.fork(run.id, "work", {}, []).info.id)
    assert (forked.info.release, value_of(forked, "by")) == (OLD, "old")
    assert_no_violations(engine)


# -- retries


class Ailing:
    def __init__(self) -> None:
        self.is_ill = True

    def __call__(self, text: str) -> Callable[[Context], None]:
        def work(context: Context) -> None:
            if self.is_ill:
                raise ValueError("ill")
            context["by"] = text

        return work


def test_a_retry_stays_on_its_release_or_moves_to_the_active_one(open_engine: OpenEngine) -> None:
    body = Ailing()
    registry = registry_with(OLD, tasks("orders", body("old")))
    engine = open_engine(registry)
    staying, moving = engine.execute("orders", {}), engine.execute("orders", {})
    add_release(registry, NEW, tasks("orders", body("new")))
    body.is_ill = False
    engine.control.retry(staying.id)
    engine.control.retry(moving.id, by="cli:alice", release="active")
    stayed, moved = end(engine, staying.id), end(engine, moving.id)
    assert (stayed.info.release, value_of(stayed, "by")) == (OLD, "old")
    assert (moved.info.release, value_of(moved, "by")) == (NEW, "new")
    told = [(e.event.by, e.event.release) for e in moved.journal if isinstance(e.event, ev.Resumed)]
    assert told == [("cli:alice", NEW)]
    assert [event.to_dict().get("release") for event in moved.events if event.type == "workflow_resumed"] == [NEW]
    assert_no_violations(engine)


def test_a_retry_on_the_active_release_needs_the_same_structure(open_engine: OpenEngine) -> None:
    body = Ailing()
    registry = registry_with(OLD, tasks("orders", body("old")))
    engine = open_engine(registry)
    run = engine.execute("orders", {})
    add_release(registry, NEW, tasks("orders", body("new"), says_last("more")))
    with pytest.raises(StructureChanged, match=NEW):
        engine.control.retry(run.id, release="active")
    row = engine.reader.row(run.id)
    assert (row.release, row.status) == (OLD, "failed")
    with pytest.raises(InvalidArgument, match="active"):
        engine.control.retry(run.id, release="1.0")  # type: ignore[arg-type]
    body.is_ill = False
    engine.control.retry(run.id)
    assert value_of(end(engine, run.id), "by") == "old"


def test_a_run_can_be_moved_to_code_and_back(open_engine: OpenEngine) -> None:
    body = Ailing()
    registry = registry_with(OLD, tasks("orders", body("old")))
    engine = open_engine(registry)
    run = engine.execute("orders", {})
    registry.register(tasks("orders", body("code")))
    engine.control.retry(run.id, release="active")
    assert end(engine, run.id).info.release is None
    registry.unregister("orders")
    body.is_ill = False
    engine.control.retry(run.id, release="active")
    found = end(engine, run.id)
    assert (found.info.release, value_of(found, "by")) == (OLD, "old")
    assert_no_violations(engine)


def test_a_process_without_code_moves_a_run_by_the_catalog(open_engine: OpenEngine) -> None:
    body = Ailing()
    registry = registry_with(OLD, tasks("orders", body("old")), tasks("unknown", body("old")))
    engine = open_engine(registry, listed=True)
    run, lost = engine.execute("orders", {}), engine.execute("unknown", {})
    reader = open_engine(Registry())
    add_release(registry, NEW, tasks("orders", body("new")))
    engine.driver.announce(SIGNAL_TIMEOUT_SECONDS)
    found = reader.store.get_workflow("orders")
    assert found is not None
    assert found.release == NEW
    body.is_ill = False
    reader.control.retry(run.id, release="active")
    moved = end(engine, run.id)
    assert (moved.info.release, value_of(moved, "by")) == (NEW, "new")
    reader.store.announce_workflows([replace(found, name="unknown", structure="other", release=NEW)], [])
    with pytest.raises(StructureChanged, match=f"unknown@{NEW}"):
        reader.control.retry(lost.id, release="active")
    reader.store.announce_workflows([replace(found, name="unknown", structure=None)], [])
    with pytest.raises(WorkflowNotFound):
        reader.control.retry(lost.id, release="active")
    assert_no_violations(engine)


def dated_graph(release: str, *, fails: bool) -> Any:
    @node(output_name="by")
    def describe(day: datetime.date) -> str:
        if fails:
            raise ValueError("ill")
        return f"{release} {type(day).__name__} {day.isoformat()}"

    return Graph([describe], name="dated").program("dated")


@pytest.mark.parametrize("to_code", [False, True])
def test_a_moved_run_is_read_by_its_new_release(open_engine: OpenEngine, to_code: bool) -> None:
    one = open_engine(registry_with(OLD, dated_graph("old", fails=True)), listed=True)
    one.driver.announce(SIGNAL_TIMEOUT_SECONDS)
    given = start_by_name(open_engine(Registry()), "dated", {"day": "2026-11-30"})
    assert end(one, given.info.id).info.status == "failed"
    one.close(SIGNAL_TIMEOUT_SECONDS)
    new = dated_graph("new", fails=False)
    registry = Registry() if to_code else registry_with(NEW, new)
    if to_code:
        registry.register(new)
    other = open_engine(registry)
    other.control.retry(given.info.id, release="active")
    moved = end(other, given.info.id)
    assert (moved.info.release, value_of(moved, "by")) == (None if to_code else NEW, "new date 2026-11-30")
    assert_no_violations(other)


def test_a_move_that_meets_a_change_of_another_process_is_decided_again(open_engine: OpenEngine) -> None:
    body = Ailing()
    registry = registry_with(OLD, tasks("orders", body("old")))
    engine = open_engine(registry)
    run = engine.execute("orders", {})
    add_release(registry, NEW, tasks("orders", body("new")))
    other = open_engine(registry_with(OLD, tasks("orders", body("old"))))
    commit, is_first = engine.store.commit, [True]

    def commit_late(updates: Any) -> Any:
        if is_first.pop() if is_first else False:
            other.control.retry(run.id)  # fails again
            assert end(other, run.id).info.status == "failed"
            body.is_ill = False
        return commit(updates)

    engine.store.commit = commit_late  # type: ignore[method-assign]
    engine.control.retry(run.id, release="active")
    moved = end(engine, run.id)
    assert (moved.info.release, value_of(moved, "by")) == (NEW, "new")
    assert [e.event.release for e in moved.journal if isinstance(e.event, ev.Resumed)] == [None, NEW]
    assert_no_violations(engine)


def test_children_of_nodes_move_with_their_parent(open_engine: OpenEngine) -> None:
    ill = [True]
    registry = registry_with(OLD, nested_graph(0, fails=lambda: ill[0]))
    engine = open_engine(registry)
    run = engine.execute("outer", {"x": 1})
    (child,) = run.children
    assert (run.info.status, child.status, child.release) == ("failed", "failed", OLD)
    add_release(registry, NEW, nested_graph(100))
    with pytest.raises(InvalidArgument, match="with its parent"):
        engine.control.retry(child.id, release="active")
    ill[0] = False
    engine.control.retry(run.id, release="active")
    moved = end(engine, run.id)
    assert (moved.info.release, value_of(moved, "done")) == (NEW, 103)
    assert {row.release for row in engine.store.iter_runs()} == {NEW}
    assert_no_violations(engine)


# -- starts


def test_a_run_by_name_is_pinned_to_the_release_of_the_catalog(open_engine: OpenEngine) -> None:
    registry = registry_with(OLD, tasks("orders", says("old")))
    engine, reader = open_engine(registry, listed=True), open_engine(Registry())
    engine.driver.announce(SIGNAL_TIMEOUT_SECONDS)
    first = start_by_name(reader, "orders")
    assert (first.info.release, value_of(end(engine, first.info.id), "by")) == (OLD, "old")
    add_release(registry, NEW, tasks("orders", says("new")))
    engine.driver.announce(SIGNAL_TIMEOUT_SECONDS)
    second = start_by_name(reader, "orders")
    assert (second.info.release, value_of(end(engine, second.info.id), "by")) == (NEW, "new")


def test_a_release_that_is_being_removed_starts_no_run_by_name(open_engine: OpenEngine) -> None:
    engine = open_engine(registry_with(OLD, tasks("orders", says("old"))), listed=True)
    engine.driver.announce(SIGNAL_TIMEOUT_SECONDS)
    engine.store.put_release(ReleaseRow(OLD, OLD * 4, "shop", "1.0", "draining"))
    with pytest.raises(ReleaseDraining, match=r"shop 1\.0"):
        start_by_name(engine, "orders")


def test_a_workflow_that_the_active_version_does_not_have_starts_no_run_by_name(open_engine: OpenEngine) -> None:
    engine = open_engine(registry_with(OLD, tasks("orders", says("old"))), listed=True)
    engine.driver.announce(SIGNAL_TIMEOUT_SECONDS)
    engine.store.put_release(ReleaseRow(OLD, OLD * 4, "shop", "1.0", "inactive", ["orders"]))
    assert start_by_name(engine, "orders").info.release == OLD, "none is active"
    engine.store.put_release(ReleaseRow(NEW, NEW * 4, "shop", "2.0", "active", ["orders"]))
    assert start_by_name(engine, "orders").info.release == OLD, "the other one will be announced"
    row = engine.store.get_release(NEW)
    assert row is not None
    engine.store.put_release(replace(row, workflows=["bills"]))
    with pytest.raises(WorkflowNotFound, match=r"shop 2\.0, the active version"):
        start_by_name(engine, "orders")


def test_schedules_start_runs_on_the_active_release(open_engine: OpenEngine) -> None:
    registry = registry_with(OLD, tasks("orders", says("old")))
    engine = open_engine(registry, scheduling=ScheduleConfig(cron=True, poll_seconds=0.05))
    now = engine.clock.now()
    row = ScheduleRow("s", "cron", "each-second", "orders", "* * * * * *", created_at=now, next_at=now, settled_at=now)
    engine.store.put_schedule(row)
    engine.driver.check_for_work()
    wait_for_release(engine, OLD)
    add_release(registry, NEW, tasks("orders", says("new")))
    wait_for_release(engine, NEW)
    registry.deactivate(NEW)
    assert {row.origin for row in engine.store.iter_runs()} == {"cron"}


def test_triggers_of_a_registry_start_runs_on_the_active_release(open_engine: OpenEngine) -> None:
    registry = registry_with(OLD, tasks("orders", says("old")))
    engine = open_engine(registry, scheduling=ScheduleConfig(triggers=True, poll_seconds=0.05))
    registry.triggers.register(Trigger("shop/new-orders", "orders", 20_000, True, TriggerResult.fire))
    wait_for_release(engine, OLD)
    add_release(registry, NEW, tasks("orders", says("new")))
    wait_for_release(engine, NEW)
    registry.triggers.unregister("shop/new-orders")
    assert {row.started_by for row in engine.store.iter_runs()} == {"trigger:shop/new-orders"}


def wait_for_release(engine: Engine, release: str) -> None:
    """Returns when a run of the release is completed."""
    while not [row for row in engine.store.list_runs(RunFilter(status="completed")) if row.release == release]:
        poll_pause()  # bounded by the test's time-out


# -- what is told


def test_an_overdue_run_of_another_release_is_left_alone(open_engine: OpenEngine, gate: Gate) -> None:
    one = open_engine(registry_with(OLD, tasks("orders", waits(gate, "old"))))
    run_id = one.submit("orders", {}).info.id
    gate.wait_started()
    one.close(0)
    gate.open.set()
    other = open_engine(registry_with(NEW, tasks("orders", says("new"))), scan_interval_seconds=0.05)
    (row,) = [row for row in other.store.iter_runs() if row.id == run_id]
    late = replace(row, deadline_at=other.clock.now())
    other.store.commit([RunUpdate(late, row.seq, [], other.clock.now())])
    scanned = threading.Event()
    overdue_runs = other.store.overdue_runs

    def watched(before: Any) -> Any:
        found = overdue_runs(before)
        scanned.set()
        return found

    other.store.overdue_runs = watched  # type: ignore[method-assign]
    assert scanned.wait(SIGNAL_TIMEOUT_SECONDS)
    scanned.clear()
    assert scanned.wait(SIGNAL_TIMEOUT_SECONDS)
    assert other.reader.row(run_id).status == "running"
    third = open_engine(registry_with(OLD, tasks("orders", says("old"))), scan_interval_seconds=0.05)
    assert end(third, run_id).info.status == "failed"


def test_a_runner_is_listed_with_the_releases_it_has(open_engine: OpenEngine) -> None:
    registry = registry_with(OLD, tasks("orders", says("old")))
    registry.register(tasks("plain", says("code")))
    engine = open_engine(registry, listed=True)
    assert engine.driver.announce(SIGNAL_TIMEOUT_SECONDS) == [f"orders@{OLD}", "plain"]
    (runner,) = engine.store.list_runners()
    assert runner.workflows == [f"orders@{OLD}", "plain"]


def test_the_checker_knows_what_releases_runs_are_of(open_engine: OpenEngine, gate: Gate) -> None:
    engine = open_engine(registry_with(OLD, tasks("orders", waits(gate, "old"))))
    run_id = engine.submit("orders", {}).info.id
    gate.wait_started()
    row, (work,) = engine.reader.row(run_id), engine.store.work_of_run(run_id)
    engine.close(0)
    reader = open_engine(Registry(), recover=False)
    wrong = replace(work, workflow="orders", owner=None)
    row = reader.reader.row(run_id)
    place = [(work.node, work.fence)]
    reader.store.commit([RunUpdate(row, row.seq, [], row.created_at, work_removed=place, work_added=[wrong])])
    found = [str(v) for v in StoreChecker(reader.store, reader.clock.now).find_violations()]
    assert len(found) == 1
    assert f"for runners with 'orders', though it is a run of 'orders@{OLD}'" in found[0]
    gate.open.set()


def test_the_doctor_tells_that_no_runner_has_the_release_of_a_run(open_engine: OpenEngine) -> None:
    first = open_engine(registry_with(OLD, tasks("orders", says("old"))), listed=True)
    first.driver.announce(SIGNAL_TIMEOUT_SECONDS)
    first.close(0)
    reader = open_engine(Registry())
    run_id = start_by_name(reader, "orders").info.id
    (found,) = [f for f in diagnose_run(Database.of(reader), run_id) if f.code == "no_release"]
    assert found.severity == "problem"
    assert f"No live runner has orders@{OLD} (is not in this database)" in found.sentence
    assert "no release of this workflow is there" in found.sentence
    other = open_engine(registry_with(NEW, tasks("orders", says("new"))), listed=True)
    other.driver.announce(SIGNAL_TIMEOUT_SECONDS)
    error = "Traceback ...\nImportError: no module named 'pandas'"
    reader.store.put_release(ReleaseRow(OLD, OLD * 4, "shop", "1.0", "broken", error=error))
    (found,) = [f for f in diagnose_run(Database.of(reader), run_id) if f.code == "no_release"]
    assert "(shop 1.0, broken; ImportError: no module named 'pandas')" in found.sentence
    assert f"these releases are there: 'orders@{NEW}'" in found.sentence
    assert (found.facts["releases"], found.facts["release_state"]) == ([NEW], "broken")
    assert not [f for f in diagnose_run(Database.of(reader), other.execute("orders", {}).id) if f.code == "no_release"]
