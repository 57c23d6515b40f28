"""The log of a run within the stream of its events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from holdwater.runs.log_follower import LogFollower
from holdwater.server.models.logs import LogLineBody
from holdwater.server.streams.messages import BYE, message

MAX_WAITING_CHUNKS: Final = 16
END_PREFIX: Final = b"event: end\n"


async def with_log(events: AsyncIterator[bytes], log: LogFollower) -> AsyncIterator[bytes]:
    """Mix the lines of a log, as `log` messages without ids, into the events of a run; `end` stays the last."""
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_WAITING_CHUNKS)
    tasks = [asyncio.create_task(_pump(source, queue)) for source in (events, _log_messages(log))]
    end = b""
    try:
        open_sources = len(tasks)
        while open_sources:
            chunk = await queue.get()
            if chunk is None:
                open_sources -= 1
            elif chunk.startswith(END_PREFIX):
                end = chunk
            else:
                yield chunk
                if chunk == BYE:
                    return
        for task in tasks:
            task.result()
        yield end
    finally:
        for task in tasks:
            task.cancel()


async def _pump(source: AsyncIterator[bytes], queue: asyncio.Queue[bytes | None]) -> None:
    try:
        async for chunk in source:
            await queue.put(chunk)
    except Exception:  # the reader gets it from the task; one that cancels takes nothing from the queue any more
        await queue.put(None)
        raise
    await queue.put(None)


async def _log_messages(log: LogFollower) -> AsyncIterator[bytes]:
    async for line in log:
        yield message("log", LogLineBody.of(line).model_dump())
