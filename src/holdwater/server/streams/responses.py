"""Streams as responses: no proxy holds them back, and what they hold is given back however they end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from holdwater.server.streams.messages import RETRY


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A stream that is open.  `close`: to be called once, whether the messages were read or not."""

    messages: AsyncIterator[bytes]
    close: Callable[[], None]


class EventStreamResponse(StreamingResponse):
    """Messages as `text/event-stream`."""

    def __init__(self, stream: OpenStream) -> None:
        """Respond with a stream, and close it."""
        super().__init__(
            _with_retry(stream.messages),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )
        self._close_stream = stream.close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the messages until they end, or the client is gone."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._close_stream()


async def _with_retry(messages: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield RETRY
    async for chunk in messages:
        yield chunk
