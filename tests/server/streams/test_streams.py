"""Streams of server-sent events: exact for a run, hints for lists, and nothing while there is no reader."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdwater import DefaultRunner
from holdwater.errors import StoreError, StoreUnavailable
from holdwater.operations.changes import DatabaseChanges
from holdwater.server import app_for
from holdwater.storage.sqlite.notify_pipe import NotifyPipes
from tests.server.live import Live, serve_app, serve_database
from tests.server.streams.sse import open_stream
from tests.suite.runners import Define, Gate
from tests.suite.waiting import poll_pause

API = "/v1/tenants/public"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, migrated_schema: Callable[[], str]) -> str:
    return migrated_schema() if request.param == "postgresql" else f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def runner(url: str) -> Iterator[DefaultRunner]:
    with DefaultRunner(url) as opened:
        yield opened


@pytest.fixture
def live(url: str, runner: DefaultRunner) -> Iterator[Live]:
    with serve_database(url) as served:
        yield served


@pytest.fixture
def client(live: Live) -> Iterator[httpx.Client]:
    with live.client() as opened:
        yield opened


@pytest.fixture
def held(define: Define, gate: Gate) -> str:
    """A workflow whose second task waits at the gate."""

    def first(context: Any) -> None:
        context["x"] = 1

    def second(context: Any) -> None:
        gate()

    return define("held", ("first", first, {}), ("second", second, {"dependencies": ["first"]}))


def wait_until_idle(live: Live) -> None:
    while live.streams.stream_count:  # bounded by the test's time-out
        poll_pause()


def test_a_run_is_streamed_as_it_goes_on(client: httpx.Client, runner: DefaultRunner, held: str, gate: Gate) -> None:
    run_id = runner.submit(held).run_id
    gate.wait_started()
    path = f"{API}/executions/{run_id}/stream"
    with open_stream(client, path) as stream:
        stream.wait_for("task_completed", task_name="first")
        gate.open.set()
        done = stream.wait_for("task_completed", task_name="second")
        assert stream.wait_for("end").data == {"status": "completed"}
        assert list(stream) == []
    everything = client.get(f"{API}/executions/{run_id}/events").json()["items"]
    assert done.data in everything
    with open_stream(client, path) as stream:
        again = list(stream)
    assert [one.data for one in again[:-1]] == everything
    assert [one.id for one in again] == [*[item["id"] for item in everything], ""]


def test_a_stream_goes_on_behind_every_place(client: httpx.Client, runner: DefaultRunner, define: Define) -> None:
    name = define("sums", ("one", lambda context: None, {}), ("two", lambda context: None, {"dependencies": ["one"]}))
    run_id = runner.submit(name).run_id
    runner.handle(run_id).result()
    path = f"{API}/executions/{run_id}/stream"
    with open_stream(client, path) as stream:
        everything = list(stream)
    for k, message in enumerate(everything[:-1]):
        with open_stream(client, path, params={"after": message.id}) as stream:
            assert list(stream) == everything[k + 1 :]
        with open_stream(client, path, params={"after": "0"}, headers={"last-event-id": message.id}) as stream:
            assert list(stream) == everything[k + 1 :]
    last = everything[-2].id.partition(".")[0]
    with open_stream(client, path, params={"after": last}) as stream:
        assert [one.event for one in stream] == ["end"]
    with open_stream(client, path, params={"after": "999"}) as stream:
        assert [one.event for one in stream] == ["end"]


def test_what_cannot_be_streamed_is_said_before_the_stream(client: httpx.Client, live: Live) -> None:
    for path, status in (("nothing/stream", 404), ("nothing/stream?after=x", 400), ("%00/stream", 404)):
        refused = client.get(f"{API}/executions/{path}")
        assert refused.status_code == status
        assert refused.json()["code"]
    assert client.get("/v1/tenants/other/stream").status_code == 404
    assert live.streams.stream_count == 0


def test_streams_of_one_run_read_it_once(
    client: httpx.Client, live: Live, runner: DefaultRunner, held: str, gate: Gate
) -> None:
    run_id = runner.submit(held).run_id
    gate.wait_started()
    with ExitStack() as opened:
        streams = [opened.enter_context(open_stream(client, f"{API}/executions/{run_id}/stream")) for _ in range(4)]
        for stream in streams:
            stream.wait_for("task_completed", task_name="first")
        assert (live.streams.stream_count, live.streams.feed_count) == (4, 1)
        gate.open.set()
        for stream in streams:
            stream.wait_for("end")
    wait_until_idle(live)
    assert live.streams.feed_count == 0


def test_without_streams_nothing_is_listened_to(
    client: httpx.Client, live: Live, runner: DefaultRunner, held: str, gate: Gate
) -> None:
    assert not live.streams.is_listening
    run_id = runner.submit(held).run_id
    gate.wait_started()
    watchers = runner._engine.driver.journal_watchers
    assert not watchers.is_followed_elsewhere(run_id)
    with open_stream(client, f"{API}/executions/{run_id}/stream") as stream:
        stream.wait_for("task_completed", task_name="first")
        assert live.streams.is_listening
        while not watchers.is_followed_elsewhere(run_id):
            poll_pause()
        assert not watchers.is_followed_elsewhere("another run")
    wait_until_idle(live)
    assert not live.streams.is_listening


def test_lists_hear_of_runs_from_their_birth_to_their_end(
    client: httpx.Client, runner: DefaultRunner, held: str, gate: Gate
) -> None:
    with open_stream(client, f"{API}/stream") as stream:
        assert next(iter(stream)).event == "resync"
        run_id = runner.submit(held).run_id
        gate.wait_started()
        born = stream.wait_for("run", id=run_id)
        assert (born.data["workflow"], born.data["status"]) == (held, "running")
        gate.open.set()
        stream.wait_for("run", id=run_id, status="completed")
        runner.handle(run_id).result()


def test_lists_hear_of_pauses_and_schedules(client: httpx.Client, runner: DefaultRunner, held: str, gate: Gate) -> None:
    with open_stream(client, f"{API}/stream") as stream:
        run_id = runner.submit(held).run_id
        gate.wait_started()
        runner.pause(run_id)
        stream.wait_for("run", id=run_id, status="paused")
        assert stream.wait_for("question").data == {"id": run_id}
        runner.register_cron_workflow(held, "0 0 1 1 *", "UTC")
        stream.wait_for("schedule")


def test_a_stream_survives_the_other_streams_of_its_run(
    client: httpx.Client, runner: DefaultRunner, held: str, gate: Gate
) -> None:
    run_id = runner.submit(held).run_id
    gate.wait_started()
    path = f"{API}/executions/{run_id}/stream"
    with open_stream(client, path) as kept:
        kept.wait_for("task_completed", task_name="first")
        with open_stream(client, path) as other:
            other.wait_for("task_completed", task_name="first")
        gate.open.set()
        kept.wait_for("end")


def test_the_end_of_the_server_ends_its_streams(url: str, runner: DefaultRunner, held: str, gate: Gate) -> None:
    run_id = runner.submit(held).run_id
    gate.wait_started()
    with serve_database(url) as served, served.client() as client, ExitStack() as opened:
        of_run = opened.enter_context(open_stream(client, f"{API}/executions/{run_id}/stream"))
        of_list = opened.enter_context(open_stream(client, f"{API}/stream"))
        of_run.wait_for("task_completed", task_name="first")
        served.end()
        assert [one.event for one in of_run][-1] == "bye"
        assert [one.event for one in of_list][-1] == "bye"


def test_the_log_is_streamed_with_the_events(client: httpx.Client, runner: DefaultRunner, define: Define) -> None:
    def fail(context: Any) -> None:
        raise ValueError("no \ud800")

    run_id = runner.submit(define("fails", ("one", fail, {"retry_attempts": 1}))).run_id
    runner.handle(run_id).result()
    with open_stream(client, f"{API}/executions/{run_id}/stream", params={"logs": "true"}) as stream:
        messages = list(stream)
    lines = [one for one in messages if one.event == "log"]
    assert lines[0].data["stream"] == "traceback"
    assert "ValueError" in lines[0].data["text"]
    assert lines[0].id == ""
    assert messages[-1].event == "end"


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_without_a_channel_streams_look_once_a_second(
    url: str, runner: DefaultRunner, held: str, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NotifyPipes, "subscribe", lambda self, callback: False)
    with serve_database(url, read_only=True) as served, served.client() as client, ExitStack() as opened:
        hints = opened.enter_context(open_stream(client, f"{API}/stream"))
        run_id = runner.submit(held).run_id
        gate.wait_started()
        hints.wait_for("run", id=run_id)
        events = opened.enter_context(open_stream(client, f"{API}/executions/{run_id}/stream"))
        events.wait_for("task_completed", task_name="first")
        gate.open.set()
        events.wait_for("end")
        done = hints.wait_for("run", id=run_id, status="completed")
        assert done.data["progress"] == {"done": 2, "total": 2}


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_too_many_streams_are_refused(client: httpx.Client, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdwater.server.streams.hub.MAX_STREAMS", 1)
    with open_stream(client, f"{API}/stream"):
        refused = client.get(f"{API}/stream")
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert refused.headers["retry-after"]
    wait_until_idle(live)
    with open_stream(client, f"{API}/stream") as stream:
        assert next(iter(stream)).event == "resync"


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_lists_hear_of_runners(
    client: httpx.Client, url: str, runner: DefaultRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdwater.server.streams.hub.TICK_SECONDS", 0.05)
    runner._engine.driver.announce(20)
    with open_stream(client, f"{API}/stream") as stream:
        assert next(iter(stream)).event == "resync"
        with DefaultRunner(url) as other:
            other._engine.driver.announce(20)
            stream.wait_for("runner")
        stream.wait_for("runner")


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_look_that_is_refused_is_made_again(
    client: httpx.Client, url: str, runner: DefaultRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdwater.server.streams.hub.TICK_SECONDS", 0.05)
    monkeypatch.setattr("holdwater.server.streams.hub.INTEREST_TICKS", 1)
    with open_stream(client, f"{API}/stream") as stream:
        assert next(iter(stream)).event == "resync"
        refused, follow = threading.Event(), DatabaseChanges.follow

        def refuse_once(self: DatabaseChanges, *args: Any, **options: Any) -> None:
            if not refused.is_set():
                refused.set()
                raise StoreError("the database refused a statement")
            follow(self, *args, **options)

        monkeypatch.setattr(DatabaseChanges, "follow", refuse_once)
        assert refused.wait(20)
        with DefaultRunner(url) as other:
            other._engine.driver.announce(20)
            stream.wait_for("runner")


@pytest.mark.parametrize("failure", [StoreUnavailable, StoreError])
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_lists_are_read_again_after_a_database_that_could_not_be_read(
    client: httpx.Client,
    live: Live,
    runner: DefaultRunner,
    held: str,
    gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
    failure: type[StoreError],
) -> None:
    reader = live.app.state.tenants.only.database.runs
    find_info, failures = type(reader).find_info, [failure("the disk is full")]

    def find_or_fail(self: Any, run_id: str) -> Any:
        if failures and self is reader:
            raise failures.pop()
        return find_info(self, run_id)

    monkeypatch.setattr(type(reader), "find_info", find_or_fail)
    with open_stream(client, f"{API}/stream") as stream:
        assert next(iter(stream)).event == "resync"
        run_id = runner.submit(held).run_id
        gate.wait_started()
        assert next(iter(stream)).event == "resync"
        gate.open.set()
        stream.wait_for("run", id=run_id, status="completed")


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_streams_end_with_the_runner_of_an_application(runner: DefaultRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdwater.server.streams.hub.TICK_SECONDS", 0.05)
    app = app_for(runner, access=lambda request: "read")
    with serve_app(app) as served, served.stranger() as client, open_stream(client, f"{API}/stream") as stream:
        assert next(iter(stream)).event == "resync"
        runner.shutdown()
        assert [one.event for one in stream][-1] == "bye"


def test_values_are_sent_to_those_who_ask(client: httpx.Client, runner: DefaultRunner, define: Define) -> None:
    def work(context: Any) -> None:
        context["large"] = "x" * 20_000

    run_id = runner.submit(define("values", ("one", work, {})), {"day": "2026-11-21"}).run_id
    runner.handle(run_id).result()
    path = f"{API}/executions/{run_id}"
    with open_stream(client, f"{path}/stream", params={"values": "true"}) as stream:
        sent = {one.event: one.data for one in stream}
    listed = {one["event_type"]: one for one in client.get(f"{path}/events?values=true").json()["items"]}
    for found in (sent, listed):
        assert found["workflow_started"]["values"]["inputs"] == {"*": {"set": {"day": "2026-11-21"}, "del": []}}
        (size,) = found["task_completed"]["values"]["values"]
        assert 20_000 < size["too_large_bytes"] < 21_000
        assert found["workflow_completed"]["values"] == {}
    with open_stream(client, f"{path}/stream") as stream:
        assert all(one.data["values"] is None for one in stream if one.id)
