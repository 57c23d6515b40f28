"""One bash for the commands of a page, as a reader types them one after the other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_END: Final = "__end of command__"
_VARYING: Final = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|\+00:00)?"), "TIME"),
    (re.compile(r"(< )?\b\d+(\.\d+)? (ms|s)\b"), "DURATION"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "FINGERPRINT"),
    (re.compile(r"\b[0-9a-f]{8}\b"), "ID"),
    (re.compile(r"\b[\w.-]+:\d+\b(?=$|,)", re.M), "HOST:PID"),
    (re.compile(r" +"), " "),
    (re.compile(r"^.*\bKilled\b.*\n?", re.M), ""),
    (re.compile(r"^\[\d+\].*\n?", re.M), ""),
)


def comparable(output: str) -> str:
    """Output without what differs between two runs: ids, instants, durations, processes."""
    for pattern, name in _VARYING:
        output = pattern.sub(name, output)
    return "\n".join(line.rstrip() for line in output.strip().splitlines())


def matches(expected: str, output: str) -> bool:
    """Compare outputs; "..." in what is expected stands for any text."""
    parts = [re.escape(part) for part in comparable(expected).split("...")]
    return re.fullmatch(".*".join(parts), comparable(output), re.S) is not None


class Shell:
    """bash in a directory, with the commands of this environment on its path and an empty home."""

    def __init__(self, directory: Path) -> None:
        home = directory / "home"
        home.mkdir()
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HOLDWATER_", "COLUMNS"))}
        self._process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=directory,
            env={
                **kept, "HOME": str(home), "TERM": "dumb", "PYTHONUNBUFFERED": "1",
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )  # fmt: skip

    def run(self, command: str) -> str:
        """Run a command and return what has been printed until it ended."""
        self._send(f"{command}\necho {_END}\n")
        return self._read_until(_END).removesuffix(f"{_END}\n")

    def start(self, command: str, until: str) -> str:
        """Run a command that stays in the background, until it has printed a text."""
        self._send(f"{command}\n")
        return self._read_until(until)

    def _send(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        self._process.stdin.flush()

    def _read_until(self, text: str) -> str:
        assert self._process.stdout is not None
        lines: list[str] = []
        for line in self._process.stdout:
            lines.append(line)
            if text in line:
                return "".join(lines)
        raise AssertionError(f"{text!r} never came; the shell ended after {''.join(lines)!r}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate("kill -9 $(jobs -p) 2>/dev/null\nexit\n")
