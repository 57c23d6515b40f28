"""Exporting a run: everything that is recorded of it, as one JSON text."""

from __future__ import annotations

from collections.abc import Iterator

from holdwater.operations.databases import Database
from holdwater.runs import export


def export_run(database: Database, run_id: str, *, with_logs: bool = True) -> Iterator[str]:
    """Write a run as the parts of one JSON text, read a few rows at a time: see `holdwater.runs.export`.

    Raises RunNotFound at once if there is no such run; the iteration raises StoreError, StoreUnavailable.
    """
    return export.export_run(database.runs, run_id, with_logs=with_logs)
