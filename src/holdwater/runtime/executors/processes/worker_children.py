"""Child runs that a function in a worker starts: asked of the runner, and answered by it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

from holdwater.model.value_types.class_names import resolve_on_peer
from holdwater.runtime.executors.child_calls import RemoteChildResult, pack_request, unpack_answer
from holdwater.runtime.executors.processes.channel import unpickle_code
from holdwater.runtime.future import Future


class WorkerChildren:
    """The child runs of one call.  `send(number, request)`: sends a request to the runner.  Thread-safe."""

    def __init__(self, send: Callable[[int, bytes], None], main_module: str) -> None:
        self._send, self._main_module = send, main_module
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[RemoteChildResult]] = {}

    def start_child_run(self, parent: Any, workflow: str, inputs: Any, key: str | None) -> Future[RemoteChildResult]:
        """Ask for a child run; the future is set to its result, or the error of the runner.

        Raises EncodingError, WorkflowError for inputs that cannot be sent.
        """
        with resolve_on_peer(self._main_module):  # also in a thread of the function, which has no context variables
            request = pack_request(workflow, inputs, key)
        future: Future[RemoteChildResult] = Future()
        with self._lock:
            number = next(self._numbers)
            self._waiting[number] = future
        self._send(number, request)
        return future

    def deliver(self, number: int, parts: list[bytes]) -> None:
        """Take the answer of the runner."""
        with self._lock:
            future = self._waiting.pop(number, None)
        if future is None:
            return
        packed, *code_blobs = parts
        try:
            for blob in code_blobs:
                unpickle_code(blob)
            future.set_result(unpack_answer(packed))
        except Exception as error:  # noqa: BLE001 - it is raised where the function waits
            future.set_exception(error)
