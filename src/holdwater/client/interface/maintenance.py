"""Bulk jobs and retention, wherever runs are recorded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence

from holdwater.model.bulk_jobs import BulkJob, BulkVerb
from holdwater.model.records import CappedCount
from holdwater.model.retention import RetentionRule
from holdwater.operations.bulk_jobs import SelectedRuns
from holdwater.operations.pruning import RetentionPreview, StoredRetention


class BulkJobs(ABC):
    """Requests for many runs.  The methods raise BulkJobNotFound, InvalidArgument."""

    @abstractmethod
    def preview(self, selection: SelectedRuns) -> Mapping[str, CappedCount]:
        """Count the selected runs by status."""

    @abstractmethod
    def create(
        self, verb: BulkVerb, selection: SelectedRuns, reason: str = "", *, idempotency_key: str | None = None
    ) -> BulkJob:
        """Write a job for the runs that are selected now."""

    @abstractmethod
    def get(self, job_id: str) -> BulkJob:
        """Read a job."""

    @abstractmethod
    def list(self, limit: int = 100) -> Sequence[BulkJob]:
        """List jobs, the newest first."""

    @abstractmethod
    def stop(self, job_id: str) -> BulkJob:
        """Have a job act on no further runs.  Raises InvalidTransition."""

    @abstractmethod
    def execute(self, job_id: str, on_progress: Callable[[BulkJob], None] | None = None) -> BulkJob:
        """Have the rest of a job done, and return it as it is then."""


class RetentionSettings(ABC):
    """The rule by which old runs are deleted."""

    @abstractmethod
    def get_rule(self) -> StoredRetention:
        """Read the rule."""

    @abstractmethod
    def set_rule(self, rule: RetentionRule) -> StoredRetention:
        """Set the rule.  Raises InvalidArgument."""

    @abstractmethod
    def preview(self, rule: RetentionRule) -> RetentionPreview:
        """Count what a rule would delete now."""

    @abstractmethod
    def apply(self) -> int:
        """Delete what the rule says, at once; returns the number of runs."""

    @abstractmethod
    def prune_runs(self, age_us: int, keep: Collection[str] = ()) -> int:
        """Delete runs that ended longer ago than `age_us` microseconds, with their children; returns how many.

        `keep`: ids of runs to leave.
        """
