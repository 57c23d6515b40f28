"""The state of a SQL database: its migrations, and the work that is ready."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

from holdwater.model.records import WorkRow
from holdwater.storage.sql import queries, rows
from holdwater.storage.sql.migrations import AppliedMigration, Migration

MAX_LISTED_WORK: Final = 1000


class InspectionStatements(queries.RunQueryStatements, Protocol):
    """The statements of inspection in a dialect's module of statements."""

    LIST_READY_WORK: str
    LIST_SCHEMA_VERSIONS: str


class InspectionQueries(queries.RunQueries):
    """The part of a store that tells how it is."""

    _sql: InspectionStatements

    def list_ready_work(self, limit: int) -> list[WorkRow]:
        """List task attempts that no runner has taken, the oldest first, 1,000 at most."""
        found = self._select(self._sql.LIST_READY_WORK, (max(0, min(limit, MAX_LISTED_WORK)),))
        return [rows.parse_work_row(row) for row in found]

    def _compare_migrations(self, known: Sequence[Migration]) -> tuple[tuple[AppliedMigration, ...], ...]:
        """Return the migrations that were applied, those of this version that were not, and those it does not know."""
        applied: Iterable[Any] = self._select(self._sql.LIST_SCHEMA_VERSIONS)
        done: list[AppliedMigration] = sorted([(number, phase, name) for number, phase, name, *_ in applied])
        ours = [(one.number, one.phase, one.name) for one in known]
        numbers, our_numbers = {number for number, *_ in done}, {number for number, *_ in ours}
        pending = [one for one in ours if one[0] not in numbers]
        return tuple(done), tuple(pending), tuple([one for one in done if one[0] not in our_numbers])
