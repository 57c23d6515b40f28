"""Statuses of runs: one word for each, whatever the authoring style."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class RunStatus(StrEnum):
    """Status of a run; each equals its value as a string.

    The first five are what a store keeps.  `STOPPED`: an execution of steps ended early without a step failing it
    (cancelled, shut down, a wait longer than the runner holds) and can be resumed.  `PARTIAL`: of a map over a graph,
    some items failed and some did not.  `ERROR`: another name of FAILED.
    """

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    STOPPED = "stopped"
    PARTIAL = "partial"
    ERROR = "failed"


ACTIVE_STATUSES: Final = (RunStatus.RUNNING, RunStatus.PAUSED)
FINAL_STATUSES: Final = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)

STATUS_LABELS: Final[dict[str, str]] = {
    RunStatus.RUNNING.value: "Running",
    RunStatus.PAUSED.value: "Paused",
    RunStatus.COMPLETED.value: "Completed",
    RunStatus.FAILED.value: "Failed",
    RunStatus.CANCELLED.value: "Cancelled",
}
"""status as the store keeps it -> as the runner of tasks and the command line show it"""
