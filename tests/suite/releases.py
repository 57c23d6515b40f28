"""Rows of releases, written without a package or a daemon."""

from __future__ import annotations

import hashlib
from typing import Any

from holdwater.model.releases import ReleaseRow
from holdwater.operations.databases import Database

TRACEBACK = """Traceback (most recent call last):
  File "workflow/orders/flows.py", line 3, in <module>
    import <b>nothing</b>
ModuleNotFoundError: No module named '<b>nothing</b>'
"""


def put_release(database: Database, package: str, version: str, state: str = "active", **facts: Any) -> str:
    """Write the row of a release; returns its digits."""
    digest = hashlib.sha256(f"{package} {version}".encode()).hexdigest()
    now = database.clock.now()
    row = ReleaseRow(
        digest[:16], digest, package, version, state, [package], registered_at=now, changed_at=now, **facts  # type: ignore[arg-type]
    )  # fmt: skip
    assert database.store.put_release(row)
    return row.release
