"""Bulk jobs and settings on every SQL database: reading, and the shape of rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Protocol

from holdwater.model.bulk_jobs import BulkJob
from holdwater.model.settings import Setting
from holdwater.storage.sql import queries
from holdwater.storage.sql.rows import Row

MAX_LISTED_JOBS: Final = 1000
_FACTS: Final = (
    "verb", "matched_count", "reason", "by", "has_more", "done_count", "refused_count", "refusals", "digest",
)  # fmt: skip


class BulkJobStatements(queries.RunQueryStatements, Protocol):
    """The statements of bulk jobs and settings in a dialect's module of statements."""

    GET_BULK_JOB: str
    GET_NEXT_BULK_CHUNK: str
    GET_SETTING: str
    LIST_BULK_JOBS: str
    LIST_SETTINGS: str


class BulkJobQueries(queries.RunQueries):
    """The part of a store that reads bulk jobs and settings."""

    _sql: BulkJobStatements

    def get_bulk_job(self, job_id: str) -> BulkJob | None:
        for row in self._select(self._sql.GET_BULK_JOB, (job_id,)):
            return _parse_job(row)
        return None

    def list_bulk_jobs(self, limit: int) -> list[BulkJob]:
        """List jobs, the newest first, 1,000 at most."""
        found = self._select(self._sql.LIST_BULK_JOBS, (max(0, min(limit, MAX_LISTED_JOBS)),))
        return [_parse_job(row) for row in found]

    def next_bulk_chunk(self, job_id: str) -> tuple[int, list[str]] | None:
        """Return the number and the run ids of the first chunk that is left."""
        for number, run_ids in self._select(self._sql.GET_NEXT_BULK_CHUNK, (job_id,)):
            return number, json.loads(run_ids)
        return None

    def get_setting(self, name: str) -> Setting | None:
        for found, value, changed_at, changed_by in self._select(self._sql.GET_SETTING, (name,)):
            return Setting(found, json.loads(value), changed_at, changed_by)
        return None

    def list_settings(self, prefix: str) -> list[Setting]:
        """List the settings whose name begins with a text, by name."""
        found = self._select(self._sql.LIST_SETTINGS, (prefix,))
        return [Setting(name, json.loads(value), at, by) for name, value, at, by in found]


def job_row(job: BulkJob) -> Row:
    return (job.id, job.state, job.created_at, job.ended_at, job.owner, job.lease_until, _facts_text(job))


def job_update_row(job: BulkJob) -> Row:
    return (job.state, job.ended_at, job.lease_until, _facts_text(job), job.id, job.owner)


def chunk_rows(job: BulkJob, chunks: Sequence[Sequence[str]]) -> list[Row]:
    return [(job.id, number, json.dumps(list(chunk))) for number, chunk in enumerate(chunks)]


def setting_row(setting: Setting) -> Row:
    return (setting.name, json.dumps(setting.value), setting.changed_at, setting.changed_by)


def _facts_text(job: BulkJob) -> str:
    """All that no statement looks at, in ASCII: reasons and ids may hold what a database cannot store."""
    facts: dict[str, Any] = {name: getattr(job, name) for name in _FACTS}
    return json.dumps(facts | {"refusals": dict(job.refusals)}, separators=(",", ":"))


def _parse_job(row: Row) -> BulkJob:
    job_id, state, created_at, ended_at, owner, lease_until, facts = row
    return BulkJob(
        id=job_id, state=state, created_at=created_at, ended_at=ended_at, owner=owner, lease_until=lease_until,
        **json.loads(facts),
    )  # fmt: skip
