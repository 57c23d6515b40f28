"""Following a run of a server: a thread reads the stream, and the follower takes what it has read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Final

from holdwater.client.server.connection import ServerConnection
from holdwater.client.server.event_stream import RunStream, StreamMessage
from holdwater.client.server.parsing import log_line_of, run_event_of
from holdwater.events.run_events import EventPosition
from holdwater.runs.follow import FollowStep, RunFollower, check_position
from holdwater.runs.log_follower import LogFollower, LogStep
from holdwater.runtime.future import Future

WAIT_SECONDS: Final = 10.0
"""longest time of one wait; the stream sets its end"""
MAX_WAITING_MESSAGES: Final = 10_000
"""read and not taken yet; then the server waits"""


class _StreamReader:
    """Reads a stream in a thread of its own."""

    def __init__(self, stream: RunStream) -> None:
        self._stream = stream
        self._messages: list[StreamMessage] = []
        self._room = threading.Condition()
        self._change: Future[None] = Future()
        self._has_ended = self._is_stopped = False
        self._error: BaseException | None = None
        threading.Thread(target=self._read, name="holdwater-stream", daemon=True).start()

    def take(self) -> tuple[list[StreamMessage], Future[None] | None]:
        """Return what was read, and a future that is set when there is more; None: there will be none.

        Raises RunNotFound, NotAuthenticated, RunnerClosed: what ended the stream.
        """
        with self._room:
            taken, self._messages = self._messages, []
            self._room.notify()
            if not taken and self._error is not None:
                raise self._error
            if self._has_ended:
                return taken, None if self._error is None else self._change
            self._change = Future()
            return taken, self._change

    def stop(self) -> None:
        with self._room:
            self._is_stopped = True
            self._room.notify()
        self._stream.stop()

    def _read(self) -> None:
        error: BaseException | None = None
        try:
            for message in self._stream.messages():
                with self._room:
                    self._messages.append(message)
                    self._change.set_result(None)
                    while len(self._messages) >= MAX_WAITING_MESSAGES and not self._is_stopped:
                        self._room.wait()
        except BaseException as raised:  # noqa: BLE001 - raised again by the reader of the messages
            error = raised
        with self._room:
            self._has_ended, self._error = True, error
            self._change.set_result(None)


class ServerRunFollower(RunFollower):
    """Follows a run by the stream of its events."""

    def __init__(self, connection: ServerConnection, run_id: str, after: int | EventPosition = 0) -> None:
        """Prepare to follow a run.  Raises InvalidArgument."""
        self._connection, self.run_id = connection, run_id
        place = check_position(after)
        self._after = str(place) if isinstance(place, int) else ".".join(map(str, place))

    def steps(self) -> Iterator[FollowStep]:
        """Every look at what was read."""
        reader = _StreamReader(RunStream(self._connection, self.run_id, self._after, lambda message: None))
        try:
            change: Future[None] | None = Future()
            while change is not None:
                messages, change = reader.take()
                yield FollowStep([run_event_of(one.data, self.run_id) for one in messages], change, WAIT_SECONDS)
        finally:
            reader.stop()


class ServerLogFollower(LogFollower):
    """Follows the log of a run by its stream.  `position`: of the last event of the run that is there already."""

    def __init__(
        self,
        connection: ServerConnection,
        run_id: str,
        position: int,
        node: str | None,
        attempt: int | None,
        after: str | None,
    ) -> None:
        self._connection, self.run_id, self._position = connection, run_id, position
        self._node, self._attempt, self._after = node, attempt, after

    def steps(self) -> Iterator[LogStep]:
        """Every look at what was read."""
        params: dict[str, Any] = {"logs": True, "logs_after": self._after}

        def go_on_behind(message: StreamMessage) -> None:
            if message.event == "log":
                stream.params["logs_after"] = message.data["cursor"]

        stream = RunStream(self._connection, self.run_id, str(self._position), go_on_behind, **params)
        reader = _StreamReader(stream)
        try:
            change: Future[None] | None = Future()
            while change is not None:
                messages, change = reader.take()
                lines = [log_line_of(one.data) for one in messages if one.event == "log"]
                wanted = [line for line in lines if self._node in (None, line.node)]
                wanted = [line for line in wanted if self._attempt in (None, line.attempt)]
                yield LogStep(tuple(wanted), change, WAIT_SECONDS)
        finally:
            reader.stop()
