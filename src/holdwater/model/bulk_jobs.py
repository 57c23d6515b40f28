"""Bulk jobs: requests to do the same to many runs, kept in the database until all of them were looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from holdwater.model.time import UNSET, Micros

BulkVerb = Literal["cancel", "pause", "resume", "retry", "forget"]
"""forget: delete ended runs, with their children"""
BulkState = Literal["running", "completed", "stopped"]

CHUNK_RUNS: Final = 100
"""runs that are acted on between two writes of a job's progress"""
MAX_BULK_RUNS: Final = 100_000
"""runs of one job"""
MAX_REFUSALS: Final = 20
"""refusals that are told with their reasons"""


@dataclass(frozen=True, slots=True)
class BulkJob:
    """A request, and how far it is.

    `matched_count`: runs that were chosen when it was made; `has_more`: more matched than one job takes.
    `done_count`: runs it was done to.  `refused_count`: those it did not fit; `refusals`: run id -> reason, of the
    first ones.  `by`: author.  `digest`: of the request, by which another one with the same id is told apart.
    `owner`: the process that executes it, until `lease_until`; after that another one may.
    """

    id: str
    verb: BulkVerb
    matched_count: int
    created_at: Micros
    state: BulkState = "running"
    reason: str = ""
    by: str = ""
    has_more: bool = False
    done_count: int = 0
    refused_count: int = 0
    refusals: Mapping[str, str] = field(default_factory=dict)
    ended_at: Micros | None = None
    digest: str = ""
    owner: str | None = None
    lease_until: Micros = UNSET

    @property
    def left_count(self) -> int:
        """Runs that were not looked at yet."""
        return self.matched_count - self.done_count - self.refused_count
