"""The SQLite store: announced workflows and runners."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from holdwater.model.catalog import PlanRow, RunnerRow, WorkflowRow
from holdwater.model.time import Micros
from holdwater.storage.sql import catalog_rows as rows
from holdwater.storage.sql.catalog_queries import CatalogQueries
from holdwater.storage.sqlite import statements as sql


class SQLiteCatalog(CatalogQueries):
    """The part of the store for the catalog."""

    def announce_workflows(self, workflows: Sequence[WorkflowRow], plans: Sequence[PlanRow]) -> None:
        """Write these workflows and their plans in one transaction."""
        if not workflows:
            return
        now = workflows[0].seen_at
        with self._transaction() as connection:
            connection.executemany(sql.INSERT_PLAN, [rows.catalog_plan_row(plan, now) for plan in plans])
            connection.executemany(sql.UPSERT_WORKFLOW, [rows.workflow_row(one) for one in workflows])

    def put_runner(self, row: RunnerRow, forget_before: Micros) -> None:
        """Write a runner's row, and delete rows of others that were last seen before an instant."""
        with self._transaction() as connection:
            connection.execute(sql.UPSERT_RUNNER, rows.runner_row(row))
            connection.execute(sql.DELETE_OLD_RUNNERS, (forget_before,))

    def delete_runner(self, owner: str) -> None:
        with self._transaction() as connection:
            connection.execute(sql.DELETE_RUNNER, (owner,))

    if TYPE_CHECKING:  # methods of SQLiteStore

        def _transaction(self) -> AbstractContextManager[sqlite3.Connection]: ...
