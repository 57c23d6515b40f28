"""The memory store: secrets."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Final

from holdwater.model.secrets import SealedSecret
from holdwater.storage.sql.secrets import PUBLIC_SCOPE


class MemorySecrets:
    """The secrets of a memory store, under its lock."""

    def __init__(self, locked: Callable[[], AbstractContextManager[None]]) -> None:
        self._locked_for_secrets = locked
        self._secrets: Final[dict[str, SealedSecret]] = {}

    def secret_scope(self) -> str:
        """Return "public": the store is one tenant's."""
        return PUBLIC_SCOPE

    def insert_secret(self, secret: SealedSecret) -> bool:
        """Write a new secret; False if there is one of its name."""
        with self._locked_for_secrets():
            return self._secrets.setdefault(secret.name, secret) is secret

    def update_secret(self, secret: SealedSecret, expected: bytes) -> bool:
        """Write a secret in place of that of its name; False unless that one is sealed as expected."""
        with self._locked_for_secrets():
            known = self._secrets.get(secret.name)
            if known is None or known.sealed != expected:
                return False
            self._secrets[secret.name] = replace(
                secret, id=known.id, created_at=known.created_at, created_by=known.created_by
            )
            return True

    def get_secret(self, name: str) -> SealedSecret | None:
        with self._locked_for_secrets():
            return self._secrets.get(name)

    def list_secrets(self) -> list[SealedSecret]:
        """List secrets by name."""
        with self._locked_for_secrets():
            return [self._secrets[name] for name in sorted(self._secrets)]

    def delete_secret(self, name: str) -> bool:
        """Delete a secret; False if it is not there."""
        with self._locked_for_secrets():
            return self._secrets.pop(name, None) is not None
