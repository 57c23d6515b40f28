"""Options of a store beyond its URL."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdwater.storage.listening import SharedListener


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """Options; all but `read_only` apply to PostgreSQL only.

    `pool_size`: maximum number of connections; one more listens.  `prepare_statements`: False keeps no state in a
    session, for proxies that pool by transaction (PgBouncer).  `listen_url`: the URL to LISTEN at if it is not the
    database's (behind such a proxy).  `schema`: the schema of all tables, created if it does not exist.  `read_only`:
    change nothing, not even an outdated schema version; for inspection.

    `role`: the role that every statement is executed as (SET ROLE); that of the URL has to be a member of it.
    `idle_seconds`: a connection that was not used for so long is closed; None: it is kept.  `listener`: listens for
    this store and others; None: it has a connection of its own.
    """

    pool_size: int = 10
    prepare_statements: bool = True
    listen_url: str | None = field(default=None, repr=False)
    schema: str | None = None
    read_only: bool = False
    role: str | None = None
    idle_seconds: float | None = None
    listener: SharedListener | None = None
