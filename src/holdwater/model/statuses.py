"""Statuses of runs."""

from __future__ import annotations

from typing import Final

STATUS_LABELS: Final = {
    "running": "Running",
    "paused": "Paused",
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
