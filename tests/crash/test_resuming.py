"""Runs that killed processes left behind, gone on with by others: by one of them, and only what is left to do."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from holdwater.runners.steps import WorkflowRunner
from holdwater.runs.verify.checker import StoreChecker
from holdwater.runtime.clock import SystemClock
from holdwater.steps import Step, Workflow
from holdwater.storage import open_store
from tests.engine.fake_clock import FakeClock
from tests.runners.steps.shapes import recording_step
from tests.storage.helpers import run_script
from tests.storage.redis_server import redis_url as redis_url
from tests.suite.waiting import poll_pause

SCRIPT = """
import asyncio, os, signal, sys
from holdwater.graphs import Graph, node
from holdwater.errors import RunInProgress
from holdwater.runners.graphs.async_runner import AsyncRunner
from holdwater.runners.graphs.durable.checkpointers import Checkpointer
from holdwater.runners.steps import WorkflowRunner, WorkflowRunnerConfig
from holdwater.steps import Step, StepResult, Workflow

face, place, mode, log = sys.argv[1:]

def note(text):
    with open(log, "a") as file:
        file.write(text + "\\n")

def hold():
    if mode == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    print("begun", flush=True)
    sys.stdin.readline()

@node(output_name="a")
def first(x: int) -> int:
    note("first")
    return x

@node(output_name="b")
def second(a: int) -> int:
    hold()
    note("second")
    return a + 1

def handler(body):
    def handle(context, config):
        body(1)
        return StepResult.ok({"done": body.name})
    return handle

workflow = Workflow("two", [Step.lambda_(body.name, handler(body)) for body in (first, second)])
graph = Graph([first, second], name="two")

def execute():
    if face == "graphs":
        with Checkpointer(place) as checkpointer:
            runner = AsyncRunner(checkpointer=checkpointer)
            return asyncio.run(runner.run(graph, {"x": 1}, workflow_id="the-run")).status.value
    if face == "database":
        runner = WorkflowRunner(place)
    else:
        options = {"checkpoint_path": place} if face == "file" else {"redis_url": place}
        runner = WorkflowRunner(config=WorkflowRunnerConfig(checkpoint_storage=face, **options))
    with runner:
        if mode == "die":
            return runner.execute(workflow, run_id="the-run").status
        return runner.resume("the-run", workflow=workflow).status

if mode != "die":
    print("ready", flush=True)
    sys.stdin.readline()
try:
    print(execute(), flush=True)
except RunInProgress:
    print("refused", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("face", ["graphs", "database", "file", "redis"])
def test_of_two_that_go_on_with_a_run_one_does(face: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    place, log = str(tmp_path / "runs"), tmp_path / "log"
    if face in ("graphs", "database"):
        place = f"sqlite:///{place}.db"
    if face == "redis":
        place = request.getfixturevalue("redis_url")
    command = [sys.executable, "-c", SCRIPT, face, place, "die", str(log)]
    died = subprocess.run(command, timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL
    if face == "redis":
        expire_leases(place)
    with (
        run_script(SCRIPT, face, place, "go", str(log)) as one,
        run_script(SCRIPT, face, place, "go", str(log)) as other,
    ):
        assert (one.read_line(), other.read_line()) == ("ready", "ready")
        one.write_line()
        other.write_line()
        said = {process: process.read_line() for process in (one, other)}
        assert sorted(said.values()) == ["begun", "refused"]
        for process in said:
            process.write_line()
        (winner,) = [process for process, text in said.items() if text == "begun"]
        assert winner.read_line() == "completed"
    assert log.read_text().split() == ["first", "second"]


def expire_leases(url: str) -> None:
    """What Redis does by itself half a minute after a process has died."""
    import redis

    with redis.Redis.from_url(url) as server:
        for key in server.scan_iter("*:lock"):
            server.delete(key)


MAP = """
import asyncio, os, signal, sys
from holdwater.graphs import Graph, node
from holdwater.runners.graphs.async_runner import AsyncRunner
from holdwater.runners.graphs.durable.checkpointers import Checkpointer

place, log, dies = sys.argv[1], os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT), sys.argv[3] == "die"

@node(output_name="y")
async def double(x: int) -> int:
    os.write(log, f"{x}\\n".encode())
    if dies and x == 600:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * x

@node(output_name="total")
def total(y: list[int]) -> int:
    return sum(y)

inner = Graph([double], name="inner")
graph = Graph([inner.as_node(name="each").map_over("x"), total], name="mapping")
with Checkpointer(place) as checkpointer:
    runner = AsyncRunner(checkpointer=checkpointer)
    print(asyncio.run(runner.run(graph, {"x": list(range(1000))}, workflow_id="the-run"))["total"])
"""


def test_a_map_of_a_thousand_is_gone_on_with(tmp_path: Path) -> None:
    url, log = f"sqlite:///{tmp_path}/runs.db?_synchronous=OFF", tmp_path / "log"
    command = [sys.executable, "-c", MAP, url, str(log)]
    assert subprocess.run([*command, "die"], timeout=120, check=False).returncode == -signal.SIGKILL
    recorded = completed_items(url)
    before = log.read_text().split()
    assert recorded <= set(before)
    done = subprocess.run([*command, "go"], timeout=120, check=True, capture_output=True, text=True)
    assert done.stdout == f"{2 * sum(range(1000))}\n"
    again = log.read_text().split()[len(before) :]
    assert len(again) == len(set(again))
    assert recorded.isdisjoint(again)
    assert recorded.union(again) == {str(x) for x in range(1000)}
    store = open_store(url)
    try:
        assert [str(v) for v in StoreChecker(store, SystemClock().now).find_violations()] == []
    finally:
        store.close()


def completed_items(url: str) -> set[str]:
    """Items whose body's success is in a journal."""
    store = open_store(url)
    found = set()
    for run in store.iter_runs():
        if run.parent_id is not None:
            entries = [entry for row in store.read_journal(run.id) for entry in json.loads(row.entries)]
            if any(entry[0] == "succeeded" for entry in entries):
                found.add(str(entries[0][1]["x"]))
    store.close()
    return found


NAP = """
import sys
from holdwater.runners.steps import WorkflowRunner
from tests.crash.test_resuming import sleeping_workflow
print("begun", flush=True)
WorkflowRunner(sys.argv[1]).execute(sleeping_workflow([]), run_id="the-run")
"""


def sleeping_workflow(calls: list[str]) -> Workflow:
    return Workflow("naps", [recording_step("before", calls), Step.wait("nap", 3600.0), recording_step("after", calls)])


def test_a_wait_goes_on_where_a_killed_process_slept(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    store = open_store(url)
    with run_script(NAP, url) as other:
        assert other.read_line() == "begun"
        while not (until := sleeps_until(store)):  # bounded by the test's time-out
            poll_pause()
        other.process.kill()
        other.process.wait(20)
        calls: list[str] = []
        clock = FakeClock("2026-01-01T00:00:00")
        clock.set(until - 1)
        statuses: list[str] = []
        runner = WorkflowRunner(url, clock=clock)
        resumed = threading.Thread(
            target=lambda: statuses.append(runner.resume("the-run", workflow=sleeping_workflow(calls)).status)
        )
        resumed.start()
        try:
            while not [row for row in store.work_of_run("the-run") if row.owner is not None]:
                poll_pause()
            assert calls == []
            assert sleeps_until(store) == until
            clock.set(until)
            resumed.join(30)
        finally:
            runner.close()
    assert (statuses, calls) == (["completed"], ["after"])
    assert sleeps_until(store) == until
    store.close()


def sleeps_until(store: object) -> int | None:
    """The one instant until which the run has ever slept, as recorded."""
    entries = [entry for row in store.read_journal("the-run") for entry in json.loads(row.entries)]  # type: ignore[attr-defined]
    instants = [entry[-1] for entry in entries if entry[0] == "deferred"]
    assert len(instants) <= 1
    return instants[0] if instants else None
