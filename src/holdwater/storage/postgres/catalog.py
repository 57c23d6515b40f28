"""The PostgreSQL store: announced workflows and runners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from holdwater.model.catalog import PlanRow, RunnerRow, WorkflowRow
from holdwater.model.time import Micros
from holdwater.storage.postgres import statements as sql
from holdwater.storage.postgres.pipeline import StatementCall, rows_to_columns
from holdwater.storage.sql import catalog_rows as rows
from holdwater.storage.sql.catalog_queries import CatalogQueries


class PostgresCatalog(CatalogQueries):
    """The part of the store for the catalog."""

    def announce_workflows(self, workflows: Sequence[WorkflowRow], plans: Sequence[PlanRow]) -> None:
        """Write these workflows and their plans, the plans first."""
        if not workflows:
            return
        now = workflows[0].seen_at
        known = {plan.structure: rows.catalog_plan_row(plan, now) for plan in plans}
        if known:
            ordered = [known[structure] for structure in sorted(known)]
            self._execute_calls([(sql.INSERT_PLANS, rows_to_columns(ordered))])
        for one in sorted(workflows, key=lambda row: row.name):
            self._execute_update(sql.UPSERT_WORKFLOW, rows.workflow_row(one))

    def put_runner(self, row: RunnerRow, forget_before: Micros) -> None:
        """Write a runner's row, and delete rows of others that were last seen before an instant."""
        self._execute_update(sql.UPSERT_RUNNER, rows.runner_row(row))
        self._execute_update(sql.DELETE_OLD_RUNNERS, (forget_before,))

    def delete_runner(self, owner: str) -> None:
        self._execute_update(sql.DELETE_RUNNER, (owner,))

    if TYPE_CHECKING:  # methods of PostgresStore

        def _execute_update(self, statement: str, parameters: tuple[Any, ...]) -> int: ...
        def _execute_calls(self, calls: Sequence[StatementCall]) -> None: ...
