"""What is kept of a run for its streams is bounded, however long the run is and however slow they read."""

from __future__ import annotations

import asyncio
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from holdwater import DefaultRunner
from holdwater.client import Client
from holdwater.engine import Engine
from holdwater.errors import StoreUnavailable
from holdwater.model.records import Committed, RunUpdate
from holdwater.operations.changes import DatabaseChanges
from holdwater.operations.databases import open_for_control
from holdwater.runs.event_reader import RunEventReader
from holdwater.server.streams import run_feed
from holdwater.server.streams.hub import StreamHub
from holdwater.server.streams.run_feed import RunFeed, encode_event
from holdwater.server.tenant_database import TenantDatabase
from tests.suite.runners import Define
from tests.suite.waiting import poll_pause

ROW_ENTRIES = 20


@pytest.fixture
def url(tmp_path: Path, define: Define) -> str:
    url = f"sqlite:///{tmp_path}/runs.db?_synchronous=OFF"
    define("waits", ("one", lambda context: None, {}))
    with DefaultRunner(url) as runner:
        runner.announce()
    return url


def make_long_run(url: str, engine: Engine, entry_count: int) -> str:
    """A run that was paused and resumed many times before it was cancelled."""
    with Client(url) as client:
        run_id = client.submit("waits").run_id
    row = engine.store.get_run(run_id)
    assert row is not None
    entries = ['["paused","a look"]', '["resumed","go on"]'] * (ROW_ENTRIES // 2)
    for _ in range(entry_count // ROW_ENTRIES):
        update = RunUpdate(replace(row, seq=row.seq + ROW_ENTRIES), row.seq, entries, engine.clock.now())
        assert engine.store.commit([update]) == [Committed()]
        row = update.run
    engine.control.cancel(run_id)
    return run_id


def all_messages(engine: Engine, run_id: str) -> list[bytes]:
    return [encode_event(event) for event in RunEventReader(engine.store, run_id).read()]


def hub_of(engine: Engine) -> StreamHub:
    tenant = TenantDatabase.of(engine)
    return StreamHub(tenant.database.runs, tenant.open_changes)


def split(chunks: list[bytes]) -> list[bytes]:
    return [text + b"\n\n" for text in b"".join(chunks).split(b"\n\n") if text]


@pytest.mark.parametrize("kept_bytes", [1, 5_000, 1_000_000])
def test_a_long_run_is_streamed_whole_however_little_is_kept(
    url: str, kept_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_feed, "MAX_KEPT_BYTES", kept_bytes)
    monkeypatch.setattr(run_feed, "READ_ROWS", 3)

    async def stream_all(engine: Engine, run_id: str, expected: list[bytes]) -> None:
        hub = hub_of(engine)
        for first in (0, 1, len(expected) // 2, len(expected)):
            after = (0, 0) if not first else _place_of(expected[first - 1])
            opened = await hub.open_run(run_id, after)
            sent = split([chunk async for chunk in opened.messages])
            opened.close()
            assert sent == [*expected[first:], b'event: end\ndata: {"status":"cancelled"}\n\n']

    with open_for_control(url) as engine:
        run_id = make_long_run(url, engine, 300)
        asyncio.run(stream_all(engine, run_id, all_messages(engine, run_id)))


def _place_of(encoded: bytes) -> tuple[int, int]:
    seq, _, part = encoded.decode().splitlines()[0].removeprefix("id: ").partition(".")
    return int(seq), int(part)


def test_a_slow_stream_goes_on_after_the_database_was_away(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_feed, "MAX_KEPT_BYTES", 1)
    monkeypatch.setattr(run_feed, "READ_ROWS", 3)
    monkeypatch.setattr(run_feed, "RETRY_SECONDS", 0.001)
    read, failures = RunEventReader.read, iter([False, True, False, False, True, True])

    def read_or_fail(self: RunEventReader, limit: int | None = None) -> object:
        if next(failures, False):
            raise StoreUnavailable("it is away")
        return read(self, limit)

    async def stream_all(engine: Engine, run_id: str) -> list[bytes]:
        opened = await hub_of(engine).open_run(run_id, 0)
        return split([chunk async for chunk in opened.messages])

    with open_for_control(url) as engine:
        run_id = make_long_run(url, engine, 300)
        expected = all_messages(engine, run_id)
        monkeypatch.setattr(RunEventReader, "read", read_or_fail)
        assert asyncio.run(stream_all(engine, run_id))[:-1] == expected


async def watch_slowly(engine: Engine, run_id: str) -> int:
    """Read one message, and the others when all of the run was read for them; returns the bytes that were kept."""
    changes: DatabaseChanges = TenantDatabase.of(engine).open_changes()
    feed = RunFeed(changes.read_events(run_id), lambda after: changes.read_events(run_id, after), lambda: False)
    slow = feed.messages(0)
    await anext(slow)
    while not feed.has_ended:  # bounded by the test's time-out
        await asyncio.to_thread(poll_pause)
    kept_bytes = feed.kept_bytes
    async for chunk in slow:
        last = chunk
    assert last.startswith(b"event: end")
    feed.close()
    return kept_bytes


def test_so_much_is_kept_of_a_watched_run(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_feed, "MAX_KEPT_BYTES", 20_000)
    monkeypatch.setattr(run_feed, "READ_ROWS", 2)
    with open_for_control(url) as engine:
        run_id = make_long_run(url, engine, 400)
        assert sum(map(len, all_messages(engine, run_id))) > 80_000
        assert 10_000 < asyncio.run(watch_slowly(engine, run_id)) <= 20_000


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_memory_of_a_watched_run_is_bounded(url: str) -> None:
    with open_for_control(url) as engine:
        run_id = make_long_run(url, engine, 100_000)
        tracemalloc.start()
        asyncio.run(watch_slowly(engine, run_id))
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak_bytes < 16_000_000
