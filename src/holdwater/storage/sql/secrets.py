"""Secrets on every SQL database: reading, and the shape of rows."""

from __future__ import annotations

import json
from abc import abstractmethod
from typing import Final, Protocol

from holdwater.model.secrets import SealedSecret
from holdwater.storage.sql import queries
from holdwater.storage.sql.rows import Row

PUBLIC_SCOPE: Final = "public"


class SecretStatements(queries.RunQueryStatements, Protocol):
    """The statements of secrets in a dialect's module of statements."""

    DELETE_SECRET: str
    GET_SECRET: str
    INSERT_SECRET: str
    LIST_SECRETS: str
    UPDATE_SECRET: str


class SQLSecrets(queries.RunQueries):
    """The part of a store for secrets."""

    _sql: SecretStatements

    @abstractmethod
    def _change_row(self, statement: str, row: Row) -> int:
        """Execute a statement in a transaction; returns the number of rows it has changed."""

    def secret_scope(self) -> str:
        """Return "public": a file is one tenant's."""
        return PUBLIC_SCOPE

    def insert_secret(self, secret: SealedSecret) -> bool:
        """Write a new secret; False if there is one of its name."""
        row = (
            secret.name, secret.id, json.dumps(secret.field_names), secret.sealed, secret.key_id,
            secret.created_at, secret.created_by, secret.updated_at, secret.updated_by,
        )  # fmt: skip
        return self._change_row(self._sql.INSERT_SECRET, row) == 1

    def update_secret(self, secret: SealedSecret, expected: bytes) -> bool:
        """Write a secret in place of that of its name; False unless that one is sealed as expected."""
        row = (
            json.dumps(secret.field_names), secret.sealed, secret.key_id, secret.updated_at, secret.updated_by,
            secret.name, expected,
        )  # fmt: skip
        return self._change_row(self._sql.UPDATE_SECRET, row) == 1

    def get_secret(self, name: str) -> SealedSecret | None:
        for row in self._select(self._sql.GET_SECRET, (name,)):
            return _parse_row(row)
        return None

    def list_secrets(self) -> list[SealedSecret]:
        """List secrets by name."""
        return [_parse_row(row) for row in self._select(self._sql.LIST_SECRETS)]

    def delete_secret(self, name: str) -> bool:
        """Delete a secret; False if it is not there."""
        return self._change_row(self._sql.DELETE_SECRET, (name,)) == 1


def _parse_row(row: Row) -> SealedSecret:
    name, secret_id, field_names, sealed, *rest = row
    return SealedSecret(name, secret_id, tuple(json.loads(field_names)), bytes(sealed), *rest)
