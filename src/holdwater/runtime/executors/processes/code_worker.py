"""Workers that are sent the code of the functions they call."""

from __future__ import annotations

import json
import sys
from typing import Final

from holdwater.runtime.executors.base import TaskInvocation
from holdwater.runtime.executors.processes.child_process import ProcessCommand
from holdwater.runtime.executors.processes.output import CapturedOutput, WorkerOutput
from holdwater.runtime.executors.processes.worker_process import WorkerProcess

CODE_BLOBS_KEPT: Final = 256
"""of code that a worker remembers"""
_MAIN: Final = (
    "import sys, json; fds = map(int, sys.argv[2:]); sys.path[:], sys.argv[:] = json.loads(sys.argv[1]); "
    "from holdwater.runtime.executors.processes.worker import main; main(*fds)"
)


class CodeWorkerProcess(WorkerProcess):
    """A worker with this interpreter, and the modules of this process.  Raises OSError if it cannot be started."""

    def __init__(self, *, captures_output: bool = True) -> None:
        self._cached_keys: dict[str, None] = {}  # keys it has, the last used last
        self._sys_path = list(sys.path)
        command = [sys.executable, "-P", "-c", _MAIN, json.dumps([self._sys_path, sys.argv])]
        super().__init__(ProcessCommand(command), CapturedOutput() if captures_output else WorkerOutput())

    def run_invocation(self, invocation: TaskInvocation) -> bytes:
        """Blocks until the answer is there.  Raises EOFError or OSError when the worker dies, BadAnswer."""
        needed = [key for key, _ in invocation.code_blobs]
        new = {key: data for key, data in invocation.code_blobs if key not in self._cached_keys}
        for key in needed:
            self._cached_keys.pop(key, None)
            self._cached_keys[key] = None
        gone = list(self._cached_keys)[: max(0, len(self._cached_keys) - max(CODE_BLOBS_KEPT, len(needed)))]
        for key in gone:
            del self._cached_keys[key]
        path = None if self._sys_path == sys.path else list(sys.path)
        self._sys_path = path or self._sys_path
        return self.call(invocation, ["call", needed, list(new), gone, path], invocation.payload, *new.values())
