"""The server's own tables together, as routes and pages use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.requests import Request

from holdwater.server.control.audit import AuditLog
from holdwater.server.control.idempotency import prune_responses
from holdwater.server.control.keys import KeyStore
from holdwater.server.control.sessions import SessionStore
from holdwater.server.control.tenant_table import TenantTable
from holdwater.server.control.tickets import TicketStore
from holdwater.server.refusals import RequestError

if TYPE_CHECKING:  # the driver of PostgreSQL: applications of one database work without it
    from holdwater.server.control.database import ControlDatabase


class ServerTables:
    """Keys, sessions, tickets, tenants, audit log.  `database`: for transactions over several of them.

    `on_access_ended`: called after keys were revoked by this process; the others hear of it from the database.
    """

    def __init__(self, database: ControlDatabase) -> None:
        self.database = database
        self.keys = KeyStore(database)
        self.sessions = SessionStore(database)
        self.tickets = TicketStore(database)
        self.tenants = TenantTable(database)
        self.audit = AuditLog(database)
        self.on_access_ended: Callable[[], None] = lambda: None

    def close(self) -> None:
        """Write what waits to be written.  Idempotent."""
        self.audit.close()

    def prune(self) -> None:
        """Delete what is kept no longer.  Raises StoreUnavailable."""
        self.sessions.prune()
        self.tickets.prune()
        prune_responses(self.database)
        self.audit.prune()


def control_of(request: Request) -> ServerTables:
    """Return the tables of the server.  Raises RequestError (404) where there is one database and no keys."""
    found: ServerTables | None = request.app.state.control
    if found is None:
        raise RequestError(
            404, "this server has no keys and no tenants", hint="`holdwater serve` has them, on PostgreSQL"
        )
    return found
