"""Sessions of browsers: rows by the digest of their id, so that they hold in every process and end with their key."""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdwater.model.time import UNSET, Micros, add_seconds
from holdwater.server.control import statements as sql
from holdwater.server.control.audit import AuditFacts, AuditLog
from holdwater.server.control.key_text import digest_of
from holdwater.server.control.keys import MINUTE_US, ApiKey, KeyStore, announce_end

if TYPE_CHECKING:  # the driver of PostgreSQL: applications of one database work without it
    from holdwater.server.control.database import ControlDatabase

SESSION_SECONDS: Final = 12 * 3600.0
IDLE_SECONDS: Final = 3600.0
ID_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """A session that is accepted, with its key.  `ends_at`: 12 hours after it began, or when its key ends."""

    key: ApiKey
    is_read_only: bool
    ends_at: Micros


def subject_of(session_id: str) -> str:
    """Return the name of a session for `announce_end`."""
    return f"session:{digest_of(session_id).hex()}"


def csrf_token(session_id: str) -> str:
    """Return the token of the forms of a session; without the session's id it cannot be made up."""
    digest = hmac.digest(session_id.encode(), b"csrf token", "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class SessionStore:
    """The table of sessions."""

    def __init__(self, control: ControlDatabase) -> None:
        self._control = control

    def create(self, key: ApiKey, facts: AuditFacts, *, is_read_only: bool) -> str:
        """Begin a session; returns its id.  Raises StoreUnavailable."""
        session_id, now = secrets.token_urlsafe(ID_BYTES), self._control.clock.now()
        with self._control.transaction() as connection:
            connection.execute(sql.INSERT_SESSION, (digest_of(session_id), key.id, is_read_only, now, now))
            AuditLog(self._control).record(connection, facts, "session.create", key.home_tenant, key.id)
        return session_id

    def find(self, session_id: str) -> BrowserSession | None:
        """Find a session that has not ended, and note that it is used.  Raises StoreUnavailable."""
        digest, now = digest_of(session_id), self._control.clock.now()
        with self._control.transaction() as connection:
            row = connection.execute(sql.FIND_SESSION, (digest,)).fetchone()
            if row is None:
                return None
            is_read_only, created_at, used_at, *key_row = row
            key = ApiKey.of_row(key_row)
            ends_at = min(add_seconds(created_at, SESSION_SECONDS), key.ends_at or add_seconds(now, SESSION_SECONDS))
            if now >= min(ends_at, add_seconds(used_at, IDLE_SECONDS)):
                return None
            minute = Micros(now - now % MINUTE_US)
            if used_at < minute:
                connection.execute(sql.TOUCH_SESSION, (now, digest))
            KeyStore(self._control).note_use(connection, key, now)
        return BrowserSession(key, is_read_only, ends_at)

    def end(self, session_id: str) -> None:
        """End a session, in every process.  Idempotent.  Raises StoreUnavailable."""
        with self._control.transaction() as connection:
            connection.execute(sql.DELETE_SESSION, (digest_of(session_id),))
            announce_end(connection, subject_of(session_id), UNSET)

    def prune(self) -> None:
        """Delete sessions that have ended.  Raises StoreUnavailable."""
        now = self._control.clock.now()
        self._control.execute(sql.PRUNE_SESSIONS, (add_seconds(now, -IDLE_SECONDS), add_seconds(now, -SESSION_SECONDS)))
