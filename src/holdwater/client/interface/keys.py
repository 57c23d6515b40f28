"""API keys of a server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from holdwater.model.time import Micros

KeyRole = Literal["read", "write", "admin"]


@dataclass(frozen=True, slots=True)
class ApiKeyInfo:
    """All of a key but its secret.  `tenant`: None: `public`, or all of them (`is_god`)."""

    id: str
    name: str
    role: str
    tenant: str | None
    is_god: bool
    created_at: Micros | None
    expires_at: Micros | None
    last_used_at: Micros | None
    revoked: bool


@dataclass(frozen=True, slots=True)
class MadeApiKey:
    """A key that was made.  `key`: its text, which is shown once."""

    info: ApiKeyInfo
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ApiKeyIdentity:
    """The key that requests are sent with.  `tenant`: None for one of the server, valid in every tenant (`is_god`)."""

    key_id: str
    name: str
    tenant: str | None
    role: KeyRole
    is_god: bool
    expires_at: Micros | None


class ApiKeys(ABC):
    """The API keys that the caller may see.

    The methods raise RequestRefused, AccessDenied; ServerRequired on a database, which has no keys.
    """

    @abstractmethod
    def whoami(self) -> ApiKeyIdentity:
        """Read whose key requests are sent with, and what it may do."""

    @abstractmethod
    def list_keys(self) -> Sequence[ApiKeyInfo]:
        """List the keys, revoked ones included."""

    @abstractmethod
    def create_key(
        self,
        name: str,
        role: KeyRole = "read",
        *,
        tenant: str | None = None,
        expires_at: datetime | None = None,
    ) -> MadeApiKey:
        """Make a key; its text is in the result, and nowhere else.

        `tenant`: None: the one of the key that asks.  `expires_at`: without a zone: local time; None: it has no end.
        """

    @abstractmethod
    def rotate_key(self, key_id: str, *, overlap_seconds: float | None = None) -> MadeApiKey:
        """Give a key a new secret; the old one is accepted for `overlap_seconds` more, 7 days at most."""

    @abstractmethod
    def revoke_key(self, key_id: str) -> None:
        """Have a key accepted no more; its streams end."""
