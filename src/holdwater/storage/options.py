"""What a store can be told beyond its URL."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """`pool_size`, `prepare_statements`, `listen_url` and `schema` concern PostgreSQL.

    `pool_size`: connections at most; one more listens.  `prepare_statements`: False leaves nothing in a session, for
    proxies that give each transaction another one.  `listen_url`: where to listen if not at the database's URL (behind
    such a proxy).  `schema`: the schema everything lives in, made if it is not there.  `read_only`: change nothing, not
    even an old schema version; for people who look.
    """

    pool_size: int = 10
    prepare_statements: bool = True
    listen_url: str | None = field(default=None, repr=False)
    schema: str | None = None
    read_only: bool = False
