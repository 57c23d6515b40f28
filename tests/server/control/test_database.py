"""The server's own tables are made once, whichever of several servers is first."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdwater.errors import DatabaseURLError
from holdwater.server.control.database import ControlDatabase
from tests.postgres.cluster import Cluster


def test_several_servers_make_the_tables_once(postgres: Cluster) -> None:
    url = postgres.url()
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: ControlDatabase(url), range(4)))
    try:
        applied = opened[0].select("SELECT number, phase, name FROM server_schema_version ORDER BY number")
        assert applied == [(1, "pre", "initial"), (2, "pre", "removals")]
    finally:
        for database in opened:
            database.close()


def test_a_file_is_refused_with_what_to_use_instead() -> None:
    with pytest.raises(DatabaseURLError, match="PostgreSQL") as caught:
        ControlDatabase("sqlite:///app.db")
    assert "holdwater ui" in (caught.value.hint or "")


def test_applications_of_one_database_work_without_the_driver_of_postgresql() -> None:
    program = "import sys, holdwater.server.app; print(sorted({'psycopg', 'cryptography'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
