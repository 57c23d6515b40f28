"""`Client`: runs of all styles are started, read and steered by a process that cannot import their code."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from holdwater import Client, Context
from holdwater.errors import (
    DatabaseNotFound,
    DatabaseURLError,
    DecodingError,
    IdempotencyConflict,
    InputError,
    InvalidArgument,
    MissingInputError,
    RunnerClosed,
    RunNotFinished,
    WorkflowNotFound,
)
from tests.suite.waiting import poll_pause
from tests.suite.workers import FLOWS, StartWorker, database_url, start_worker

__all__ = ["database_url", "start_worker"]

ORDER = {"order": {"id": 7, "parts": ["a"]}, "when": "2026-01-02"}


def wait_for(path: Path) -> None:
    while not path.exists():
        poll_pause()


def test_all_styles_are_started_without_their_code(database_url: str, start_worker: StartWorker) -> None:
    start_worker()
    assert importlib.util.find_spec("client_flows") is None
    with Client(database_url) as client:
        tasks, steps = client.submit("tasks", {"n": 1}), client.submit("steps", {"n": 2})
        loop = client.submit("loop", {"count": 1, "limit": 4})
        done = tasks.result(60)
        assert done.status == "Completed"
        plain = done.to_plain_context()
        assert (plain["n"], plain["sum"], plain["order"]) == (1, 2, {"id": 1, "parts": []})
        assert done.final_context["sum"] == 2
        with pytest.raises(DecodingError):
            done.final_context["order"]
        assert steps.result(60).to_plain_context() == {"scale": {"scaled": 6}}
        assert loop.result(60).to_plain_context()["count"] == 4


def test_inputs_of_a_graph_become_what_its_annotations_ask_for(database_url: str, start_worker: StartWorker) -> None:
    start_worker()
    with Client(database_url, author="api:shop") as client:
        handle = client.submit("graph", {**ORDER, "speed": "slow"}, labels={"env": "test"})
        assert handle.result(60).status == "Paused"
        (pause,) = handle.pauses()
        expected = "ship Order(id=7, parts=['a']) datetime.date(2026, 1, 2) Speed.SLOW?"
        assert pause.question is not None
        assert pause.question.tree == expected
        assert pause.answer_schema == {"type": "boolean"}
        handle.answer(None, True)
        result = handle.result(60)
        assert (result.status, result.to_plain_context()["done"]) == ("Completed", "closed")
        summary = client.find_run(handle.run_id)
        assert (summary.started_by, summary.origin, summary.labels) == ("api:shop", "api", {"env": "test"})


def test_a_run_waits_for_a_worker_and_survives_one_that_is_killed(
    database_url: str, start_worker: StartWorker, tmp_path: Path
) -> None:
    first = start_worker()
    with Client(database_url) as client:
        assert first.stop()[0] == 0
        handle = client.submit("blocks")
        with pytest.raises(RunNotFinished):
            handle.result(0.05)
        assert handle.status == "Running"
        second = start_worker("--config", "client_flows:impatient")
        wait_for(tmp_path / "blocked")
        second.kill()
        (tmp_path / "go").touch()
        start_worker("--config", "client_flows:impatient")
        assert handle.result(90).status == "Completed"


NEWER_FLOWS = f"""{FLOWS}

with WorkflowBuilder("tasks"):

    @task()
    def add(context):
        context["sum"] = context["n"] + 100

    @task(dependencies=["add"])
    def check(context):
        context["checked"] = True
"""


def test_an_older_worker_leaves_runs_of_a_newer_version_to_others(database_url: str, start_worker: StartWorker) -> None:
    older = start_worker("--config", "client_flows:impatient")
    start_worker(flows=NEWER_FLOWS).stop()
    with Client(database_url) as client:
        handle = client.submit("tasks", {"n": 1})
        assert older.process.stderr is not None
        while "is left to a runner of its version" not in older.process.stderr.readline():
            pass
        assert handle.status == "Running"
        other = client.submit("steps", {"n": 1})
        assert other.result(60).status == "Completed", "other workflows go on"
        start_worker(flows=NEWER_FLOWS)
        assert handle.result(60).to_plain_context() == {"n": 1, "sum": 101, "checked": True}


def test_steering_from_the_client(database_url: str, start_worker: StartWorker, tmp_path: Path) -> None:
    start_worker()
    with Client(database_url) as client:
        cancelled = client.submit("blocks", {"heeds": True})
        wait_for(tmp_path / "blocked")
        cancelled.cancel("not needed")
        assert cancelled.result(60).status == "Cancelled"
        failed = client.submit("fails")
        assert failed.result(60).status == "Failed"
        (tmp_path / "mended").touch()
        failed.retry()
        assert failed.result(60).status == "Completed"
        fork = client.submit("tasks", {"n": 1}).result(60)
        forked = client.fork(fork.run_id, "add", context={"n": 5})
        assert forked.result(60).to_plain_context()["sum"] == 6
        kinds = [type(event).__name__ for event in client.events(failed.run_id)]
        assert kinds[0] == "RunStarted"
        assert {run.run_id for run in client.list_runs(workflow_name="tasks")} == {fork.run_id, forked.run_id}
        assert client.get_run(forked.run_id).forked_from == fork.run_id


def test_a_batch(database_url: str, start_worker: StartWorker) -> None:
    start_worker()
    keys = [f"key {i}" for i in range(600)]
    with Client(database_url) as client:
        handles = client.submit_many("tasks", ({"n": i} for i in range(600)), idempotency_keys=keys)
        assert [handle.is_new for handle in handles] == [True] * 600
        again = client.submit_many("tasks", [{"n": i} for i in range(601)], idempotency_keys=[*keys, "one more"])
        assert [handle.run_id for handle in again[:600]] == [handle.run_id for handle in handles]
        assert [handle.is_new for handle in again] == [False] * 600 + [True]
        assert again[-1].result(60).to_plain_context()["sum"] == 601


def test_a_key_twice_in_a_batch_is_one_run(database_url: str, start_worker: StartWorker) -> None:
    start_worker()
    with Client(database_url) as client:
        one, two = client.submit_many("tasks", [{"n": 1}, {"n": 1}], idempotency_keys=["k", "k"])
        assert (one.is_new, two.is_new, one.run_id) == (True, False, two.run_id)
        assert client.submit("tasks", {"n": 1}, idempotency_key="k").run_id == one.run_id
        with pytest.raises(IdempotencyConflict):
            client.submit("tasks", {"n": 2}, idempotency_key="k")
        assert one.result(60).status == "Completed"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestRefusals:
    def test_inputs_that_do_not_fit(self, database_url: str, start_worker: StartWorker) -> None:
        start_worker()
        cases: list[tuple[Any, type[Exception], str]] = [
            ({"order": ORDER["order"]}, MissingInputError, "needs 'when'"),
            ({"ordr": 1, "when": "2026-01-02"}, MissingInputError, "did you mean 'order'"),
            ({**ORDER, "when": "soon"}, InputError, "when must be a date"),
            ({**ORDER, "order": {"id": "x", "parts": []}}, InputError, "order.id must be an integer"),
            ({**ORDER, "speed": "warp"}, InputError, "speed must be one of 'fast', 'slow'"),
            ({**ORDER, "spede": "fast"}, InputError, "did you mean 'speed'"),
            ([1], InputError, "a mapping"),
            ({1: 2}, InputError, "the name of an input"),
        ]
        with Client(database_url) as client:
            for inputs, kind, text in cases:
                with pytest.raises(kind) as raised:
                    client.submit("graph", inputs)
                assert text in f"{raised.value} {raised.value.hint}"  # type: ignore[attr-defined]
                with pytest.raises(kind):
                    client.submit_many("graph", [ORDER, inputs])
            with pytest.raises(MissingInputError):
                client.submit("loop", {"limit": 3})
            assert client.list_runs() == [], "a batch with one wrong input starts nothing"

    def test_names_and_sizes(self, database_url: str, start_worker: StartWorker) -> None:
        start_worker()
        with Client(database_url) as client:
            with pytest.raises(WorkflowNotFound) as raised:
                client.submit("task")
            assert "did you mean 'tasks'" in raised.value.hint
            with pytest.raises(WorkflowNotFound) as raised:
                client.submit("zzz")
            assert "holdwater worker MODULE" in raised.value.hint
            for arguments in ({"inputs": [None] * 10_001}, {"inputs": [None], "idempotency_keys": ["a", "b"]}):
                with pytest.raises(InvalidArgument):
                    client.submit_many("tasks", **arguments)
            with pytest.raises(InvalidArgument):
                client.submit("tasks", {}, labels={"not a key": "x"})
            assert client.submit_many("tasks", []) == []
            assert client.list_runs() == []

    def test_what_is_announced(self, database_url: str, start_worker: StartWorker) -> None:
        worker = start_worker("--name", "blue", "--max-concurrent-tasks", "2")
        with Client(database_url) as client:
            found = {one.name: one for one in client.list_workflows()}
            assert sorted(found) == ["blocks", "fails", "graph", "loop", "steps", "tasks"]
            assert found["tasks"].runners == ("blue",)
            assert (found["tasks"].description, found["tasks"].tags) == ("Tasks that add.", ("team=data",))
            graph = client.get_workflow("graph")
            assert graph.inputs_schema["required"] == ["order", "when"]
            assert [node.kind for node in graph.nodes] == ["call", "interrupt", "call"]
            assert graph.nodes[1].answer_schema == {"type": "boolean"}
            assert (graph.nodes[0].doc, Path(graph.nodes[0].source_file or "").name) == (
                "Ship an order.",
                "client_flows.py",
            )
            assert graph.plan is not None
            (runner,) = client.list_runners()
            assert (runner.name, runner.status, runner.executors) == ("blue", "running", {"default": 2})
            assert runner.pid == worker.process.pid
            worker.kill()
            assert [one.status for one in client.list_runners()] == ["gone"]
            assert client.get_workflow("tasks").runners == ()

    def test_databases_that_cannot_be_used(self, tmp_path: Path, database_url: str) -> None:
        with pytest.raises(DatabaseNotFound):
            Client(f"sqlite:///{tmp_path}/none.db")
        with pytest.raises(DatabaseURLError):
            Client("sqlite:///:memory:")
        with pytest.raises(DatabaseURLError):
            Client(None)  # type: ignore[arg-type]

    def test_a_closed_client(self, database_url: str, start_worker: StartWorker) -> None:
        start_worker()

        async def main() -> str:
            async with Client(database_url) as client:
                handle = client.submit("tasks", Context({"n": 3}))
                result = await handle
            with pytest.raises(RunnerClosed):
                client.submit("tasks", {"n": 3})
            client.close()
            return result.status

        assert asyncio.run(main()) == "Completed"
