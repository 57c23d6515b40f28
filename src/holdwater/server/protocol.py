"""HTTP/1.1 with deadlines: a client that sends slowly, or too much before its body, loses its connection.

The parser alone would keep a header that drips one byte a second for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from holdwater.server.coalesced_writes import CoalescedTransport

HEADER_SECONDS: Final = 10.0
BODY_SECONDS: Final = 60.0
MIN_BODY_BYTES_PER_SECOND: Final = 10_000
STALL_SECONDS: Final = 30.0
"""time a client may leave what was sent to it unread"""
MAX_HEADER_BYTES: Final = 32 * 1024
"""also of one chunk header of a body"""
MAX_DISCARDED_BYTES: Final = 64 * 1024 * 1024
"""of a body: a body that is refused is read to its end, so that the client sees why, but no further than this"""


class DeadlineProtocol(H11Protocol):
    """One connection.

    A request's header must be whole within `HEADER_SECONDS` of its first byte, or of the connection.  A body that is
    not whole `BODY_SECONDS` later must have come at `MIN_BODY_BYTES_PER_SECOND` at least.
    """

    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _body_bytes = 0
    _body_total_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the client its time for a header."""
        super().connection_made(CoalescedTransport(transport, self.loop))
        self._expect_header()

    def data_received(self, data: bytes) -> None:
        """Take in bytes, and begin, keep or end the deadline of what is read."""
        if self._deadline is None and self.conn.their_state is h11.IDLE:
            self._expect_header()
        was_in_body = self.conn.their_state is h11.SEND_BODY
        super().data_received(data)
        self._body_bytes += len(data)
        self._body_total_bytes += len(data)
        if self.transport.is_closing() or self.conn.their_state is not h11.SEND_BODY:
            if self.conn.their_state is not h11.IDLE or not self._is_mid_header():
                self._cancel_deadline()
        elif self._body_total_bytes > MAX_DISCARDED_BYTES and was_in_body:
            self._give_up()
        elif not was_in_body:
            self._cancel_deadline()
            self._body_bytes = self._body_total_bytes = 0
            self._deadline = self.loop.call_later(BODY_SECONDS, self._check_body)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._cancel_deadline()
        self._forget_stall()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP request, in the shape of every error."""
        body = json.dumps({"error": "this is no HTTP request", "code": "invalid_request", "request_id": ""}).encode()
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("x-content-type-options", "nosniff"),
            ("connection", "close"),
        ]
        events = (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage())
        with contextlib.suppress(h11.LocalProtocolError):  # a response has begun already
            self.transport.write(b"".join([self.conn.send(event) or b"" for event in events]))
        self.transport.close()

    def _is_mid_header(self) -> bool:
        trailing: tuple[bytes, bool] = self.conn.trailing_data
        return bool(trailing[0])

    def _expect_header(self) -> None:
        self._cancel_deadline()
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _check_body(self) -> None:
        """Close a connection whose body is slow; look again later at one that is fast enough."""
        if self._body_bytes < BODY_SECONDS * MIN_BODY_BYTES_PER_SECOND:
            self._give_up()
            return
        self._body_bytes = 0
        self._deadline = self.loop.call_later(BODY_SECONDS, self._check_body)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        self.transport.abort()

    # -- a client that does not read

    def pause_writing(self) -> None:
        """Give a client that does not read its time: what it has not read is kept in memory."""
        super().pause_writing()
        self._stalled = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        super().resume_writing()
        self._forget_stall()

    def _forget_stall(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


def uvicorn_options() -> dict[str, Any]:
    """Return the options of uvicorn for this protocol."""
    return {"http": DeadlineProtocol, "ws": "none", "h11_max_incomplete_event_size": MAX_HEADER_BYTES}
