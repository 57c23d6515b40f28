"""Everything that can hold a run, each in the real situation."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from holdwater import Context, DefaultRunner, TaskHandle, WorkflowHandle
from holdwater.client import Client
from holdwater.executors import ThreadExecutor
from holdwater.graphs import Graph, InterruptNode, register_graph
from holdwater.model.ids import new_owner_id, parse_owner_id
from holdwater.model.records import RunUpdate
from holdwater.model.registry import registry
from holdwater.model.time import add_seconds
from holdwater.model.value_types.plain_json import to_plain_json
from holdwater.operations.databases import Database, open_for_control, open_for_reading
from holdwater.operations.doctor import Finding, diagnose_run
from holdwater.operations.runners import list_runners
from holdwater.runtime.active_run import INTERRUPTED_REASON
from holdwater.steps import Step, Workflow, register_workflow
from tests.operations.doctor.conftest import StartProcess, later
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate
from tests.suite.waiting import wait_until

# findings name the workflows that runners have: those of other tests are not among them
pytestmark = pytest.mark.usefixtures("empty_registry")


def database_of(runner: DefaultRunner) -> Database:
    return Database.of(runner._engine)


def findings(database: Database, run_id: str) -> dict[str, Finding]:
    """By code; all of them are sentences with plain facts."""
    found = diagnose_run(database, run_id)
    severities = ["problem", "warning", "info", "ok"]
    assert [severities.index(one.severity) for one in found] == sorted(severities.index(one.severity) for one in found)
    for one in found:
        assert one.sentence[0].isupper()
        assert "  " not in one.sentence.replace(".  ", ". ")
        assert to_plain_json(dict(one.facts)) == dict(one.facts)
    return {one.code: one for one in found}


def run_to_rest(runner: DefaultRunner, name: str, **given: Any) -> WorkflowHandle:
    handle = runner.submit(name, given)
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    return handle


def wait_listed(database: Database, workflow: str) -> None:
    """Wait until a living runner is listed with a workflow."""
    wait_until(lambda: any(workflow in one.workflows and one.is_alive for one in list_runners(database)))


def execute_sql(url: str, statement: str) -> None:
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        with connection:
            connection.execute(statement)
        connection.close()
    else:
        with psycopg.connect(url, autocommit=True) as session:
            session.execute(statement)


def nothing(context: Context) -> None: ...


# -- no runner, no executor, no slot


def test_no_runner_has_the_workflow(url: str, open_runner: Callable[..., DefaultRunner], define: Define) -> None:
    define("orders", ("load", nothing, {}))
    first = open_runner()
    run_to_rest(first, "orders")
    first.shutdown()
    registry.unregister("orders")
    define("order", ("load", nothing, {}))
    with Client(url) as client:
        run = client.submit("orders", {})
    with open_for_reading(url) as database:
        found = findings(database, run.run_id)
        assert "no_runner" in found, found
        alone = found["no_runner"]
        assert alone.severity == "problem"
        assert "it was last announced" in alone.sentence
        assert alone.sentence.endswith("none is up.")
        assert alone.facts["tasks"] == ["load"]
        assert alone.command == ("worker", __name__), "the file of its functions, as a module of its package"
        other = open_runner(runner_name="other worker")
        wait_listed(database_of(other), "order")
        found = findings(database, run.run_id)
        assert "no_runner" in found, found
        beside = found["no_runner"]
        assert "1 other runner is up" in beside.sentence
        assert [(one["name"], one["workflows"]) for one in beside.facts["runners"]] == [("other worker", ["order"])]


def test_a_workflow_that_was_never_announced_has_names_that_come_near(
    url: str, open_runner: Callable[..., DefaultRunner], define: Define
) -> None:
    define("order", ("load", nothing, {}))
    first = open_runner()
    run_to_rest(first, "order")
    first.shutdown()
    registry.unregister("order")
    with Client(url) as client:
        run = client.submit("order", {})
    execute_sql(url, "DELETE FROM workflows")
    define("orders", ("load", nothing, {}))
    database = database_of(open_runner())
    wait_listed(database, "orders")
    found = findings(database, run.run_id)["no_runner"]
    assert "no runner of this database has ever announced it" in found.sentence
    assert "did you mean 'orders'?" in found.sentence


def test_no_runner_has_the_executor(url: str, open_runner: Callable[..., DefaultRunner], define: Define) -> None:
    define("trains", ("fit", nothing, {"executor": "gpu"}))
    define("other", ("a", nothing, {}))
    first = open_runner(executors={"gpu": ThreadExecutor(1)})
    run_to_rest(first, "trains")
    first.shutdown()
    with Client(url) as client:
        run = client.submit("trains", {})
    database = database_of(open_runner(runner_name="cpu worker"))
    wait_listed(database, "other")
    found = findings(database, run.run_id)
    assert "no_runner" not in found
    assert found["no_executor"].severity == "problem"
    assert found["no_executor"].sentence == (
        "Task 'fit' needs the executor 'gpu', and no live runner has it: 'cpu worker' has 'default'."
    )


def test_slots_are_full(open_runner: Callable[..., DefaultRunner], define: Define, gate: Gate) -> None:
    define("busy", ("work", lambda context: gate(), {}))
    runner = open_runner(max_concurrent_tasks=1, prefetch_tasks=1, runner_name="small")
    database = database_of(runner)
    wait_listed(database, "busy")
    first = runner.submit("busy", {})
    gate.wait_started()
    others = [runner.submit("busy", {}) for _ in range(3)]
    executing = findings(database, first.run_id)
    assert "executed by runner 'small'" in executing["executing"].sentence
    assert executing["moving"].severity == "ok"
    last = findings(database, others[-1].run_id)["slots_full"]
    assert (last.severity, last.facts["slots"], last.facts["busy"], last.facts["queued_before"]) == ("info", 1, 1, 2)
    assert "behind 2 ready tasks: all 1 slots of 'small' are taken" in last.sentence
    gate.open.set()
    for handle in (first, *others):
        handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert list(findings(database, first.run_id)) == ["completed"]


def test_work_behind_that_of_a_runner_of_its_own_runs(
    open_runner: Callable[..., DefaultRunner], define: Define, gate: Gate
) -> None:
    define("wide", *[(name, lambda context: gate(), {}) for name in "abc"])
    runner = open_runner(max_concurrent_tasks=1, prefetch_tasks=1, own_runs_only=True)
    run = runner.submit("wide", {})
    gate.wait_started()
    wait_until(lambda: "queued" in findings(database_of(runner), run.run_id))
    queued = findings(database_of(runner), run.run_id)["queued"]
    assert queued.severity == "info"
    assert f", process {os.getpid()}) executes the run and should take " in queued.sentence
    gate.open.set()
    run.result(SIGNAL_TIMEOUT_SECONDS)


# -- processes that died

WORKER = """
    import time
    from holdwater import DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task

    with WorkflowBuilder("long"):
        @task()
        def body(context):
            time.sleep(600)

    runner = DefaultRunner.with_config({url!r}, DefaultRunnerConfig(lease_seconds=300, runner_name="night shift"))
    runner.submit("long", {{}})
    time.sleep(600)
"""


def test_the_process_was_killed(
    url: str, start_process: StartProcess, open_runner: Callable[..., DefaultRunner], define: Define
) -> None:
    open_runner().shutdown()  # makes the tables
    with open_for_control(url) as engine:
        database = Database.of(engine)
        process = start_process(WORKER.format(url=url))
        wait_until(lambda: any(one.status == "running" for one in list_runners(database)))
        wait_until(lambda: (runs := engine.store.list_runs(_all())) and "executing" in findings(database, runs[0].id))
        run_id = engine.store.list_runs(_all())[0].id
        found = findings(database, run_id)
        assert f"executed by runner 'night shift' ({found['executing'].facts['host']}, process {process.pid})" in (
            found["executing"].sentence
        )
        assert found["executing"].facts["pid"] == process.pid
        process.send_signal(signal.SIGKILL)
        process.wait()
        if not engine.store.tracks_liveness:
            silent = findings(later(database, 60), run_id)["runner_silent"]
            assert silent.severity == "problem", "no other runner has the workflow"
            assert "others take this over when its lease has ended" in silent.sentence
            database = later(database, 400)
        lost = findings(database, run_id)["orphaned"]
        assert (lost.severity, lost.facts["pid"], lost.command) == (
            "problem",
            process.pid,
            ("worker", process.args[1]),  # type: ignore[index]
        )
        assert "no live runner has the workflow" in lost.sentence

        if engine.store.tracks_liveness:  # otherwise it takes until the end of the lease
            define("long", ("body", nothing, {}))
            heir = open_runner(runner_name="day shift")
            wait_until(lambda: heir.handle(run_id).status == "Completed")
            assert list(findings(database, run_id)) == ["completed"]


def _all() -> Any:
    from holdwater.model.records import RunFilter

    return RunFilter()


def test_a_task_that_kills_its_process_again_and_again(url: str, start_process: StartProcess) -> None:
    code = f"""
        import os
        from holdwater import DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task

        with WorkflowBuilder("deadly"):
            @task()
            def shoot(context):
                if os.environ.get("ARMED") != "no":
                    os.kill(os.getpid(), 9)

        config = DefaultRunnerConfig(max_crashes_per_task=1, lease_seconds=1)
        with DefaultRunner.with_config({url!r}, config) as runner:
            handle = runner.submit("deadly", {{}}, idempotency_key="once")
            handle.result(60)
    """
    for _ in range(2):
        assert start_process(code).wait(SIGNAL_TIMEOUT_SECONDS) in (0, -9)
    with open_for_reading(url) as database:
        (run,) = database.store.list_runs(_all())
        if run.status == "running":  # the second process died, too: a third one finds the culprit
            assert start_process(code).wait(SIGNAL_TIMEOUT_SECONDS) == 0
        (run,) = database.store.list_runs(_all())
        found = findings(database, run.id)["crashed_too_often"]
        assert (found.severity, found.facts["task"], found.command) == ("problem", "shoot", ("runs", "retry", run.id))
        assert "its process died" in found.sentence


# -- it waits


def test_a_retry_is_waited_for(runner: DefaultRunner, define: Define) -> None:
    def fail(context: Context) -> None:
        raise ConnectionError("no network")

    define("flaky", ("fetch", fail, {"retry_attempts": 3, "retry_delay_ms": 600_000, "retry_backoff": "fixed"}))
    handle = runner.submit("flaky", {})
    database = database_of(runner)
    wait_listed(database, "flaky")
    wait_until(lambda: "retry_waiting" in findings(database, handle.run_id))
    found = findings(database, handle.run_id)
    waiting = found["retry_waiting"]
    assert waiting.severity == "info"
    assert waiting.sentence.startswith(
        "Task 'fetch' failed at attempt 1 of 3 (ConnectionError: no network) and is tried"
    )
    assert (waiting.facts["attempt"], waiting.facts["max_attempts"]) == (1, 3)
    assert found["moving"].severity == "ok"
    assert found["deadline"].severity == "info"
    runner.shutdown()
    with open_for_reading(database.store.url) as reopened:
        alone = findings(reopened, handle.run_id)["retry_waiting"]
        assert (alone.severity, alone.command) == ("problem", ("worker", __name__))
        assert "nothing will happen then" in alone.sentence


def test_a_timer_is_waited_for_and_a_deadline_passes(open_runner: Callable[..., DefaultRunner], define: Define) -> None:
    register_workflow(Workflow("sleeper", [Step.wait("nap", 3600.0)]))
    try:
        runner = open_runner(workflow_timeout_seconds=7200)
        database = database_of(runner)
        handle = runner.submit("sleeper", {})
        wait_listed(database, "sleeper")
        wait_until(lambda: "waiting_until" in findings(database, handle.run_id))
        found = findings(database, handle.run_id)
        assert found["waiting_until"].sentence.startswith("Task 'nap' waits until 20")
        assert 3000 < found["waiting_until"].facts["wait_seconds"] <= 3600
        assert found["moving"].severity == "ok"
        late = findings(later(database, 100_000), handle.run_id)
        assert late["deadline_passed"].severity == "warning"
    finally:
        registry.unregister("sleeper")


def test_answers_are_waited_for_also_those_of_child_runs(runner: DefaultRunner) -> None:
    low = Graph([InterruptNode("ask", "draft", "verdict", bool)], name="low")
    register_graph(low)
    register_graph(Graph([low.as_node(name="inner")], name="outer"))
    try:
        database = database_of(runner)
        one = run_to_rest(runner, "low", draft="rain")
        asked = findings(database, one.run_id)["waits_for_answer"]
        assert asked.severity == "problem"
        assert asked.sentence.endswith("for the answer to 'ask' (yes or no): rain")
        assert asked.command == ("runs", "answer", one.run_id, "ANSWER")
        two = run_to_rest(runner, "outer", draft="snow")
        found = findings(database, two.run_id)
        child = found["waits_for_child"]
        assert (child.severity, child.facts["task"], child.run_id) == ("info", "inner", two.run_id)
        assert found["waits_for_answer"].run_id == child.facts["child_runs"][0]
        assert "moving" not in found
    finally:
        registry.unregister("low")
        registry.unregister("outer")


def test_after_the_answer_nothing_goes_on_without_a_runner(url: str, open_runner: Callable[..., DefaultRunner]) -> None:
    register_graph(Graph([InterruptNode("ask", "draft", "verdict", bool)], name="low"))
    try:
        first = open_runner()
        run_id = run_to_rest(first, "low", draft="rain").run_id
        first.shutdown()
        with open_for_reading(url) as database:
            found = diagnose_run(database, run_id)
            assert [one.code for one in found][:2] == ["waits_for_answer", "no_runner"]
            assert found[1].command == ("worker", "MODULE"), "a question has no function, and no file"
            assert "after the answer the run waits until one is up" in found[1].sentence
    finally:
        registry.unregister("low")


def test_a_child_that_a_task_waits_for_is_followed_down(runner: DefaultRunner, define: Define) -> None:
    def fail(context: Context) -> None:
        raise ConnectionError("no network")

    define("low", ("fetch", fail, {"retry_attempts": 2, "retry_delay_ms": 600_000}))

    def call(name: str) -> Callable[[Context, TaskHandle], None]:
        def body(context: Context, handle: TaskHandle) -> None:
            handle.execute(name, {})

        return body

    define("middle", ("call", call("low"), {}))
    define("top", ("call", call("middle"), {}))
    database = database_of(runner)
    handle = runner.submit("top", {})
    wait_listed(database, "top")
    wait_until(lambda: "retry_waiting" in findings(database, handle.run_id))
    found = diagnose_run(database, handle.run_id)
    waits = [one for one in found if one.code == "waits_for_child"]
    assert waits[0].run_id == handle.run_id
    assert waits[1].run_id == waits[0].facts["child_runs"][0]
    (retry,) = [one for one in found if one.code == "retry_waiting"]
    assert retry.run_id == waits[1].facts["child_runs"][0]
    handle.cancel()


# -- paused, parked, unreadable


def test_a_run_was_paused_by_a_person(runner: DefaultRunner, define: Define, gate: Gate) -> None:
    define("two", ("a", lambda context: gate(), {}), ("b", nothing, {"dependencies": ["a"]}))
    handle = runner.submit("two", {})
    gate.wait_started()
    runner._engine.control.pause(handle.run_id, "price is wrong", by="cli:alice")
    gate.open.set()
    database = database_of(runner)
    found = findings(database, handle.run_id)["paused"]
    assert found.severity == "problem"
    assert found.sentence.startswith("The run was paused by cli:alice ")
    assert found.sentence.endswith(" ago: price is wrong.")
    assert found.command == ("runs", "resume", handle.run_id)
    handle.resume()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


def test_the_structure_of_the_workflow_has_changed(
    url: str, open_runner: Callable[..., DefaultRunner], define: Define
) -> None:
    define(
        "orders",
        ("load", nothing, {}),
        ("old", nothing, {"dependencies": ["load"]}),
        ("send", nothing, {"dependencies": ["old"]}),
    )
    first = open_runner()
    run_to_rest(first, "orders")
    first.shutdown()
    with Client(url) as client:
        run = client.submit("orders", {})
    registry.unregister("orders")
    define(
        "orders",
        ("load", nothing, {}),
        ("new", nothing, {"dependencies": ["load"]}),
        ("send", nothing, {"dependencies": ["new"]}),
    )
    second = open_runner()
    database = database_of(second)
    wait_until(lambda: second.handle(run.run_id).status == "Paused")
    wait_until(lambda: "new" in str(findings(database, run.run_id)["structure_changed"].facts.get("added")))
    found = findings(database, run.run_id)["structure_changed"]
    assert found.severity == "problem"
    assert (found.facts["added"], found.facts["removed"]) == (["new"], ["old"])
    assert "'new' is new, 'old' is gone" in found.sentence
    assert "comes after 'new' and comes after 'old' no more" in found.facts["changed"]["send"]
    assert found.command == ("runs", "resume", run.run_id)


def test_a_run_that_cannot_be_read(url: str, runner: DefaultRunner, define: Define, tmp_path: Path) -> None:
    if not url.startswith("sqlite"):
        pytest.skip("the file is damaged by hand")
    define("one", ("a", nothing, {}))
    handle = run_to_rest(runner, "one")
    connection = sqlite3.connect(tmp_path / "runs.db")
    with connection:
        connection.execute("UPDATE journal SET entries = '[[\"future\"]]'")
    connection.close()
    with open_for_reading(url) as database:
        found = findings(database, handle.run_id)["unreadable"]
    assert found.severity == "problem"
    assert "an entry this version cannot read" in found.sentence


def test_a_run_whose_caller_was_interrupted(runner: DefaultRunner, define: Define, gate: Gate) -> None:
    define("two", ("a", lambda context: gate(), {}), ("b", nothing, {"dependencies": ["a"]}))
    handle = runner.submit("two", {})
    gate.wait_started()
    runner._engine.control.pause(handle.run_id, INTERRUPTED_REASON)

    def assert_interrupted() -> None:
        found = findings(database_of(runner), handle.run_id)["interrupted"]
        assert (found.severity, found.command) == ("problem", ("runs", "resume", handle.run_id))

    assert_interrupted()  # while the function of its task is executed
    gate.open.set()
    wait_until(lambda: handle.info().task_results[0].status == "Completed")
    assert_interrupted()


def test_a_run_that_a_runner_has_set_aside(url: str, open_runner: Callable[..., DefaultRunner], define: Define) -> None:
    run_id = queue_run(url, open_runner, define)
    with open_for_control(url) as engine:
        row = engine.reader.row(run_id)
        parked = replace(
            row, status="paused", paused_at=engine.clock.now(), reason="cannot go on here: oops\nTraceback"
        )
        engine.store.commit([RunUpdate(parked, row.seq, [], engine.clock.now(), parked=True)])
        found = findings(Database.of(engine), run_id)["parked"]
    assert found.severity == "problem"
    assert found.sentence.endswith(": cannot go on here: oops.  `runs resume` tries again when the cause is gone.")


def queue_run(url: str, open_runner: Callable[..., DefaultRunner], define: Define) -> str:
    """A run of one task that no runner takes."""
    define("orders", ("load", nothing, {}))
    first = open_runner()
    run_to_rest(first, "orders")
    first.shutdown()
    with Client(url) as client:
        return client.submit("orders", {}).run_id


def test_work_that_was_claimed_and_lost(url: str, open_runner: Callable[..., DefaultRunner], define: Define) -> None:
    run_id = queue_run(url, open_runner, define)
    owner = new_owner_id()
    with open_for_control(url) as engine:
        engine.store.register_owner(owner)
        until = add_seconds(engine.clock.now(), 30)
        assert len(engine.store.claim_work(owner, until, until, 5, ["orders"], run_id)) == 1
        database = Database.of(engine)
        found = findings(database, run_id)
        assert found["claimed"].sentence.startswith(f"Task 'load' is claimed by runner ({parse_owner_id(owner)[0]}, ")
        assert found["moving"].severity == "ok"
        engine.store.unregister_owner(owner)
        assert findings(later(database, 60), run_id)["orphaned"].severity == "problem"
        engine.store.reclaim_expired(add_seconds(until, 60))
        taken = findings(database, run_id)["orphaned"]
        assert "the runner that had it died or lost its lease" in taken.sentence
        execute_sql(url, "DELETE FROM work")
        assert findings(database, run_id)["nothing_outstanding"].command == ("verify",)


def test_a_runner_that_does_not_answer_has_the_run(runner: DefaultRunner, define: Define, gate: Gate) -> None:
    define("one", ("a", lambda context: gate(), {}))
    handle = runner.submit("one", {})
    gate.wait_started()
    database = database_of(runner)
    wait_listed(database, "one")
    found = findings(later(database, 60), handle.run_id)["runner_silent"]
    assert found.severity == "problem"
    assert "its process lives, and keeps what it has" in found.sentence
    gate.open.set()
    handle.result(SIGNAL_TIMEOUT_SECONDS)


def test_another_structure_is_announced_while_a_run_waits(
    open_runner: Callable[..., DefaultRunner], define: Define
) -> None:
    def fail(context: Context) -> None:
        raise ConnectionError

    slowly = {"retry_attempts": 2, "retry_delay_ms": 60_000}
    define("orders", ("load", fail, slowly))
    first = open_runner()
    run_id = first.submit("orders", {}).run_id
    wait_until(lambda: "retry_waiting" in findings(database_of(first), run_id))
    first.shutdown()
    registry.unregister("orders")
    define("orders", ("load", fail, slowly), ("send", nothing, {"dependencies": ["load"]}))
    database = database_of(open_runner())
    wait_listed(database, "orders")
    found = findings(database, run_id)["structure_differs"]
    assert (found.severity, found.facts["added"]) == ("warning", ["send"])
    assert "with another structure: 'send' is new." in found.sentence


# -- ended


def test_ends_say_how_and_the_way_on(runner: DefaultRunner, define: Define, gate: Gate) -> None:
    def fail(context: Context) -> None:
        raise ValueError("amount is 0")

    define("failing", ("pay", fail, {"retry_attempts": 2, "retry_delay_ms": 1}))
    database = database_of(runner)
    failed = run_to_rest(runner, "failing")
    found = findings(database, failed.run_id)["failed"]
    assert found.severity == "problem"
    assert "because task 'pay' did, at its attempt 2: " in found.sentence
    assert "ValueError: amount is 0" in found.sentence
    assert found.command == ("runs", "retry", failed.run_id)
    assert (found.facts["task"], found.facts["attempts"], found.facts["category"]) == ("pay", 2, "ValueError")

    define("stopped", ("a", lambda context: gate(), {}))
    handle = runner.submit("stopped", {})
    gate.wait_started()
    runner._engine.control.cancel(handle.run_id, "wrong day", by="api")
    cancelling = findings(database, handle.run_id)["cancelling"]
    assert cancelling.sentence == "The run is being cancelled by api: wrong day; it ends when what is executed has."
    gate.open.set()
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    over = findings(database, handle.run_id)
    assert list(over) == ["cancelled"]
    assert (over["cancelled"].severity, over["cancelled"].facts["by"]) == ("info", "api")
    assert over["cancelled"].sentence.endswith(": wrong day.")
