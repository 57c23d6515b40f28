"""Limits and secrets of a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holdwater.client.interface.administration import Limits, Secrets
from holdwater.operations import Database
from holdwater.operations.limits import LimitInfo, list_limits, remove_limit, set_limit
from holdwater.operations.secrets import SecretInfo, list_secrets, put_secret, remove_secret


class DatabaseLimits(Limits):
    """Limits of a database."""

    def __init__(self, database: Database, author: str = "") -> None:
        self._database, self._author = database, author

    def list_limits(self) -> Sequence[LimitInfo]:
        return list_limits(self._database)

    def set_limit(self, key: str, max_running: int) -> LimitInfo:
        return set_limit(self._database, key, max_running, by=self._author)

    def remove_limit(self, key: str) -> None:
        remove_limit(self._database, key)


class DatabaseSecrets(Secrets):
    """Secrets of a database, encrypted by the key of this process."""

    def __init__(self, database: Database, author: str = "") -> None:
        self._database, self._author = database, author

    def list_secrets(self) -> Sequence[SecretInfo]:
        return list_secrets(self._database)

    def put_secret(self, name: str, fields: Mapping[str, str]) -> SecretInfo:
        return put_secret(self._database, name, fields, by=self._author)

    def remove_secret(self, name: str) -> None:
        remove_secret(self._database, name)
