"""Opening a backend by its URL: that of a database or of a server."""

from __future__ import annotations

from holdwater.client.backend import Backend
from holdwater.client.database.backend import open_database
from holdwater.errors import ConfigError
from holdwater.model.provenance import check_author


def is_server_url(url: str) -> bool:
    """Return True for the URL of a server, False for that of a database."""
    return url.lower().startswith(("http://", "https://"))


def connect(
    url: str,
    *,
    api_key: str | None = None,
    tenant: str | None = None,
    schema: str | None = None,
    author: str = "",
    request_seconds: float = 60.0,
    ca_file: str | None = None,
) -> Backend:
    """Open a database, or prepare to speak to a server; see `Client`.

    Raises DatabaseNotFound, DatabaseURLError, StoreUnavailable, SchemaTooNew; ConfigError for options of the other
    kind.
    """
    check_author(author)
    if not is_server_url(url):
        if (api_key, tenant, ca_file) != (None, None, None):
            raise ConfigError("api_key, tenant and ca_file are for a server", hint="https://HOST, or leave them out")
        return open_database(url, schema, author)
    if schema is not None or author:
        raise ConfigError(
            "schema and author are for a database", hint="a server knows tenant and author by the API key"
        )
    try:
        from holdwater.client.server.backend import open_server
        from holdwater.client.server.options import DEFAULT_TENANT, ServerOptions
    except ImportError as error:
        if error.name != "httpx":
            raise
        raise ConfigError("a client of a server needs httpx", hint="pip install 'holdwater[client]'") from error
    options = ServerOptions(
        url=url,
        api_key=api_key,
        tenant=DEFAULT_TENANT if tenant is None else tenant,
        answer_seconds=request_seconds,
        ca_file=ca_file,
    )
    return open_server(options)
