"""A client of a server has the methods and results of a client of its database."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest

from holdwater import Client, DefaultRunner
from holdwater.errors import (
    AmbiguousRun,
    ConfigError,
    EncodingError,
    IdempotencyConflict,
    InputError,
    InvalidTransition,
    PauseNotFound,
    RunNotFinished,
    RunNotFound,
    StructureChanged,
    TaskNotFound,
    WorkflowNotFound,
)
from tests.server.live import API_TOKEN, Live
from tests.server.routes.conftest import GATE, Runs, runs
from tests.suite.waiting import wait_until

__all__ = ["runs"]


def test_what_is_read_is_the_same_as_from_the_database(local: Client, remote: Client, runs: Runs) -> None:
    for run_id in (runs.completed, runs.failed, runs.asking):
        mine, theirs = remote.get_run(run_id), local.get_run(run_id)
        assert mine.to_dict() == theirs.to_dict()
        assert mine.final_context.to_dict() == theirs.final_context.to_dict()
        assert (mine.duration, mine.traceback) == (theirs.duration, theirs.traceback)
        assert remote.activity(run_id) == local.activity(run_id)
        assert remote.find_run(run_id[:-4]) == local.find_run(run_id)
    assert remote.list_workflows() == local.list_workflows()
    assert remote.get_workflow("articles") == local.get_workflow("articles")
    wait_until(lambda: bool(local.list_runners()))
    mine_runner, their_runner = remote.list_runners()[0], local.list_runners()[0]
    assert asdict(mine_runner) | {"seen_at": 0} == asdict(their_runner) | {"seen_at": 0}


def test_lists_take_the_same_filters(local: Client, remote: Client, runs: Runs) -> None:
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    before = runs.failed
    for which in (
        {}, {"status": "failed"}, {"workflow_name": "sums"}, {"limit": 1}, {"since": hour_ago}, {"before": before},
        {"limit": 1, "offset": 1}, {"top_level": True}, {"parent_run_id": runs.completed}, {"labels": {"a": "b"}},
    ):  # fmt: skip
        assert remote.list_runs(**which) == local.list_runs(**which), which
    assert [run.run_id for run in remote.iter_runs(limit=1)] == [run.run_id for run in local.list_runs()]


def test_events_come_as_they_are_recorded_and_resume(local: Client, remote: Client, runs: Runs) -> None:
    seen = list(remote.events(runs.completed))
    expected = list(local.events(runs.completed))
    assert [event.to_dict() for event in seen] == [event.to_dict() for event in expected]
    assert [type(event) for event in seen] == [type(event) for event in expected]
    behind = seen[2].position
    assert [event.position for event in remote.events(runs.completed, after=behind)] == [e.position for e in seen[3:]]

    async def collect() -> list[str]:
        return [event.type async for event in remote.events(runs.completed)]

    assert asyncio.run(collect()) == [event.type for event in expected]


def test_a_run_is_started_waited_for_and_retried(local: Client, remote: Client, runs: Runs) -> None:
    handle = remote.submit("sums", {"amount": 4}, labels={"env": "test"})
    assert handle.is_new
    assert handle.result(30).final_context["doubled"] == 8
    assert remote.find_run(handle.run_id).labels == {"env": "test"}
    assert asyncio.run(_await(remote, handle.run_id)) == "Completed"
    again = remote.submit("sums", {"amount": 4}, idempotency_key="order-17")
    assert not remote.submit("sums", {"amount": 4}, idempotency_key="order-17").is_new
    assert again.result(30).run_id == local.find_run(again.run_id).run_id
    with pytest.raises(IdempotencyConflict):
        remote.submit("sums", {"amount": 5}, idempotency_key="order-17")
    with pytest.raises(InvalidTransition):
        handle.retry()
    many = remote.submit_many("sums", [{"amount": 1}, {"amount": 2}])
    assert [one.result(30).final_context["doubled"] for one in many] == [2, 4]
    failed = remote.handle(runs.failed)
    failed.retry("it is up again")
    assert failed.result(30).status == "Failed"


async def _await(client: Client, run_id: str) -> str:
    return (await client.handle(run_id)).status


def test_a_run_is_paused_resumed_and_cancelled(remote: Client, runs: Runs) -> None:
    handle = remote.submit("held")
    with pytest.raises(RunNotFinished):
        handle.result(0.2)
    wait_until(lambda: remote.activity(handle.run_id).state == "running")
    handle.pause("for the night")
    assert (handle.result(30).status, handle.info().reason) == ("Paused", "for the night")
    handle.resume()
    handle.cancel("enough")
    GATE.open.set()
    assert handle.result(30).status == "Cancelled"
    assert handle.done()


def test_a_question_is_answered_and_a_run_forked(local: Client, remote: Client, runs: Runs) -> None:
    handle = remote.submit("articles", {"topic": "rain"})
    assert handle.result(30).status == "Paused"
    (mine,), (theirs,) = handle.pauses(), local.pauses(handle.run_id)
    assert (mine.pause_id, mine.answer_name, mine.value) == (theirs.pause_id, theirs.answer_name, theirs.value)
    with pytest.raises(PauseNotFound):
        handle.answer("nothing", True)
    handle.answer(None, True)
    done = handle.result(30)
    assert done.final_context["done"] == "published: True"
    fork = handle.fork("review", context={"text": "another text"})
    assert fork.result(30).forked_from == handle.run_id
    assert fork.pauses()[0].value == "another text"
    fork.cancel()


def test_errors_are_those_of_the_database(local: Client, remote: Client, runs: Runs) -> None:
    for client in (local, remote):
        with pytest.raises(RunNotFound):
            client.get_run("nothing")
        with pytest.raises(RunNotFound):
            client.events("nothing")
        with pytest.raises(AmbiguousRun):
            client.find_run("01")
        with pytest.raises(WorkflowNotFound):
            client.submit("nothing")
        with pytest.raises(InputError):
            client.submit("articles", {"topic": 7})
        with pytest.raises(TaskNotFound):
            client.fork(runs.completed, "nothing")
        with pytest.raises((ConfigError, StructureChanged, EncodingError)):
            client.submit("sums", {"amount": object()})
    with pytest.raises(RunNotFound) as raised:
        remote.get_run("nothing")
    assert raised.value.request_id
    assert "there is no run 'nothing'" in raised.value.message


def test_the_key_is_shown_nowhere(live: Live, runner: DefaultRunner, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), Client(live.origin, api_key=API_TOKEN) as client:
        client.list_runs()
        shown = [repr(client), str(client), repr(vars(client)), repr(client._backend), caplog.text]
        connection = client._backend.runs._connection  # type: ignore[attr-defined]
        shown += [repr(connection.options), repr(connection), repr(vars(connection))]
    assert caplog.records
    assert API_TOKEN not in "".join(shown)


def test_options_of_the_other_kind_are_refused(database_url: str, runner: DefaultRunner) -> None:
    for url, options in (
        (database_url, {"api_key": "k"}),
        (database_url, {"tenant": "acme"}),
        ("https://localhost", {"author": "api:x"}),
        ("https://localhost", {"schema": "acme"}),
        ("https://localhost", {"api_key": "two words"}),
        ("https://user:password@localhost", {}),
        ("https://localhost", {"tenant": "../x"}),
    ):
        with pytest.raises(ConfigError) as raised:
            Client(url, **options)  # type: ignore[arg-type]
        assert "password" not in str(raised.value).replace("no user, password", "")
