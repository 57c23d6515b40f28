"""The PostgreSQL store: the state of its database."""

from __future__ import annotations

from holdwater.model.inspection import StoreInspection
from holdwater.storage.postgres import statements as sql
from holdwater.storage.postgres.schema import MIGRATIONS
from holdwater.storage.sql.inspection import InspectionQueries


class PostgresInspection(InspectionQueries):
    """The part of the store that tells how it is."""

    def inspect(self) -> StoreInspection:
        """Look at the database.  Raises StoreUnavailable."""
        ((version, size_bytes, is_writable, connections, limit),) = self._select(sql.INSPECT_DATABASE)
        applied, pending, unknown = self._compare_migrations(MIGRATIONS)
        return StoreInspection(
            f"PostgreSQL {version.partition(' ')[0]}",
            is_writable=is_writable,
            size_bytes=size_bytes,
            connections=connections,
            max_connections=limit,
            migrations=applied,
            pending=pending,
            unknown=unknown,
        )
