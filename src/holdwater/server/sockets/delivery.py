"""One connection that the events of a run are delivered to."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Coroutine
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from holdwater.errors import HoldwaterError, RunNotFound
from holdwater.server.positions import parse_place
from holdwater.server.refusals import RequestError
from holdwater.server.sockets import frames
from holdwater.server.sockets.frames import Ack, Hello, SocketEnd
from holdwater.server.streams.hub import StreamHub
from holdwater.server.streams.messages import split_messages
from holdwater.server.streams.responses import OpenStream

HELLO_SECONDS: Final = 10.0
"""time a client has for its first message"""
MAX_UNACKNOWLEDGED: Final = 1000
"""pushes that a client has not acknowledged; then it is waited for"""
ACK_SECONDS: Final = 60.0
"""longest wait for an acknowledgement"""
AFTER_END_SECONDS: Final = 600.0
"""time a connection stays open after the end of its run: a client that connects again is sent everything again"""


class Delivery:
    """Pushes the events of a run, from a place on, until the run has ended or the connection is closed.

    `recipient`: as the client names it.  `access_ended`: set when the client's key is revoked or expires.
    """

    def __init__(
        self, socket: WebSocket, streams: StreamHub, tenant: str, run_id: str, recipient: str,
        access_ended: asyncio.Event,
    ) -> None:  # fmt: skip
        self._socket, self._streams = socket, streams
        self._tenant, self._run_id, self._recipient = tenant, run_id, recipient
        self._access_ended = access_ended
        self._unacknowledged: deque[int] = deque()
        self._acknowledged = asyncio.Event()

    async def serve(self) -> None:
        """Accept the connection, and serve it to its end."""
        await self._socket.accept()
        try:
            hello = await self._first(self._read_hello(), self._wait_for_end_of_access())
            await self._socket.send_text(frames.welcome())
            stream = await self._open(hello)
            try:
                await self._first(self._push_all(stream), self._read_acks(), self._wait_for_end_of_access())
            finally:
                stream.close()
        except SocketEnd as end:
            await self._socket.close(end.code, end.reason)
        except WebSocketDisconnect:
            return  # the client is gone

    async def _first(self, *waits: Coroutine[Any, Any, Any]) -> Any:
        """Wait until one of these is done, and cancel the others."""
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.exception()  # it is seen, also where another one was first
        return next(task for task in tasks if task in done).result()

    async def _open(self, hello: Hello) -> OpenStream:
        """Open the stream.  Raises SocketEnd."""
        try:
            return await self._streams.open_run(self._run_id, hello.after)
        except RunNotFound:
            raise SocketEnd(frames.GONE, "the run was deleted") from None
        except (RequestError, HoldwaterError):
            raise SocketEnd(frames.TRY_AGAIN_LATER, "the run cannot be followed now") from None

    # -- to the client

    async def _push_all(self, stream: OpenStream) -> None:
        async for chunk in stream.messages:
            for event, data, place in split_messages(chunk):
                if place:
                    await self._push(parse_place(place), data)
                elif event == "end":
                    await self._socket.send_text(frames.end(json.loads(data)["status"]))
                    await asyncio.sleep(AFTER_END_SECONDS)
                    raise SocketEnd(1000, "the run has ended")
                elif event == "bye":
                    raise SocketEnd(frames.GOING_AWAY, "the server ends")
                elif event == "deleted":
                    raise SocketEnd(frames.GONE, "the run was deleted")
                elif event == "error":
                    raise SocketEnd(frames.BROKEN, "the events of the run cannot be read")
        raise SocketEnd(frames.GOING_AWAY, "the stream has ended")

    async def _push(self, position: tuple[int, int], payload: bytes) -> None:
        """Push an event, when the client has taken in what came before.  Raises SocketEnd."""
        while len(self._unacknowledged) >= MAX_UNACKNOWLEDGED:
            self._acknowledged.clear()
            try:
                async with asyncio.timeout(ACK_SECONDS):
                    await self._acknowledged.wait()
            except TimeoutError:
                raise SocketEnd(frames.TIMED_OUT, f"nothing was acknowledged within {ACK_SECONDS:g} s") from None
        self._unacknowledged.append(frames.push_id(position))
        await self._socket.send_text(frames.push(position, self._recipient, self._tenant, payload))

    # -- from the client

    async def _read_hello(self) -> Hello:
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                frame = await self._read_frame()
        except TimeoutError:
            raise SocketEnd(frames.TIMED_OUT, f"no hello came within {HELLO_SECONDS:g} s") from None
        if not isinstance(frame, Hello):
            raise SocketEnd(frames.MALFORMED, "the first message is no hello")
        return frame

    async def _read_acks(self) -> None:
        while True:
            frame = await self._read_frame()
            if isinstance(frame, Hello):
                raise SocketEnd(frames.MALFORMED, "there was a hello already")
            if isinstance(frame, Ack):
                while self._unacknowledged and self._unacknowledged[0] <= frame.push_id:
                    self._unacknowledged.popleft()
                self._acknowledged.set()

    async def _read_frame(self) -> Hello | Ack | None:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        return frames.parse_frame(message.get("text"))

    async def _wait_for_end_of_access(self) -> None:
        await self._access_ended.wait()
        raise SocketEnd(frames.ACCESS_ENDED, "this key is not accepted any more")
