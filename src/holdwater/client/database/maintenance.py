"""Bulk jobs and retention of a database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from holdwater import operations
from holdwater.client.interface.maintenance import BulkJobs, RetentionSettings
from holdwater.engine import Engine
from holdwater.model.bulk_jobs import BulkJob, BulkVerb
from holdwater.model.records import CappedCount
from holdwater.model.retention import RetentionRule
from holdwater.model.time import Micros
from holdwater.operations import Database, RetentionPreview, SelectedRuns, StoredRetention


class DatabaseBulkJobs(BulkJobs):
    """Bulk jobs of a database.  Without an engine they are read and stopped only."""

    def __init__(self, database: Database, engine: Engine | None = None, author: str = "") -> None:
        self._database, self._engine, self._author = database, engine, author

    def preview(self, selection: SelectedRuns) -> Mapping[str, CappedCount]:
        return operations.preview_bulk_job(self._database, selection)

    def create(
        self, verb: BulkVerb, selection: SelectedRuns, reason: str = "", *, idempotency_key: str | None = None
    ) -> BulkJob:
        return operations.create_bulk_job(
            self._database, verb, selection, reason, by=self._author, idempotency_key=idempotency_key
        )

    def get(self, job_id: str) -> BulkJob:
        return operations.get_bulk_job(self._database, job_id)

    def list(self, limit: int = 100) -> Sequence[BulkJob]:
        return operations.list_bulk_jobs(self._database, limit)

    def stop(self, job_id: str) -> BulkJob:
        return operations.stop_bulk_job(self._database, job_id)

    def execute(self, job_id: str, on_progress: Callable[[BulkJob], None] | None = None) -> BulkJob:
        assert self._engine is not None, "it takes an engine to control runs"
        return operations.execute_bulk_job(self._engine, job_id, on_progress=on_progress)


class DatabaseRetentionSettings(RetentionSettings):
    """The retention rule of a database."""

    def __init__(self, database: Database, author: str = "") -> None:
        self._database, self._author = database, author

    def get_rule(self) -> StoredRetention:
        return operations.get_retention(self._database)

    def set_rule(self, rule: RetentionRule) -> StoredRetention:
        return operations.set_retention(self._database, rule, by=self._author)

    def preview(self, rule: RetentionRule) -> RetentionPreview:
        return operations.preview_retention(self._database, rule)

    def apply(self) -> int:
        return operations.apply_retention(self._database, self.get_rule().rule)

    def prune_runs(self, age_us: int, keep: Collection[str] = ()) -> int:
        return operations.prune_runs(self._database, Micros(self._database.clock.now() - age_us), keep)
