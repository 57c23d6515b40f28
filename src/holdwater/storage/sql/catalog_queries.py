"""Queries about announced workflows and runners, common to all SQL databases."""

from __future__ import annotations

from typing import Protocol

from holdwater.model.catalog import RunnerRow, WorkflowRow
from holdwater.model.time import UNSET, Micros
from holdwater.storage.sql import catalog_rows as rows
from holdwater.storage.sql.schedule_queries import ScheduleQueries, ScheduleQueryStatements


class CatalogQueryStatements(ScheduleQueryStatements, Protocol):
    """The queries in a dialect's module of statements, those about the catalog included."""

    GET_WORKFLOW: str
    HAS_WORKFLOW: str
    LIST_RUNNERS: str
    LIST_WORKFLOWS: str
    LIST_WORKFLOW_DIGESTS: str


class CatalogQueries(ScheduleQueries):
    """The part of a store that only reads, the catalog included."""

    _sql: CatalogQueryStatements

    def announced_digests(self) -> dict[str, tuple[str | None, Micros]]:
        """Return the digest and `seen_at` of each announced workflow, by name."""
        found = self._select(self._sql.LIST_WORKFLOW_DIGESTS)
        return {name: (digest, UNSET if seen_at is None else seen_at) for name, digest, seen_at in found}

    def is_workflow_registered(self, workflow: str) -> bool:
        return bool(self._select(self._sql.HAS_WORKFLOW, (workflow,)))

    def get_workflow(self, workflow: str) -> WorkflowRow | None:
        for row in self._select(self._sql.GET_WORKFLOW, (workflow,)):
            return rows.parse_workflow_row(row)
        return None

    def list_workflows(self, limit: int, after: str = "") -> list[WorkflowRow]:
        """List workflows by name, those behind `after`, without their `nodes`."""
        return [rows.parse_workflow_row(row) for row in self._select(self._sql.LIST_WORKFLOWS, (after, limit))]

    def list_runners(self) -> list[RunnerRow]:
        """List runners, the oldest first."""
        return [rows.parse_runner_row(row) for row in self._select(self._sql.LIST_RUNNERS)]
