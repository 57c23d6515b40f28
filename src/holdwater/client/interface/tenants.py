"""Tenants of a server, and what was done there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from holdwater.model.time import Micros

AuditOutcome = Literal["asked", "done", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class TenantOfServer:
    """A tenant.  `username`: its role in the database; `created_at`: None for `public`."""

    name: str
    username: str
    description: str
    created_at: Micros | None
    created_by: str


@dataclass(frozen=True, slots=True)
class MadeTenant:
    """A tenant that was made.  `password`: of its role, where the server has generated it; it is shown once."""

    name: str
    username: str
    password: str | None = field(default=None, repr=False)


class TenantAdmin(ABC):
    """The tenants of a server, for the key of its administrator.

    The methods raise TenantNotFound, TenantInUse, TenantError, RequestRefused, AccessDenied; ServerRequired on a
    database.
    """

    @abstractmethod
    def list_tenants(self) -> Sequence[TenantOfServer]:
        """List the tenants by name, `public` first."""

    @abstractmethod
    def create_tenant(
        self, name: str, *, username: str | None = None, password: str | None = None, description: str = ""
    ) -> MadeTenant:
        """Make a tenant: a schema of this name, and a role; without a password one is generated."""

    @abstractmethod
    def remove_tenant(self, name: str, *, force: bool = False) -> int:
        """Remove a tenant with its runs, its packages and its keys; returns how many keys were revoked.

        `force`: also while work of it is executed, or its role is connected.
        """

    @abstractmethod
    def upgrade_tenant(self, name: str) -> bool:
        """Bring the tables of a tenant to the version of the server; returns False if they were."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """A change that was asked for, or a refusal.

    `by`: `key:ID`, or `unknown`.  `tenant`: None for the server itself.  `verb`, `target`: what was asked for, and on
    what.  `outcome`: `asked` while it is under way, or if the server died meanwhile.  `code`: of the error, "" without
    one.
    """

    number: int
    at: Micros
    by: str
    tenant: str | None
    verb: str
    target: str
    outcome: AuditOutcome
    code: str
    request_id: str
    address: str


class AuditReader(ABC):
    """The audit log of a server.  The methods raise AccessDenied; ServerRequired on a database."""

    @abstractmethod
    def iter_records(
        self,
        *,
        of_all_tenants: bool = False,
        verb: str | None = None,
        outcome: AuditOutcome | None = None,
        author: str | None = None,
        since: Micros | None = None,
    ) -> Iterator[AuditRecord]:
        """Iterate over the records of the tenant, newest first.

        `of_all_tenants`: of all tenants and the server itself, for the key of an administrator of the server.
        `verb`, `outcome`, `author`, `since`: only those that fit; None is any.  `author`: `key:ID`, the id of a key or
        its name, or `unknown`.  `since`: of this instant and later.
        """
