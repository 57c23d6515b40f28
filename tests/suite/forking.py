"""Python processes that cost little: forks of an interpreter that has imported what they need.

Each is a process of its own with the arguments, directory, environment and streams of a start by `exec`, and it ends as
an interpreter ends.  Not for tests of imports, of signals, or of what an interpreter does when it starts.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STARTUP_VARIABLE_PREFIXES = ("PYTHON", "LC_", "LANG")
"""variables that an interpreter reads when it starts; a fork comes too late for them"""


class ForkServer:
    """A process that has imported `build_modules`, and forks when it is told to.  One process runs at a time."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._environment = dict(os.environ) | {"PYTHONIOENCODING": "utf-8"}
        self._connection, theirs = socket.socketpair()
        self._lock = threading.Lock()
        command = [sys.executable, "-m", __name__, str(theirs.fileno()), *modules]
        self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment, pass_fds=[theirs.fileno()])
        theirs.close()

    def matches_environment(self, environment: Mapping[str, str]) -> bool:
        """Whether the fork is as good as an interpreter that starts in this environment."""
        return _startup_variables(environment) == _startup_variables(self._environment)

    def run(
        self, *arguments: str, cwd: Path, env: Mapping[str, str], stdin_text: str | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """As `subprocess.run` of `python ARGUMENTS`, which begin with `-m MODULE` or `-c CODE`.

        What it says is captured as UTF-8.  Raises TimeoutExpired after so many seconds, when the process is killed.
        """
        with self._lock, contextlib.ExitStack() as open_files:
            ends = [os.pipe() for _ in range(3)]
            (stdin, to_write), *heard = ends
            job = {"arguments": arguments, "cwd": str(cwd), "env": dict(env)}
            theirs = [stdin, heard[0][1], heard[1][1]]
            socket.send_fds(self._connection, [b" "], theirs)
            self._connection.sendall(json.dumps(job).encode() + b"\n")
            for number in theirs:
                os.close(number)
            answers = open_files.enter_context(self._connection.makefile("r"))
            pid = int(answers.readline())
            killer = threading.Timer(timeout, _kill, (pid,))
            killer.start()
            writer = threading.Thread(target=_write_text, args=(to_write, stdin_text or ""))
            writer.start()
            said = [_PipeReader(reading) for reading, _ in heard]
            out, err = (one.read_all() for one in said)
            status = int(answers.readline())
            late = not killer.is_alive()
            killer.cancel()
            writer.join()
        if late:
            raise subprocess.TimeoutExpired(arguments, timeout, out, err)
        return subprocess.CompletedProcess(list(arguments), status, out, err)

    def close(self) -> None:
        self._connection.close()
        self._process.wait(60)


class _PipeReader(threading.Thread):
    """Reads a pipe to its end."""

    def __init__(self, fd: int) -> None:
        super().__init__(daemon=True)
        self._fd, self._text = fd, ""
        self.start()

    def run(self) -> None:
        with open(self._fd, encoding="utf-8", newline="\n") as pipe:
            self._text = pipe.read().replace("\r\n", "\n")

    def read_all(self) -> str:
        self.join()
        return self._text


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _write_text(number: int, text: str) -> None:
    with contextlib.suppress(BrokenPipeError), open(number, "w", encoding="utf-8") as pipe:
        pipe.write(text)


def _startup_variables(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(STARTUP_VARIABLE_PREFIXES)}


# -- in the interpreter


def serve_jobs(connection: socket.socket) -> dict[str, Any] | None:
    """Fork for each job until the line is closed; returns a job in its fork, and None at the end."""
    while True:
        data, streams, _, _ = socket.recv_fds(connection, 1, 3)
        while data and not data.endswith(b"\n"):
            data += connection.recv(1 << 20)
        if not data:
            return None
        child = os.fork()
        if child == 0:
            connection.close()
            job: dict[str, Any] = json.loads(data)
            apply_job_environment(job, streams)
            return job
        for number in streams:
            os.close(number)
        connection.sendall(f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def apply_job_environment(job: dict[str, Any], streams: list[int]) -> None:
    """Take the streams, the directory and the environment of a job."""
    for number, given in enumerate(streams):
        os.dup2(given, number)
        os.close(given)
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        if name == "stderr":
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def run_python(arguments: list[str]) -> None:
    """Do as `python ARGUMENTS` does."""
    import runpy

    how, what, *rest = arguments
    sys.argv = [how, *rest]
    if how == "-m":
        sys.path[0] = os.getcwd()
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = ""
        space = sys.modules["__main__"].__dict__
        for name in [name for name in space if not name.startswith("__")]:
            del space[name]
        exec(compile(what, "<string>", "exec"), space)


def main() -> None:
    import gc
    from importlib import import_module

    line = socket.socket(fileno=int(sys.argv[1]))
    for module in sys.argv[2:]:
        import_module(module)
    gc.freeze()
    try:
        job = serve_jobs(line)
    except (KeyboardInterrupt, ConnectionError):
        job = None
    if job is not None:
        run_python(job["arguments"])


if __name__ == "__main__":
    main()
