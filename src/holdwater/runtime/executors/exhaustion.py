"""The error of an executor whose threads do not come back."""

from __future__ import annotations

from holdwater.errors import CapacityExhausted


def capacity_exhausted(abandoned_count: int, slot_limit: int) -> CapacityExhausted:
    """Return the error of an attempt that cannot begin: too many functions that timed out still run."""
    return CapacityExhausted(
        f"{abandoned_count} timed-out task functions still run and cannot be killed; no more than "
        f"max_concurrent_tasks = {slot_limit} of them are tolerated",
        hint="make them return when handle.cancelled is true, or raise max_concurrent_tasks",
    )
