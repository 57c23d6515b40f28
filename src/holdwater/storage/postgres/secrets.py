"""The PostgreSQL store: secrets."""

from __future__ import annotations

from abc import abstractmethod

from holdwater.storage.postgres import statements as sql
from holdwater.storage.postgres.server import DEFAULT_SCHEMA
from holdwater.storage.sql.rows import Row
from holdwater.storage.sql.secrets import PUBLIC_SCOPE, SQLSecrets


class PostgresSecrets(SQLSecrets):
    """The part of the store for secrets."""

    def secret_scope(self) -> str:
        """Return the schema, "public" for the default one; as the session has it, however it was named."""
        ((schema,),) = self._select(sql.GET_SCHEMA)
        return PUBLIC_SCOPE if schema == DEFAULT_SCHEMA else str(schema)

    def _change_row(self, statement: str, row: Row) -> int:
        return self._execute_update(statement, row)

    @abstractmethod
    def _execute_update(self, statement: str, parameters: Row) -> int: ...
