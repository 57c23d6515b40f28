"""Messages of a worker for the calls it carries out, each given to the thread that waits for it.

There is no thread that reads: one of those that wait does it for all of them, so that a worker with one call is read
without a change of threads.
"""

from __future__ import annotations

import select
import threading
from collections import deque
from functools import partial
from typing import Final

from holdwater.errors import BadAnswer
from holdwater.runtime.executors.processes.messages import Shapes, WorkerMessage, read_message
from holdwater.runtime.executors.processes.worker import read_exactly

MAX_WAITING_MESSAGES: Final = 1000
"""messages of one call that its thread has not taken yet; the worker has to wait then"""


class MessageReader:
    """Reads the messages of one worker, which is not trusted.  Thread-safe."""

    def __init__(self, read_fd: int, shapes: Shapes) -> None:
        self._read_fd, self._shapes = read_fd, shapes
        self._changed = threading.Condition()
        self._inboxes: dict[int, deque[WorkerMessage]] = {}
        self._is_reading = False
        self._error: BaseException | None = None

    def begin(self, call_id: int) -> None:
        """Expect messages of a call that is about to be sent.  Raises EOFError, OSError, BadAnswer.

        What threads of earlier calls have said since is taken first, as far as they may.
        """
        with self._changed:
            if not self._inboxes:
                self._discard_late_messages()
            self._inboxes[call_id] = deque()

    def end(self, call_id: int) -> None:
        """Expect no more of a call."""
        with self._changed:
            del self._inboxes[call_id]
            self._changed.notify_all()

    def next_message(self, call_id: int) -> WorkerMessage:
        """The next message of a call.  Raises EOFError, OSError when the worker has ended, BadAnswer."""
        inbox = self._inboxes[call_id]
        while True:
            with self._changed:
                while self._is_reading and not inbox and self._error is None:
                    self._changed.wait()
                if inbox:
                    self._changed.notify_all()  # there is room again
                    return inbox.popleft()
                if self._error is not None:
                    raise self._error
                self._is_reading = True
            message: WorkerMessage | None = None
            try:
                message = self._read()
                if message.call_id == call_id:
                    return message
                self._hand_over(message)
            except BaseException as error:
                self._error = error
                raise
            finally:
                with self._changed:
                    self._is_reading = False
                    if len(self._inboxes) > 1:
                        self._changed.notify_all()

    def _hand_over(self, message: WorkerMessage) -> None:
        """Give a message to the thread of its call.  Raises BadAnswer."""
        with self._changed:
            inbox = self._inboxes.get(message.call_id)
            if inbox is None and message.kind == "done":
                raise BadAnswer("it answered another call")
            if inbox is None:
                return  # a thread that an earlier function left behind still has its handle
            inbox.append(message)
            self._changed.notify_all()
            while len(inbox) > MAX_WAITING_MESSAGES and message.call_id in self._inboxes:
                self._changed.wait()

    def _discard_late_messages(self) -> None:
        while select.select([self._read_fd], [], [], 0)[0]:
            if self._read().kind == "done":
                raise BadAnswer("it answered without a call")

    def _read(self) -> WorkerMessage:
        return read_message(partial(read_exactly, self._read_fd), self._shapes)
