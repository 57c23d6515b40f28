"""Command lines that do what a control of a page does, to be copied."""

from __future__ import annotations

import shlex
from typing import Final

from holdwater.server.tenant_database import TenantDatabase

_SQLITE: Final = "sqlite:"


def command_line(tenant: TenantDatabase, *arguments: str) -> str:
    """Return `holdwater ARGUMENTS --database URL`, quoted for a POSIX shell.

    The URL of a server is left out, since it may have a password: HOLDWATER_DATABASE stands for it.
    """
    url = tenant.database.store.url
    has_database = url.startswith(_SQLITE) and arguments[:1] != ("demo",)  # the directory of the demo is its database
    where = ("--database", url) if has_database else ()
    return shlex.join(("holdwater", *arguments, *where))
