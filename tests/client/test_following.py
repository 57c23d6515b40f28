"""Runs are followed and waited for past a server that cannot be reached, drains, or wakes the tenant."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from holdwater import Client, DefaultRunner
from holdwater.cli.main import main
from holdwater.errors import (
    HoldwaterError,
    RunnerClosed,
    RunNotFinished,
    ServerUnreachable,
    StoreUnavailable,
    TenantWaking,
)
from tests.client.refusing import PROXY_ERROR, Refusals, serve_refusing
from tests.server.live import API_TOKEN, Live
from tests.server.routes.conftest import GATE, Runs, runs
from tests.suite.waiting import wait_until

__all__ = ["runs"]

REFUSALS: list[tuple[str, int, type[HoldwaterError]]] = [
    ("runner_draining", 4, RunnerClosed),
    ("tenant_waking", 4, TenantWaking),
    ("store_unavailable", 1, StoreUnavailable),
    (PROXY_ERROR, 1, ServerUnreachable),
]
"""code, number of refusals that is more than one request is repeated, and the error that the request raises"""
refused = pytest.mark.parametrize(("code", "times", "kind"), REFUSALS)


@pytest.fixture(scope="module")
def serving(database_url: str, runner: DefaultRunner) -> Iterator[tuple[Live, Refusals]]:
    with serve_refusing(database_url) as found:
        yield found


@pytest.fixture
def refusals(serving: tuple[Live, Refusals]) -> Iterator[Refusals]:
    yield serving[1]
    serving[1].end()


@pytest.fixture
def client(serving: tuple[Live, Refusals]) -> Iterator[Client]:
    with Client(serving[0].origin, api_key=API_TOKEN) as opened:
        yield opened


@refused
def test_a_request_of_its_own_raises(
    client: Client, refusals: Refusals, runs: Runs, code: str, times: int, kind: type[HoldwaterError]
) -> None:
    refusals.begin(code)
    with pytest.raises(kind):
        client.get_run(runs.completed)
    assert refusals.count <= times


@refused
def test_events_come_when_the_server_answers_again(
    client: Client, refusals: Refusals, runs: Runs, code: str, times: int, kind: type[HoldwaterError]
) -> None:
    expected = [event.position for event in client.events(runs.completed)]
    followed, awaited = client.events(runs.completed), client.events(runs.completed)

    async def collect() -> list[tuple[int, int]]:
        return [event.position async for event in awaited]

    refusals.begin(code, times)
    assert [event.position for event in followed] == expected
    assert refusals.count == times
    refusals.begin(code, times)
    assert asyncio.run(collect()) == expected
    assert refusals.count == times


@refused
def test_a_result_comes_when_the_server_answers_again(
    client: Client, refusals: Refusals, runs: Runs, code: str, times: int, kind: type[HoldwaterError]
) -> None:
    handle = client.handle(runs.completed)
    refusals.begin(code, times)
    assert handle.result().status == "Completed"
    assert refusals.count == times


@refused
def test_a_wait_with_a_limit_goes_on_until_the_limit(
    client: Client, refusals: Refusals, runs: Runs, code: str, times: int, kind: type[HoldwaterError]
) -> None:
    handle = client.handle(runs.completed)
    refusals.begin(code)
    with pytest.raises(RunNotFinished, match="cannot be looked at now: ") as raised:
        handle.result(0.05)
    assert type(raised.value.__cause__) is kind
    refusals.end()
    assert handle.result(0).status == "Completed"


def test_closing_the_client_ends_a_wait_and_a_following(
    serving: tuple[Live, Refusals], refusals: Refusals, runs: Runs
) -> None:
    client = Client(serving[0].origin, api_key=API_TOKEN)
    handle, follower = client.handle(runs.asking), client.events(runs.asking)
    refusals.begin("runner_draining")
    with ThreadPoolExecutor() as threads:
        ending: list[Future[Any]] = [threads.submit(handle.result), threads.submit(list, follower)]
        wait_until(lambda: refusals.count > 8)
        assert not any(one.done() for one in ending)
        client.close()
        for one in ending:
            with pytest.raises(RunnerClosed, match="client"):
                one.result()


@contextmanager
def refusing_while_followed(refusals: Refusals, code: str, times: int, streams: int) -> Iterator[None]:
    """Refuse so many requests once the block has begun so many streams, which go on; then let its run end."""
    enough, left = refusals.streams + streams, threading.Event()

    def refuse() -> None:
        wait_until(lambda: refusals.streams >= enough or left.is_set())
        refusals.begin(code, refuses_streams=False)
        wait_until(lambda: refusals.count >= times or left.is_set())
        refusals.end()
        GATE.open.set()

    GATE.open.clear()
    with ThreadPoolExecutor() as threads:
        done = threads.submit(refuse)
        try:
            yield
        finally:
            left.set()
        done.result()
    assert refusals.count >= times


@refused
def test_the_command_that_follows_goes_on(
    serving: tuple[Live, Refusals],
    client: Client,
    refusals: Refusals,
    runs: Runs,
    code: str,
    times: int,
    kind: type[HoldwaterError],
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = ["--server", serving[0].origin, "--api-key", API_TOKEN]
    with refusing_while_followed(refusals, code, times, streams=1):
        handle = client.submit("held")
        assert main(["runs", "follow", handle.run_id, "--json", *place]) == 0
    seen = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["seq"], one["part"]) for one in seen] == [event.position for event in handle.events()]


def test_the_command_that_submits_and_waits_goes_on(
    serving: tuple[Live, Refusals], refusals: Refusals, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--server", serving[0].origin, "--api-key", API_TOKEN]
    with refusing_while_followed(refusals, PROXY_ERROR, 1, streams=2):
        assert main(["submit", "held", "--wait", *place]) == 0
    assert "Completed" in capsys.readouterr().out
