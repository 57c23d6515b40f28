"""Files of the demo: data of the package, and output in its directory."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

EFFECTS_LOG: Final = "effects.log"


def read_package_data(name: str) -> str:
    """Read a data file of the package."""
    return files("holdwater.demo").joinpath("data", name).read_text(encoding="utf-8")


def write_atomically(path: Path, text: str) -> Path:
    """Write a file so that a reader, or a crash, sees all of it or none of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
    return path


def write_csv(path: Path, rows: Iterable[Sequence[str]]) -> Path:
    """Write rows as CSV, all or none of it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return write_atomically(path, text.getvalue())


def log_effect(directory: Path, task_id: str) -> int:
    """Append `task-id pid attempt` to the effects log; returns the attempt: starts of the task function so far.

    One write to a file opened for appending: lines of parallel tasks and processes never mix, and a line once written
    survives the death of the process.
    """
    directory.mkdir(parents=True, exist_ok=True)
    attempt = 1 + sum(line.split()[0] == task_id for line in read_effects(directory))
    log = os.open(directory / EFFECTS_LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(log, f"{task_id} {os.getpid()} {attempt}\n".encode())
    finally:
        os.close(log)
    return attempt


def read_effects(directory: Path) -> list[str]:
    """Read the lines of the effects log."""
    path = directory / EFFECTS_LOG
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
