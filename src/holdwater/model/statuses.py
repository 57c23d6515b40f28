"""Statuses of runs."""

from __future__ import annotations

from typing import Final

STATUS: Final = {
    "running": "Running",
    "paused": "Paused",
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
