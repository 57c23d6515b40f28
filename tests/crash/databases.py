"""Where the runs of a crash test are, on each kind of database, and what is recorded there, read with plain SQL."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

PLANS = "select structure, plan from plans"
RESULTS = """
select r.id, r.structure, r.forked_from, j.entries from journal j join runs r on r.id = j.run_id
order by j.run_id, j.seq
"""


class Databases:
    """Databases by name: a file each on SQLite, a schema each on PostgreSQL."""

    def __init__(self, directory: Path, migrated_schema: Callable[[], str]) -> None:
        self._directory, self._new_schema = directory, migrated_schema
        self._schemas: dict[str, str] = {}

    def url(self, kind: str, name: str) -> str:
        """The same for the same name."""
        if kind == "sqlite":
            return f"sqlite:///{self._directory}/{name}.db?_synchronous=OFF"
        if name not in self._schemas:
            self._schemas[name] = self._new_schema()
        return self._schemas[name]

    def recorded_successes(self, kind: str, name: str) -> set[tuple[bool, str]]:
        """(whether in a forked run, task) of each task whose success is in a journal."""
        return {(forked_from is not None, task) for _, forked_from, task in self._iter_successes(kind, name)}

    def recorded_results(self, kind: str, name: str) -> set[tuple[str, str]]:
        """(run, task) of each of them."""
        return {(run, task) for run, _, task in self._iter_successes(kind, name)}

    def recorded_ends(self, kind: str, name: str) -> Counter[str]:
        """How often a body came to something that is in a journal, by node."""
        return count_recorded_ends(*self._rows(kind, name))

    def _iter_successes(self, kind: str, name: str) -> Iterator[tuple[str, str | None, str]]:
        plans, results = self._rows(kind, name)
        names = _node_names(plans)
        for run, structure, forked_from, entries in results:
            for entry in json.loads(entries):
                if entry[0] == "succeeded":
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


def count_recorded_ends(plans: list[Any], results: list[Any]) -> Counter[str]:
    """How often a body came to something, by node; what gathers children is none.  Rows as those of PLANS, RESULTS."""
    found: Counter[str] = Counter()
    names = _node_names(plans)
    gathering: set[tuple[str, int]] = set()
    for run, structure, _, entries in results:
        for what, *rest in json.loads(entries):
            if what not in ("succeeded", "failed", "input_requested", "child_runs_requested"):
                continue
            node = rest[0]
            if (run, node) in gathering:
                gathering.discard((run, node))
            else:
                found[names[structure][node]] += 1
            if what == "child_runs_requested":
                gathering.add((run, node))
    return found


def _node_names(plans: list[Any]) -> dict[str, list[str]]:
    """Of nodes, by structure."""
    return {structure: [node["name"] for node in json.loads(plan)["nodes"]] for structure, plan in plans}


@pytest.fixture
def places(tmp_path: Path, migrated_schema: Callable[[], str]) -> Databases:
    return Databases(tmp_path, migrated_schema)
