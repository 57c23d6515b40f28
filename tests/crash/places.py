"""Where the runs of a crash test are, on each kind of database, and what is recorded there, read with plain SQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

PLANS = "select structure, plan from plans"
RESULTS = "select r.id, r.structure, r.forked_from, j.entries from journal j join runs r on r.id = j.run_id"


class Places:
    """Databases by name: a file each on SQLite, a schema each on PostgreSQL."""

    def __init__(self, directory: Path, new_schema: Callable[[], str]) -> None:
        self._directory, self._new_schema = directory, new_schema
        self._schemas: dict[str, str] = {}

    def url(self, kind: str, name: str) -> str:
        """The same for the same name."""
        if kind == "sqlite":
            return f"sqlite:///{self._directory}/{name}.db?_synchronous=OFF"
        if name not in self._schemas:
            self._schemas[name] = self._new_schema()
        return self._schemas[name]

    def recorded(self, kind: str, name: str) -> set[tuple[bool, str]]:
        """(whether in a forked run, task) of each task whose success is in a journal."""
        return {(forked_from is not None, task) for _, forked_from, task in self._results(kind, name)}

    def results(self, kind: str, name: str) -> set[tuple[str, str]]:
        """(run, task) of each of them."""
        return {(run, task) for run, _, task in self._results(kind, name)}

    def _results(self, kind: str, name: str) -> Iterator[tuple[str, str | None, str]]:
        plans, results = self._rows(kind, name)
        names = {structure: [node["name"] for node in json.loads(plan)["nodes"]] for structure, plan in plans}
        for run, structure, forked_from, entries in results:
            for entry in json.loads(entries):
                if entry[0] == "ok":
                    yield run, forked_from, names[structure][entry[1]]

    def _rows(self, kind: str, name: str) -> tuple[list[Any], list[Any]]:
        if kind == "postgresql":
            with psycopg.connect(self.url(kind, name)) as server:
                if server.execute("select to_regclass('journal')").fetchone() == (None,):
                    return [], []
                return server.execute(PLANS).fetchall(), server.execute(RESULTS).fetchall()
        path = self._directory / f"{name}.db"
        if not path.exists() or not path.stat().st_size:
            return [], []
        connection = sqlite3.connect(path)
        try:
            if connection.execute("select 1 from sqlite_master where name = 'journal'").fetchone() is None:
                return [], []
            return connection.execute(PLANS).fetchall(), connection.execute(RESULTS).fetchall()
        finally:
            connection.close()


@pytest.fixture
def places(tmp_path: Path, new_schema: Callable[[], str]) -> Places:
    return Places(tmp_path, new_schema)
