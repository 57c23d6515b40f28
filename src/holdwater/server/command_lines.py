"""Command lines that do what a control of a page does, to be copied."""

from __future__ import annotations

import shlex
from typing import Final

from fastapi import Request

from holdwater.server.tenant_database import TenantDatabase

KEY_VARIABLE: Final = "HOLDWATER_API_KEY"
REMOTE_COMMANDS: Final = frozenset(
    {
        "submit", "runs", "bulk", "retention", "limits", "secrets", "questions", "doctor", "tenants", "package",
        "schedules", "workflows", "runners", "keys", "audit",
    }
)  # fmt: skip
"""commands that take `--server`"""
_SQLITE: Final = "sqlite:"


def command_line(tenant: TenantDatabase, *arguments: str) -> str:
    """Return `holdwater ARGUMENTS --database URL`, quoted for a POSIX shell; `--server URL --tenant NAME` for a server.

    The URL of a database server is left out, since it may have a password: HOLDWATER_DATABASE stands for it.
    """
    if tenant.server_url and arguments[0] in REMOTE_COMMANDS:
        return shlex.join(("holdwater", *arguments, "--server", tenant.server_url, "--tenant", tenant.tenant))
    url = tenant.database.store.url
    has_database = url.startswith(_SQLITE) and arguments[:1] != ("demo",)  # the directory of the demo is its database
    where = ("--database", url) if has_database else ()
    return shlex.join(("holdwater", *arguments, *where))


def server_command_line(request: Request, *arguments: str) -> str:
    """Return `holdwater ARGUMENTS --server URL`, quoted for a POSIX shell; the key comes from HOLDWATER_API_KEY."""
    return shlex.join(("holdwater", *arguments, "--server", server_url(request)))


def curl_line(request: Request, path: str, body: str = "") -> str:
    """Return a call of the API.  `body`: JSON of a POST; "" for a GET."""
    parts = ["curl", *(["-X", "POST"] if body else []), server_url(request) + path]
    text = f'{shlex.join(parts)} -H "Authorization: Bearer ${KEY_VARIABLE}"'
    return f"{text} -H 'Content-Type: application/json' -d {shlex.quote(body)}" if body else text


def server_url(request: Request) -> str:
    """Return the URL of the server as the browser knows it, without a slash at its end."""
    return str(request.base_url).rstrip("/")
