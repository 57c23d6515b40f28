"""Runs are followed exactly: every event once and in order, from any place, from any process, through crashes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner, SyncRunner, WorkflowHandle, WorkflowRunner
from holdwater.errors import InvalidArgument, RunnerClosed, RunNotFound
from holdwater.events.run_events import NodeChildChanged, NodeEvent, NodeSkipped, NodeStarted, RunEvent, RunStarted
from holdwater.runners.graphs.durable.checkpointers import SqliteCheckpointer
from holdwater.runs import follow
from tests.runs.followed_workflows import (
    ASKING_INPUTS,
    GRAPH_INPUTS,
    MARKER_DIRECTORY,
    WORKFLOWS,
    asking_graph,
    followed_graph,
    followed_steps,
)
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, Gate
from tests.suite.waiting import poll_pause

Run = Callable[[DefaultRunner], WorkflowHandle]


def briefly(event: RunEvent) -> str:
    return f"{event.type} {event.node}" if isinstance(event, NodeEvent) else event.type


# -- what runs come to


def run_tasks(runner: DefaultRunner) -> WorkflowHandle:
    """A run that fails, is tried again and fails again."""
    handle = runner.submit("followed_tasks")
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    handle.retry("once more")
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    return handle


def run_steps(runner: DefaultRunner) -> WorkflowHandle:
    handle = runner.submit(followed_steps)
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    return handle


def run_graph(runner: DefaultRunner) -> WorkflowHandle:
    """A loop, and a map over child runs."""
    handle = runner.submit(followed_graph, GRAPH_INPUTS)
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    return handle


def run_answered(runner: DefaultRunner) -> WorkflowHandle:
    handle = runner.submit(asking_graph, ASKING_INPUTS)
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    handle.answer(None, True)
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    return handle


def run_cancelled(runner: DefaultRunner) -> WorkflowHandle:
    handle = runner.submit(asking_graph, ASKING_INPUTS)
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    handle.cancel("not now")
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    return handle


def run_forked(runner: DefaultRunner) -> WorkflowHandle:
    handle = run_tasks(runner).fork("clean", context={"rows": 4})
    handle.result(SIGNAL_TIMEOUT_SECONDS)
    return handle


def run_child(runner: DefaultRunner) -> WorkflowHandle:
    """The second item of a map."""
    parent = run_graph(runner)
    changes = [event for event in parent.events() if isinstance(event, NodeChildChanged)]
    (child,) = {event.child_run_id for event in changes if event.item_index == 1}
    return runner.handle(child)


RUNS: list[Run] = [run_tasks, run_steps, run_graph, run_answered, run_cancelled, run_forked, run_child]


@pytest.mark.parametrize("run", RUNS)
def test_a_run_is_read_on_from_every_place(runner: DefaultRunner, run: Run) -> None:
    assert_read_on_from_every_place(runner, run(runner))


@pytest.mark.parametrize("run", RUNS)
def test_a_run_in_memory_is_read_on_from_every_place(run: Run) -> None:
    with DefaultRunner("memory://") as runner:
        assert_read_on_from_every_place(runner, run(runner))


def assert_read_on_from_every_place(runner: DefaultRunner, handle: WorkflowHandle) -> None:
    whole = list(handle.events())
    assert whole[0].seq == 1
    assert whole[-1].seq == runner._engine.reader.row(handle.run_id).seq
    positions = [event.position for event in whole]
    assert positions == sorted(set(positions))
    for k, event in enumerate(whole):
        assert list(handle.events(after=event.position)) == whole[k + 1 :]
    for seq in range(whole[-1].seq + 1):
        assert list(handle.events(after=seq)) == [event for event in whole if event.seq > seq]
    json.dumps([event.to_dict() for event in whole])


def test_a_graph_tells_of_its_loop_and_its_map(runner: DefaultRunner) -> None:
    told = [briefly(event) for event in run_graph(runner).events()]
    assert told.count("task_completed step") == 3
    assert told.count("task_route_decided more") == 3
    assert told.count("task_child_changed doubles") == 2
    assert told.index("task_children_requested doubles") < told.index("task_child_changed doubles")
    assert told[-1] == "workflow_completed"


def test_a_step_that_jumps_and_one_that_skips_itself(runner: DefaultRunner) -> None:
    events = list(run_steps(runner).events())
    assert [briefly(event) for event in events if event.type not in ("task_marked_ready", "task_started")] == [
        "workflow_started",
        "task_completed count",
        "task_route_decided any",
        "task_completed any",
        "task_skipped never",
        "task_skipped after",
        "task_failed try",
        "task_retry_scheduled try",
        "task_failed try",
        "workflow_failed",
    ]
    assert [event.reason for event in events if isinstance(event, NodeSkipped)] == ["skipped by any", "nothing to do"]


def test_a_question_its_answer_and_a_cancellation(runner: DefaultRunner) -> None:
    told = [briefly(event) for event in run_answered(runner).events()]
    pause = told.index("workflow_paused")
    assert told[pause - 1 : pause + 5] == [
        "task_input_requested ask",
        "workflow_paused",
        "task_input_provided ask",
        "task_completed ask",
        "task_marked_ready finish",
        "workflow_resumed",
    ]
    told = [briefly(event) for event in run_cancelled(runner).events()]
    assert told[-3:] == ["workflow_cancel_requested", "task_cancelled ask", "workflow_cancelled"]


def test_a_fork_says_where_it_comes_from_and_what_it_took_over(runner: DefaultRunner) -> None:
    events = list(run_forked(runner).events())
    assert [event.type for event in events[:2]] == ["workflow_forked", "task_inputs_overridden"]
    assert {event.node for event in events if isinstance(event, NodeStarted) and event.inherited} == {"load"}


def test_a_child_run_names_its_parent(runner: DefaultRunner) -> None:
    start = next(iter(run_child(runner).events()))
    assert isinstance(start, RunStarted)
    assert (start.parent_node, start.item_index) == ("doubles", 1)


# -- while it goes on


def test_a_run_is_followed_from_another_runner_and_past_a_pause(open_runner: Callable[..., DefaultRunner]) -> None:
    executing, watching = open_runner(), open_runner()
    handle = executing.submit(asking_graph, ASKING_INPUTS)
    seen: list[RunEvent] = []
    for event in watching.events(handle.run_id):
        seen.append(event)
        if event.type == "workflow_paused":
            handle.answer(None, True)
    assert seen == list(handle.events())
    assert seen[-1].type == "workflow_completed"


def test_a_follower_is_told_and_need_not_look(
    open_runner: Callable[..., DefaultRunner], define: Define, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commits of another runner wake it: the next look by itself would come an hour later."""
    monkeypatch.setattr(follow, "FIRST_WAITS_SECONDS", ())
    monkeypatch.setattr(follow, "LONGEST_WAIT_SECONDS", 3600.0)
    executing, watching = open_runner(), open_runner()
    name = define(
        "gated", ("wait", lambda context: gate(), {}), ("end", lambda context: None, {"dependencies": ["wait"]})
    )
    handle = executing.submit(name)
    gate.wait_started()
    events: list[RunEvent] = []
    follower = threading.Thread(target=lambda: events.extend(watching.events(handle.run_id)))
    follower.start()
    while not executing._engine.driver.journal_watchers.is_followed_elsewhere(handle.run_id):
        poll_pause()  # bounded by the test's time-out
    gate.open.set()
    follower.join(SIGNAL_TIMEOUT_SECONDS)
    assert events == list(handle.events())
    assert events[-1].type == "workflow_completed"


def test_coroutines_follow_too(runner: DefaultRunner, define: Define, gate: Gate) -> None:
    name = define("gated", ("wait", lambda context: gate(), {}))
    handle = runner.submit(name)

    async def collect() -> list[RunEvent]:
        events = []
        async for event in handle.events():
            events.append(event)
            gate.open.set()
        return events

    events = asyncio.run(asyncio.wait_for(collect(), SIGNAL_TIMEOUT_SECONDS))
    assert events == list(handle.events())


def test_shutting_down_ends_the_iteration_with_an_error(runner: DefaultRunner, define: Define, gate: Gate) -> None:
    handle = runner.submit(define("gated", ("wait", lambda context: gate(), {})))
    events = iter(handle.events())
    assert next(events).type == "workflow_started"
    gate.open.set()
    runner.shutdown()
    with pytest.raises(RunnerClosed):
        list(handle.events())


def test_wrong_places_and_unknown_runs(runner: DefaultRunner) -> None:
    handle = run_steps(runner)
    wrong: Any
    for wrong in (-1, True, (1, 2, 3), "1", (1, -1), None):
        with pytest.raises(InvalidArgument):
            handle.events(after=wrong)
    with pytest.raises(RunNotFound):
        runner.events("none")


# -- elsewhere


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "tests.runs.followed_workflows", *words]


@pytest.mark.parametrize("style", WORKFLOWS)
def test_a_killed_runner_is_followed_through_by_others(
    runner: DefaultRunner, url: str, style: str, tmp_path: Path
) -> None:
    """Executed in one process, which is killed in the middle, then in another; followed in two others in turn."""
    environment = {**os.environ, MARKER_DIRECTORY: str(tmp_path)}
    execute = _command("execute", url, style, "the-run")
    assert subprocess.run(execute, env=environment, check=False).returncode == -signal.SIGKILL
    (summary,) = runner.list_runs(top_level=True)
    seen: list[RunEvent] = []
    second: subprocess.Popen[str] | None = None
    for event in runner.events(summary.run_id):
        seen.append(event)
        if second is None:
            second = subprocess.Popen(execute, env=environment, text=True)
        if event.type == "task_attempt_lost":
            break
    assert second is not None
    seq, part = seen[-1].position
    rest = subprocess.run(
        _command("follow", url, summary.run_id, str(seq), str(part)), check=True, capture_output=True, text=True
    )
    assert second.wait(SIGNAL_TIMEOUT_SECONDS) == 0
    collected = [event.to_dict() for event in seen] + [json.loads(line) for line in rest.stdout.splitlines()]
    assert collected == [event.to_dict() for event in runner.events(summary.run_id)]
    assert len({(event["seq"], event["part"]) for event in collected}) == len(collected)


# -- the other runners


def test_steps_and_graphs_of_their_own_runners() -> None:
    with WorkflowRunner() as runner:
        result = runner.execute(followed_steps)
        assert [event.type for event in runner.events(result.run_id)][-1] == "workflow_failed"


def test_a_checkpointed_graph(tmp_path: Path) -> None:
    with SqliteCheckpointer(tmp_path / "graphs.db") as checkpointer:
        SyncRunner(checkpointer=checkpointer).run(followed_graph, GRAPH_INPUTS, workflow_id="g")
        assert [event.type for event in checkpointer.events("g", after=1)][-1] == "workflow_completed"
