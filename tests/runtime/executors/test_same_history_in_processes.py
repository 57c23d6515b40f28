"""I12: a run has the same history, whether its functions run in threads or in worker processes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.executors import ProcessExecutor, Router, ThreadExecutor
from holdwater.model.records import RunFilter
from holdwater.model.registry import registry
from tests.crash import graph_shapes, shapes, step_shapes
from tests.crash.forkserver import define_shape
from tests.runs.test_same_history import canonical_event
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(\+00:00)?")
TIMED = ("timeout",)
"""how often a function is begun depends on how long a process takes to start"""
SHAPES = [name for style in (shapes, step_shapes, graph_shapes) for name in style.SHAPES if name not in TIMED]


@pytest.fixture(scope="module")
def effects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    log = tmp_path_factory.mktemp("effects") / "log"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(shapes.LOG_VARIABLE, str(log))
        patched.setattr(shapes, "LOG", log)
        yield log


@pytest.fixture(scope="module")
def runners(effects: Path) -> Iterator[dict[str, DefaultRunner]]:
    """Every function on one slot, so that there is one order of events."""
    made = {}
    for name, executor in (("threads", ThreadExecutor(1)), ("processes", ProcessExecutor(1))):
        config = DefaultRunnerConfig(executors={"one": executor}, routing=Router([("**", "one")]))
        made[name] = DefaultRunner("memory://", config=config)
    yield made
    for runner in made.values():
        runner.shutdown()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_reference_workflow_in_threads_and_in_worker_processes(
    shape: str, runners: dict[str, DefaultRunner], effects: Path
) -> None:
    given = define_shape(shape)
    histories = {}
    for name, runner in runners.items():
        effects.write_text("")
        history = read_history(runner, run_to_its_end(runner, shape, given))
        histories[name] = history, sorted(effects.read_text().split())
    registry.unregister(shape)
    (runs, done), others = histories["threads"], histories["processes"]
    assert "" in runs
    assert len(done) > 1
    assert others == (runs, done)


def run_to_its_end(runner: DefaultRunner, workflow: str, given: dict[str, Any]) -> str:
    """Every question gets the answer it wants, one at a time, so that there is one order."""
    handle = runner.submit(workflow, given)
    while handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Paused":
        pause = min(runner.pauses(handle.run_id), key=lambda pause: pause.pause_id)
        runner.answer(handle.run_id, pause.pause_id, pause.value["reply"])
    return handle.run_id


def read_history(runner: DefaultRunner, run_id: str) -> dict[str, Any]:
    """The run and its children, by their places in it: status, error and events."""
    store = runner._engine.store
    rows = store.list_runs(RunFilter(limit=1000))
    found = {}
    for row in [row for row in rows if row.id == run_id or row.id.startswith(f"{run_id}/")]:
        events = [canonical_event(event) for one in store.read_journal(row.id) for event in json.loads(one.entries)]
        text = json.dumps([row.status, row.error, *split_events(events)])
        found[row.id.removeprefix(run_id)] = json.loads(INSTANT.sub("instant", text.replace(run_id, "RUN")))
    return found


def split_events(events: list[list[Any]]) -> tuple[list[list[Any]], list[list[Any]]]:
    """The events of a run in their order, and how its children ended: they run beside each other, in any order."""
    own = [event for event in events if event[0] != "child_status_changed"]
    children = {json.dumps(event[1:4]): event for event in events if event[0] == "child_status_changed"}
    return own, sorted(children.values(), key=json.dumps)
