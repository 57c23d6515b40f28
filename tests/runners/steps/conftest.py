"""Runners of steps for tests: in memory unless a test gives them a place, closed at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from holdwater.runners.steps import WorkflowRunner, WorkflowRunnerConfig

MakeRunner = Callable[..., WorkflowRunner]


@pytest.fixture
def make() -> Iterator[MakeRunner]:
    """Makes runners: `make(db_engine, **options of the configuration)`."""
    with ExitStack() as opened:

        def made(db_engine: Any = None, **options: Any) -> WorkflowRunner:
            runner = WorkflowRunner(db_engine, config=WorkflowRunnerConfig(**options))
            return opened.enter_context(runner)

        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/runs.db"
    migrated_schema: Callable[[], str] = request.getfixturevalue("migrated_schema")
    return migrated_schema()


def query_rows(url: str, statement: str, *parameters: str) -> list[tuple[Any, ...]]:
    """Rows, as anybody with a SQL prompt gets them."""
    if url.startswith("sqlite"):
        import sqlite3

        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        try:
            return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()
    import psycopg

    with psycopg.connect(url) as session:
        return session.execute(statement.replace("?", "%s").encode(), parameters).fetchall()
