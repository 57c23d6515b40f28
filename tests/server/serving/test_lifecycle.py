"""A server that is a real process: its start, its end, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.server.serving.server_process import ServedHere, ServerProcess, start_server


def holdwater(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "holdwater", *arguments, "--home", str(home)],
        capture_output=True, text=True, timeout=120, env={**os.environ, **environment},
    )  # fmt: skip


def test_a_server_answers_those_with_a_key(served: ServedHere) -> None:
    with served.stranger() as stranger, served.client() as client:
        assert stranger.get("/health").json() == {"status": "ok"}
        assert stranger.get("/ready").json() == {"status": "ready"}
        assert stranger.get("/v1/tenants/public/executions").status_code == 401
        assert client.get("/v1/tenants/public/executions").json()["items"] == []


def test_status_lock_and_end(new_database: Callable[[], str], tmp_path: Path) -> None:
    home, url = tmp_path / "home", new_database()
    with start_server(url, home) as server:
        said = holdwater("server", "status", "--json", home=home)
        assert said.returncode == 0, said.stderr
        found = json.loads(said.stdout)
        assert server.process is not None
        assert (found["pid"], found["url"]) == (server.process.pid, server.url)
        assert (found["health"], found["ready"]) == ({"status": "ok"}, {"status": "ready"})
        assert json.loads(holdwater("server", "health", home=home).stdout) == {"status": "ok"}

        second = holdwater("serve", "--database-url", url, "--bind", "127.0.0.1:0", home=home)
        assert second.returncode == 1
        assert f"a server works on {home} already: process {server.process.pid}" in second.stderr

        assert holdwater("server", "stop", home=home).returncode == 0
        assert server.wait() == 0
        assert not (home / "server.lock").exists()
        assert "no server works on" in holdwater("server", "status", home=home).stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_0(new_database: Callable[[], str], tmp_path: Path, number: int) -> None:
    with start_server(new_database(), tmp_path / "home") as server:
        server.signal(number)
        assert server.wait() == 0
        with pytest.raises(httpx.ConnectError):
            server.stranger().get("/health")


def test_a_file_is_no_database_of_a_server(tmp_path: Path) -> None:
    said = holdwater("serve", "--database-url", "sqlite:///runs.db", "--bind", "127.0.0.1:0", home=tmp_path)
    assert said.returncode == 2
    assert "`holdwater ui` and `holdwater daemon`" in said.stderr


def test_a_database_must_be_named(tmp_path: Path) -> None:
    said = holdwater("serve", home=tmp_path, DATABASE_URL="", HOLDWATER_DATABASE="", HOLDWATER_DATABASE_URL="")
    assert said.returncode == 2
    assert "DATABASE_URL" in said.stderr


def test_a_warning_where_other_machines_can_connect(new_database: Callable[[], str], tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "home", new_database())
    try:
        server.start("--bind", "0.0.0.0:0")
        server.wait_until(lambda: "nothing is encrypted" in server.log())
        assert server.log().count("nothing is encrypted") == 1
    finally:
        server.close()
