"""The side of the runner of a call that a host carries out: an invocation, of which the pool hears when it waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

from holdwater.errors import SecretNotAllowed
from holdwater.model.log_context import OutputStream
from holdwater.runtime.executors.base import TaskInvocation
from holdwater.runtime.executors.child_calls import ChildRequest
from holdwater.runtime.future import Future
from holdwater.runtime.handle_protocols import ChildRunResult


class HostCaller:
    """A `WorkerCaller`.  `count_waiting`: told 1 when the first of its threads waits, -1 when none does any more.

    `allowed_secrets`: names that its package lists.
    """

    def __init__(
        self, invocation: TaskInvocation, count_waiting: Callable[[int], None], allowed_secrets: Collection[str]
    ) -> None:
        self._invocation, self._count_waiting = invocation, count_waiting
        self._allowed_secrets = allowed_secrets
        self._lock = threading.Lock()
        self._waiting_threads = 0

    def release_slot(self) -> None:
        """Give up the slot: the function waits."""
        self._invocation.release_slot()
        with self._lock:
            self._waiting_threads += 1
            if self._waiting_threads > 1:
                return
        self._count_waiting(1)

    def reacquire_slot(self, on_slot: Callable[[], None] | None) -> None:
        """Let it go on as soon as it has a slot."""
        with self._lock:
            was_waiting = self._waiting_threads
            self._waiting_threads = max(0, was_waiting - 1)
        if was_waiting == 1:
            self._count_waiting(-1)
        self._invocation.reacquire_slot(on_slot)

    def take_slot_now(self) -> None:
        """Take the slot it has asked for at once."""
        self._invocation.take_slot_now()

    def end(self) -> None:
        """Count nothing more: the call is over, whatever its function has left waiting."""
        with self._lock:
            was_waiting, self._waiting_threads = self._waiting_threads, 0
        if was_waiting:
            self._count_waiting(-1)

    # -- as the invocation

    def on_cancel(self, callback: Callable[[str], None]) -> None:
        """Call `callback(reason)` when the function is to stop."""
        self._invocation.on_cancel(callback)

    def add_output(self, stream: OutputStream, text: str) -> None:
        """Keep what the function has printed."""
        self._invocation.add_output(stream, text)

    def add_record(self, level: str, logger: str, text: str) -> None:
        """Keep a log record."""
        self._invocation.add_record(level, logger, text)

    def end_output(self) -> None:
        """End a line of the output that has no newline."""
        self._invocation.end_output()

    def start_child_run(self, request: ChildRequest) -> Future[ChildRunResult]:
        """Start a child run."""
        return self._invocation.start_child_run(request)

    def read_secret(self, name: str, field: str) -> str:
        """Return a secret that the package lists.  Raises SecretNotAllowed for all others, known or not."""
        if name not in self._allowed_secrets:
            raise SecretNotAllowed(
                f"the package does not list the secret {name[:80]!r}",
                hint=f'add it to [execution] secrets in holdwater.toml: secrets = ["{name[:80]}"]',
            )
        return self._invocation.read_secret(name, field)

    def pack_child_answer(self, future: Future[ChildRunResult]) -> list[bytes]:
        """Pack the result or the error of a child run."""
        return self._invocation.pack_child_answer(future)
