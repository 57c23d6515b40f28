"""A database whose tables are of an earlier version is only read, and the pages say so."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from holdwater.errors import StoreReadOnly
from holdwater.server.tenant_database import TenantDatabase
from holdwater.storage.sqlite import schema


def test_it_is_only_read_until_it_is_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "older.db"
    connection = sqlite3.connect(path, isolation_level=None)
    schema.migrate(connection, str(path), schema.MIGRATIONS[:1])
    connection.close()
    older = TenantDatabase.open(f"sqlite:///{path}")
    assert older.is_read_only
    assert "holdwater migrate" in older.read_only_reason
    with pytest.raises(StoreReadOnly) as refused:
        _ = older.engine
    assert "holdwater migrate" in refused.value.hint
    older.close()
