"""What the adapters share: plain access to the database under test, and a count of bodies that ran."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any


class Plain:
    """A connection of the database's own driver; a context manager that commits."""

    def __init__(self, connection: Any, mark: str) -> None:
        self._connection, self._mark = connection, mark

    def execute(self, sql: str) -> Any:
        return self._connection.execute(sql)

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        marks = ",".join([self._mark] * len(columns))
        sql = f"insert into {table} ({','.join(columns)}) values ({marks})"
        self._connection.cursor().executemany(sql, rows)

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.commit()
        self._connection.close()


def connect(url: str) -> Plain:
    if url.startswith("sqlite"):
        return Plain(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60), "?")
    import psycopg

    return Plain(psycopg.connect(url), "%s")


def transactions(url: str) -> int:
    """Transactions the server has finished in this database."""
    sql = "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()"
    with connect(url) as db:
        return int(db.execute(sql).fetchone()[0])


_TALLY = os.environ.get("BENCH_TALLY")
_fd = os.open(_TALLY, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if _TALLY else -1


def tally(i: int) -> None:
    """A body runs: one line in a file outside every system, if there is one."""
    if _fd >= 0:
        os.write(_fd, b"%d\n" % i)
