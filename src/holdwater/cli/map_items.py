"""Items of mapped runs on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from holdwater.cli.formatting import escape_unsafe, first_line, truncate

if TYPE_CHECKING:
    from holdwater.operations.map_items import MapReport

MAX_ERROR_CHARS = 200
MAX_INPUTS_CHARS = 100


def progress_text(report: MapReport) -> str:
    """`812 of 1,000 items completed, 3 failed`; child runs beyond those counted are said to be more."""
    return f"{report.progress}{' (of the first 10,000 child runs)' if report.is_capped else ''}"


def failure_lines(report: MapReport) -> Iterator[str]:
    """Yield a line for each of the first failed items, with its own inputs."""
    if not report.failures:
        return
    yield "failed items"
    for item in report.failures:
        inputs = "" if item.inputs is None else f"  {truncate(escape_unsafe(item.inputs), MAX_INPUTS_CHARS)}"
        yield f"  {escape_unsafe(item.label)}  {escape_unsafe(first_line(item.error, MAX_ERROR_CHARS))}{inputs}"
    left = report.progress.failed - len(report.failures)
    if left > 0:
        yield f"  and {left:,} more"


def items_to_json(report: MapReport) -> dict[str, Any]:
    """Return the counts and the first failures as JSON data."""
    failures = [
        {**asdict(item), "inputs": None if item.inputs is None else json.loads(item.inputs)} for item in report.failures
    ]
    progress = report.progress
    return {
        "total": progress.total,
        "completed": progress.completed,
        "failed": progress.failed,
        "failures": failures,
    }
