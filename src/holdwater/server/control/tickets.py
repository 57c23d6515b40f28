"""Tickets for WebSockets, whose URL cannot hold a key: each opens one connection, on any server, within a minute."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from holdwater.model.time import add_seconds
from holdwater.server.control import statements as sql
from holdwater.server.control.key_text import digest_of
from holdwater.server.control.keys import ApiKey

if TYPE_CHECKING:  # the driver of PostgreSQL: applications of one database work without it
    from holdwater.server.control.database import ControlDatabase

TICKET_SECONDS: Final = 60
TICKET_BYTES: Final = 32


class TicketStore:
    """The table of tickets."""

    def __init__(self, control: ControlDatabase) -> None:
        self._control = control

    def create(self, key_id: str) -> str:
        """Create a ticket of a key.  Raises StoreUnavailable."""
        ticket = secrets.token_urlsafe(TICKET_BYTES)
        expires_at = add_seconds(self._control.clock.now(), TICKET_SECONDS)
        self._control.execute(sql.INSERT_TICKET, (digest_of(ticket), key_id, expires_at))
        return ticket

    def take(self, ticket: str) -> ApiKey | None:
        """Use a ticket up; returns its key, None if it was used, has expired or is none.  Raises StoreUnavailable."""
        for expires_at, *row in self._control.select(sql.TAKE_TICKET, (digest_of(ticket),)):
            key, now = ApiKey.of_row(row), self._control.clock.now()
            return key if expires_at > now and key.is_live(now) else None
        return None

    def prune(self) -> None:
        """Delete tickets that have expired.  Raises StoreUnavailable."""
        self._control.execute(sql.PRUNE_TICKETS, (self._control.clock.now(),))
