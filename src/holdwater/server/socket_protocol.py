"""WebSockets with limits: on what a client sends, and on the time it may leave what was sent to it unread."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from holdwater.server.protocol import STALL_SECONDS
from holdwater.server.sockets.frames import MAX_FRAME_BYTES

PING_SECONDS: Final = 20.0
"""between signs of life that a client is asked for, and the time it has for each"""


class LimitedWebSocketProtocol(WebSocketsSansIOProtocol):
    """One connection; it is lost if the client does not read."""

    _stalled: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """Give a client that does not read its time: what it has not read is kept in memory."""
        super().pause_writing()
        self._stalled = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        super().resume_writing()
        self._forget_stall()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._forget_stall()
        super().connection_lost(exc)

    def _forget_stall(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


def websocket_options() -> dict[str, Any]:
    """Return the options of uvicorn for this protocol."""
    return {
        "ws": LimitedWebSocketProtocol,
        "ws_max_size": MAX_FRAME_BYTES,
        "ws_ping_interval": PING_SECONDS,
        "ws_ping_timeout": PING_SECONDS,
        "ws_per_message_deflate": False,
    }
