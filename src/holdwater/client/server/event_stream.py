"""Server-sent events of a run: read on across broken connections, restarts and replicas, each event once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx

from holdwater.client.server.connection import ServerConnection
from holdwater.errors import HoldwaterError, RunnerClosed, RunNotFound, ServerFailure, ServerUnreachable
from holdwater.runs.follow import UNREACHABLE_ERRORS

SILENCE_SECONDS: Final = 45.0
"""without a message, of which the server sends one every 15 s: the connection is taken to be broken"""
FIRST_WAIT_SECONDS: Final = 0.1
MAX_WAIT_SECONDS: Final = 5.0
"""before the connection is made again"""
MAX_MESSAGE_CHARS: Final = 32 * 1024 * 1024
_SAYS_NOTHING: Final = ("beat", "bye")


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """One message.  `id`: its place, "" for one without."""

    event: str
    data: dict[str, Any]
    id: str = ""


def read_messages(lines: Iterator[str]) -> Iterator[StreamMessage]:
    """Parse lines of `text/event-stream`.  Raises ServerFailure for a message that is too long, or no JSON."""
    event, data, place = "message", list[str](), ""
    size = 0
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield StreamMessage(event, _parse("\n".join(data)), place)
            event, data, place, size = "message", [], "", 0
        elif name == "event":
            event = value
        elif name == "id":
            place = value
        elif name == "data":
            data.append(value)
            size += len(value)
            if size > MAX_MESSAGE_CHARS:
                raise ServerFailure(f"the server streams a message of more than {MAX_MESSAGE_CHARS:,} characters")


def _parse(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ServerFailure("the server streams a message that is no JSON") from error
    return found if isinstance(found, dict) else {}


class RunStream:
    """The stream of one run, until the run has ended.

    A connection that breaks, or a server that ends, is followed by another connection behind the last message.
    """

    def __init__(
        self,
        connection: ServerConnection,
        run_id: str,
        after: str,
        advance: Callable[[StreamMessage], None],
        **params: Any,
    ) -> None:
        """`advance`: told of each message; it may change `params`, for the next connection."""
        self._connection, self._run_id, self._last_id, self._advance = connection, run_id, after, advance
        self.params: dict[str, Any] = params
        self._stopping = threading.Event()
        self._response: httpx.Response | None = None

    def stop(self) -> None:
        """End the iteration in the other thread, soon."""
        self._stopping.set()
        response = self._response
        if response is not None:
            response.close()

    def messages(self) -> Iterator[StreamMessage]:
        """Read the messages.

        A server that cannot be reached, that drains or that wakes the tenant is asked again.
        Raises RunNotFound if the run is deleted meanwhile, ServerFailure, NotAuthenticated; RunnerClosed if the client
        is closed.
        """
        wait_seconds = FIRST_WAIT_SECONDS
        while not self._stopping.is_set():
            try:
                for message in self._connected():
                    wait_seconds = FIRST_WAIT_SECONDS
                    if message.event == "end":
                        return
                    self._raise_if_failed(message)
                    if message.event not in _SAYS_NOTHING:
                        self._last_id = message.id or self._last_id
                        self._advance(message)
                        yield message
            except UNREACHABLE_ERRORS:  # it comes back, or another replica does; a closed client is looked for below
                pass
            except HoldwaterError:
                if self._stopping.is_set():
                    return
                raise
            if self._connection.is_closed:
                raise RunnerClosed("the client was closed while a run was followed")
            self._stopping.wait(wait_seconds)
            wait_seconds = min(wait_seconds * 2, MAX_WAIT_SECONDS)

    def _connected(self) -> Iterator[StreamMessage]:
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=self._connection.options.connect_seconds)
        with self._connection.opened(
            "GET",
            self._connection.path("executions", self._run_id, "stream"),
            params=self.params,
            headers={"accept": "text/event-stream", "last-event-id": self._last_id},
            timeout=timeout,
        ) as response:
            self._response = response
            try:
                yield from read_messages(response.iter_lines())
            except (HoldwaterError, httpx.TransportError):
                raise
            except (httpx.StreamError, RuntimeError, ValueError, OSError) as error:  # closed by `stop` meanwhile
                if not self._stopping.is_set():
                    raise ServerUnreachable(f"the stream of run {self._run_id} broke: {error}") from error
            finally:
                self._response = None

    def _raise_if_failed(self, message: StreamMessage) -> None:
        if message.event == "deleted":
            raise RunNotFound(f"run {self._run_id!r} was deleted")
        if message.event == "error":
            raise ServerFailure(str(message.data.get("error", "the stream failed")))
