"""A stream that is cancelled ends, whatever comes at the same instant: that of a revoked key must not go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from holdwater.server.streams.hints import HintStream

TURNS = range(6)
"""of the event loop, between a message and the cancellation"""


async def read_all(messages: AsyncIterator[bytes], began: asyncio.Event) -> None:
    async for _ in messages:
        began.set()


async def run_turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("turns", TURNS)
def test_a_message_that_comes_at_once_does_not_keep_a_stream_alive(turns: int) -> None:
    async def cancel_after(turns: int) -> bool:
        stream, began = HintStream(lambda: False), asyncio.Event()
        task = asyncio.create_task(read_all(stream.messages(), began))
        await began.wait()
        await run_turns(10)  # it waits for the next message
        stream.put(b"next")
        await run_turns(turns)
        task.cancel()
        await run_turns(10)
        is_cancelled = task.cancelled()
        task.cancel()
        await asyncio.wait([task])
        return is_cancelled

    assert asyncio.run(cancel_after(turns))
