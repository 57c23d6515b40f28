"""Fingerprints of code: what a body looked like when a run was recorded.  Shown to people, never a reason to refuse."""

from __future__ import annotations

from collections.abc import Iterable

from holdwater.fingerprint.shallow import digest, rows_of
from holdwater.tasks.task_definition import Task

__all__ = ["code_fingerprint", "digest"]


def code_fingerprint(tasks: Iterable[Task]) -> str:
    """The fingerprint of all bodies, retry policies and time-outs."""
    return digest(rows_of([(task.id, task.function, task.policy) for task in tasks]))
