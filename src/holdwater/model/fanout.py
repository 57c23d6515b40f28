"""Work that fans out: one node of a plan, several child runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class ChildRunsRequest:
    """Request for child runs, one per item, in this order; returned by a function in the place of values.

    `inputs`: the cells each child starts with.  `max_concurrency`: children that run at once; None: all.
    `fail_fast`: after a failure no more are started.
    """

    inputs: tuple[Mapping[str, Any], ...]
    max_concurrency: int | None = None
    fail_fast: bool = True


@dataclass(frozen=True, slots=True)
class ChildResult:
    """Result of one child run.  `values`: outputs by name, as stored values.  `error`: `Type: message` or ""."""

    status: Literal["completed", "failed", "cancelled"]
    values: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
