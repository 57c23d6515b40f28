"""API keys: rows with a digest, a role and a tenant.  The text of a key is known to its owner alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from holdwater.model.time import UNSET, Micros
from holdwater.server.access import Role
from holdwater.server.control import statements as sql

if TYPE_CHECKING:  # the driver of PostgreSQL: applications of one database work without it
    from holdwater.server.control.database import ControlDatabase
    from holdwater.storage.postgres.pipeline import PostgresConnection

PUBLIC: Final = "public"
"""the tenant of a key that names none"""
MINUTE_US: Final = 60_000_000
KeyPlace = tuple[Micros, str]
"""creation and id of a key, in the order of lists"""
FIRST: Final[KeyPlace] = (UNSET, "")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its text.  `tenant`: None is `public`, and for one with `is_god` every tenant.

    `last_used_at`: to the minute.  `replaces`: id of the key that a rotation made it of.
    """

    id: str
    name: str
    role: Role
    tenant: str | None
    is_god: bool
    created_at: Micros
    created_by: str
    expires_at: Micros | None = None
    last_used_at: Micros | None = None
    revoked_at: Micros | None = None
    revoked_by: str | None = None
    replaces: str | None = None

    @classmethod
    def of_row(cls, row: Iterable[Any]) -> Self:
        """Create it from a row."""
        return cls(*row)

    @property
    def home_tenant(self) -> str | None:
        """The tenant its role is in; None: all."""
        return None if self.is_god else self.tenant or PUBLIC

    @property
    def author(self) -> str:
        """Recorded with what it asks for."""
        return f"key:{self.id}"

    @property
    def ends_at(self) -> Micros | None:
        """The instant from which it is accepted no more, None: it has no end."""
        return self.revoked_at if self.revoked_at is not None else self.expires_at

    def is_live(self, now: Micros) -> bool:
        """Return True if it is accepted."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class KeyStore:
    """The table of keys.  Methods with a connection are parts of a transaction of the caller's."""

    def __init__(self, control: ControlDatabase) -> None:
        self._control = control

    def find(self, digest: bytes) -> ApiKey | None:
        """Find a key by the digest of its text, and note that it is used.  Raises StoreUnavailable."""
        with self._control.transaction() as connection:
            row = connection.execute(sql.FIND_KEY, (digest,)).fetchone()
            if row is None:
                return None
            key = ApiKey.of_row(row)
            now = self._control.clock.now()
            if key.is_live(now):
                self.note_use(connection, key, now)
            return key

    def note_use(self, connection: PostgresConnection, key: ApiKey, now: Micros) -> None:
        """Set the minute of the last use, if it is another one."""
        minute = Micros(now - now % MINUTE_US)
        if (key.last_used_at or UNSET) < minute:
            connection.execute(sql.TOUCH_KEY, (minute, key.id))

    def get_many(self, key_ids: Collection[str]) -> list[ApiKey]:
        """Read keys by their ids, in any order.  Raises StoreUnavailable."""
        return [ApiKey.of_row(row) for row in self._control.select(sql.GET_KEYS, (list(key_ids),))]

    def get(self, key_id: str) -> ApiKey | None:
        """Read a key.  Raises StoreUnavailable."""
        return next(iter(self.get_many([key_id])), None)

    def list(self, tenant: str | None = None, *, limit: int = 1000, after: KeyPlace = FIRST) -> list[ApiKey]:
        """List the keys of a tenant, None: all, the oldest first, revoked ones included.  Raises StoreUnavailable."""
        return [ApiKey.of_row(row) for row in self._control.select(sql.LIST_KEYS, (tenant, *after, limit))]

    def has_any(self, connection: PostgresConnection) -> bool:
        """Return True if there is a key, or was one that is revoked."""
        return connection.execute(sql.HAS_KEYS).fetchone() is not None

    def lock(self, connection: PostgresConnection) -> None:
        """Have others that make or revoke keys wait for the end of the transaction."""
        connection.execute(sql.LOCK_KEYS)

    def insert(self, connection: PostgresConnection, key: ApiKey, digest: bytes) -> None:
        """Add a key."""
        values = (
            key.id, digest, key.name, key.role, key.tenant, key.is_god, key.created_at, key.created_by,
            key.expires_at, key.replaces,
        )  # fmt: skip
        connection.execute(sql.INSERT_KEY, values)

    def revoke(self, connection: PostgresConnection, key_id: str, at: Micros, by: str) -> None:
        """Accept a key no more, in every process; its sessions and streams end.  Idempotent."""
        connection.execute(sql.REVOKE_KEY, (at, by, key_id))
        announce_end(connection, f"key:{key_id}", UNSET)

    def revoke_of_tenant(self, connection: PostgresConnection, tenant: str, at: Micros, by: str) -> int:
        """Revoke all keys of a tenant; returns their number."""
        revoked = [key_id for (key_id,) in connection.execute(sql.REVOKE_KEYS_OF_TENANT, (at, by, tenant))]
        for key_id in revoked:
            announce_end(connection, f"key:{key_id}", UNSET)
        return len(revoked)

    def expire(self, connection: PostgresConnection, key_id: str, at: Micros) -> None:
        """Accept a key until an instant, if not for a shorter time already."""
        connection.execute(sql.EXPIRE_KEY, (at, key_id))
        announce_end(connection, f"key:{key_id}", at)

    def has_other_god(self, connection: PostgresConnection, key_id: str, now: Micros) -> bool:
        """Return True if another key of an administrator of the server is accepted."""
        ((count,),) = connection.execute(sql.COUNT_OTHER_GODS, (key_id, now)).fetchall()
        return bool(count)


def announce_end(connection: PostgresConnection, subject: str, at: Micros) -> None:
    """Tell every process, when the transaction ends, that a key or session is accepted no more from an instant on.

    `subject`: `key:ID`, or `session:` and the digest in hex.  `at`: UNSET for at once.
    """
    connection.execute(sql.ANNOUNCE_ACCESS, (f"{subject} {at}",))
