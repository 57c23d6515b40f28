"""A fork of an interpreter is as good as one that starts: arguments, directory, environment, streams, end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.suite.forking import ForkServer

ENVIRONMENT_SCRIPT = """
import os, sys
print(sys.argv[1:], os.getcwd(), os.environ.get("MINE"), os.environ.get("HOME"))
print(sys.stdin.read(), sys.stdin.isatty(), sys.stdout.isatty(), sys.stdout.encoding, sys.stderr.errors)
print("\\u00e9\\ud800".encode("utf-8", "replace"), file=sys.stderr)
import beside
print(beside.__file__, __name__, sorted(name for name in globals() if not name.startswith("__")))
"""
ENDING_SCRIPTS = {
    "well": "print('well')",
    "with a status": "import sys; print('left'); sys.exit(3)",
    "with words": "import sys; sys.exit('words')",
    "by an exception": "print('before'); raise ValueError('no')",
    "by a signal": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "at once": "import os; print('lost'); os._exit(4)",
    "with handlers": "import atexit; atexit.register(print, 'at exit'); print('first')",
    "with threads": "import threading; threading.Timer(0.01, print, ['late']).start(); print('first')",
    "of another process": "import os; print(os.fork() and os.wait()[1], flush=True)",
}


@pytest.fixture(scope="module")
def interpreter() -> Iterator[ForkServer]:
    made = ForkServer([])
    yield made
    made.close()


@pytest.mark.parametrize("code", [ENVIRONMENT_SCRIPT, *ENDING_SCRIPTS.values()], ids=["scene", *ENDING_SCRIPTS])
def test_both_do_the_same(code: str, interpreter: ForkServer, tmp_path: Path) -> None:
    (tmp_path / "beside.py").touch()
    env = {"HOME": "elsewhere", "MINE": "set", "PYTHONIOENCODING": "utf-8", "PATH": os.environ["PATH"]}
    given = "what it reads\nto its end"
    forked = interpreter.run("-c", code, "a", "b c", cwd=tmp_path, env=env, stdin_text=given)
    started = subprocess.run(
        [sys.executable, "-c", code, "a", "b c"],
        cwd=tmp_path, env=env, input=given, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert (forked.returncode, forked.stdout) == (started.returncode, started.stdout)
    assert forked.stderr.splitlines()[-1:] == started.stderr.splitlines()[-1:]  # tracebacks differ in their frames


def test_one_that_does_not_end_is_killed(interpreter: ForkServer, tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        interpreter.run("-c", "import signal; signal.pause()", cwd=tmp_path, env=os.environ, timeout=0.2)
    assert interpreter.run("-c", "print(1)", cwd=tmp_path, env=os.environ).stdout == "1\n"


def test_variables_that_count_at_the_start(interpreter: ForkServer) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    assert interpreter.matches_environment({**environment, "HOLDWATER_DEBUG": "1"})
    assert not interpreter.matches_environment({**environment, "PYTHONHASHSEED": "1"})
    assert not interpreter.matches_environment(
        {**environment, "LC_ALL": "C"} if os.environ.get("LC_ALL") != "C" else {}
    )
