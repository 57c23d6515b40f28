"""Storage of secrets."""

from __future__ import annotations

from typing import Protocol

from holdwater.model.secrets import SealedSecret


class SecretStore(Protocol):
    """The part of a store for secrets, which it cannot read.  Raises StoreUnavailable, StoreReadOnly."""

    def secret_scope(self) -> str:
        """Return the name of the tenant whose secrets these are; "public" for the default schema and for files."""
        ...

    def insert_secret(self, secret: SealedSecret) -> bool:
        """Write a new secret; False if there is one of its name."""
        ...

    def update_secret(self, secret: SealedSecret, expected: bytes) -> bool:
        """Write a secret in place of that of its name; False unless that one is sealed as expected."""
        ...

    def get_secret(self, name: str) -> SealedSecret | None: ...

    def list_secrets(self) -> list[SealedSecret]:
        """List secrets by name."""
        ...

    def delete_secret(self, name: str) -> bool:
        """Delete a secret; False if it is not there."""
        ...
