"""Work that fans out: one node of a plan, several child runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class ChildRunsRequest:
    """What a body asks for instead of giving values: a child run for each item, in this order.

    `inputs`: the cells each child starts with.  `width`: how many run at once; None: all.  `stop`: after a failure no
    more of them start.
    """

    inputs: tuple[Mapping[str, Any], ...]
    max_concurrency: int | None = None
    fail_fast: bool = True


@dataclass(frozen=True, slots=True)
class ChildResult:
    """What became of one child.  `values`: its result by name, as stored values; `error`: why it failed, for people."""

    status: Literal["completed", "failed", "cancelled"]
    values: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
