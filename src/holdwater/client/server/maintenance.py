"""Bulk jobs and retention of a server."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from holdwater.client.interface.maintenance import BulkJobs, RetentionSettings
from holdwater.client.server.answers import parsing
from holdwater.client.server.connection import ServerConnection
from holdwater.client.server.filters import filter_to_json
from holdwater.client.server.parsing import Body, counts_of, instant, instant_or_none
from holdwater.client.server.run_control import new_key
from holdwater.model.bulk_jobs import BulkJob, BulkVerb
from holdwater.model.records import CappedCount
from holdwater.model.retention import RetentionRule
from holdwater.model.time import Micros, to_rfc3339, wall_now
from holdwater.operations.bulk_jobs import SelectedRuns
from holdwater.operations.pruning import RetentionPreview, StoredRetention

PRUNE_SECONDS: Final = 3600.0
"""longest wait for the end of a deletion"""
FIRST_POLL_SECONDS: Final = 0.05
MAX_POLL_SECONDS: Final = 2.0
"""between two looks at a job that the server executes"""


class ServerBulkJobs(BulkJobs):
    """Bulk jobs of a tenant, which the server executes."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def preview(self, selection: SelectedRuns) -> Mapping[str, CappedCount]:
        path = self._connection.path("executions", "bulk", "preview")
        return counts_of(self._connection.post(path, _selection(selection))["counts"])

    def create(
        self, verb: BulkVerb, selection: SelectedRuns, reason: str = "", *, idempotency_key: str | None = None
    ) -> BulkJob:
        body = {**_selection(selection), "verb": verb, "reason": reason}
        path = self._connection.path("executions", "bulk")
        return _job_of(self._connection.post(path, body, key=idempotency_key or new_key()))

    def get(self, job_id: str) -> BulkJob:
        return _job_of(self._connection.get(self._connection.path("bulk", job_id)))

    def list(self, limit: int = 100) -> Sequence[BulkJob]:
        return [_job_of(one) for one in self._connection.get(self._connection.path("bulk"), limit=limit)["items"]]

    def stop(self, job_id: str) -> BulkJob:
        return _job_of(self._connection.send("DELETE", self._connection.path("bulk", job_id)))

    def execute(self, job_id: str, on_progress: Callable[[BulkJob], None] | None = None) -> BulkJob:
        """Wait until the server has done the rest of a job: each look at one makes sure that it goes on."""
        wait_seconds, seen = FIRST_POLL_SECONDS, -1
        while True:
            job = self.get(job_id)
            if on_progress is not None and job.left_count != seen:
                on_progress(job)
                seen = job.left_count
            if job.state != "running":
                return job
            time.sleep(wait_seconds)
            wait_seconds = min(wait_seconds * 2, MAX_POLL_SECONDS)


class ServerRetentionSettings(RetentionSettings):
    """The retention rule of a tenant."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def get_rule(self) -> StoredRetention:
        return _retention_of(self._connection.get(self._path()))

    def set_rule(self, rule: RetentionRule) -> StoredRetention:
        return _retention_of(self._connection.send("PUT", self._path(), json=rule.check().to_data()))

    def preview(self, rule: RetentionRule) -> RetentionPreview:
        found = self._connection.post(self._path("preview"), {"rule": rule.check().to_data()})
        return RetentionPreview(rule, counts_of(found["counts"]), found["bytes"], found["estimated"])

    def apply(self) -> int:
        pruned: int = self._connection.post(self._path("prune"), timeout=PRUNE_SECONDS)["pruned"]
        return pruned

    def prune_runs(self, age_us: int, keep: Collection[str] = ()) -> int:
        body = {"ended_before": to_rfc3339(Micros(wall_now() - age_us)), "keep": list(keep)}
        pruned: int = self._connection.post(self._path("prune"), body, timeout=PRUNE_SECONDS)["pruned"]
        return pruned

    def _path(self, *parts: str) -> str:
        return self._connection.path("retention", *parts)


def _selection(selection: SelectedRuns) -> dict[str, Any]:
    if selection.which is None:
        return {"ids": list(selection.run_ids)}
    return {"filter": filter_to_json(selection.which)}


@parsing
def _job_of(data: Body) -> BulkJob:
    return BulkJob(
        id=data["bulk_id"],
        verb=data["verb"],
        matched_count=data["matched"],
        created_at=instant(data["created_at"]),
        state=data["state"],
        reason=data["reason"],
        by=data["by"],
        has_more=data["more"],
        done_count=data["done"],
        refused_count=data["refused"],
        refusals=data["refusals"],
        ended_at=instant_or_none(data["completed_at"]),
    )


@parsing
def _retention_of(data: Body) -> StoredRetention:
    rule = RetentionRule(data["days"], data["days_failed"], tuple(data["keep_labels"]), data["logs_days"])
    return StoredRetention(rule, instant_or_none(data["changed_at"]), data["changed_by"])
