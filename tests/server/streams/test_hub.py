"""Streams that are opened, fail and end in the middle of each other: what they hold is given back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from holdwater import DefaultRunner
from holdwater.errors import StoreUnavailable
from holdwater.operations.changes import DatabaseChanges
from holdwater.runs.log_follower import LogFollower
from holdwater.server.streams.hub import StreamHub
from holdwater.server.streams.log_lines import MAX_WAITING_CHUNKS, with_log
from holdwater.server.tenant_database import TenantDatabase
from tests.suite.runners import Define


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[DefaultRunner]:
    with DefaultRunner(f"sqlite:///{tmp_path}/runs.db") as opened:
        yield opened


@pytest.fixture
def run_id(runner: DefaultRunner, define: Define) -> str:
    handle = runner.submit(define("ended", ("one", lambda context: None, {})))
    handle.result()
    return handle.run_id


def hub_of(runner: DefaultRunner) -> StreamHub:
    tenant = TenantDatabase.of(runner._engine)
    return StreamHub(tenant.database.runs, tenant.open_changes)


def test_a_stream_that_cannot_be_opened_leaves_nothing(
    runner: DefaultRunner, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def follow(self: DatabaseChanges, *args: Any, **options: Any) -> None:
        raise StoreUnavailable("it is away")

    async def open_one() -> None:
        hub = hub_of(runner)
        with pytest.raises(StoreUnavailable):
            await hub.open_run(run_id, 0)
        with pytest.raises(StoreUnavailable):
            await hub.open_hints()
        assert (hub.stream_count, hub.feed_count, hub.is_listening) == (0, 0, False)

    monkeypatch.setattr(DatabaseChanges, "follow", follow)
    asyncio.run(open_one())


def test_a_stream_that_ends_leaves_one_that_is_being_opened(
    runner: DefaultRunner, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answered, original = threading.Event(), threading.Event(), DatabaseChanges.follow

    def follow(self: DatabaseChanges, *args: Any, **options: Any) -> None:
        asked.set()
        assert answered.wait(20)
        original(self, *args, **options)

    async def open_two() -> None:
        hub = hub_of(runner)
        first = asyncio.create_task(hub.open_run(run_id, 0))
        assert await asyncio.to_thread(asked.wait, 20)
        second = await hub.open_run(run_id, 0)
        second.close()
        assert (hub.stream_count, hub.feed_count) == (1, 1)
        answered.set()
        opened = await first
        everything = b"".join([chunk async for chunk in opened.messages])
        assert everything.endswith(b'event: end\ndata: {"status":"completed"}\n\n')
        opened.close()
        assert (hub.stream_count, hub.feed_count) == (0, 0)

    monkeypatch.setattr(DatabaseChanges, "follow", follow)
    asyncio.run(open_two())


def test_a_reader_that_goes_away_leaves_no_tasks() -> None:
    """Even if more is waiting for it than the queue takes."""

    async def leave_early() -> None:
        is_full, never = asyncio.Event(), asyncio.Event()

        async def events() -> AsyncIterator[bytes]:
            for k in range(MAX_WAITING_CHUNKS + 2):
                if k == MAX_WAITING_CHUNKS + 1:
                    is_full.set()
                yield b"event: task_started\n\n"

        async def no_lines() -> AsyncIterator[Any]:
            await never.wait()
            yield

        mixed = with_log(events(), cast(LogFollower, no_lines()))
        async for _ in mixed:
            await is_full.wait()
            break
        await cast(Any, mixed).aclose()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(others, timeout=5) if others else None
        assert [task for task in others if not task.done()] == []

    asyncio.run(leave_early())
