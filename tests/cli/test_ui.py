"""`holdwater ui` as a process: its link, its port, its token, its end."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from holdwater import DefaultRunner
from tests.server.streams.sse import open_stream
from tests.suite.waiting import poll_pause

LINK = re.compile(r"(http://127\.0\.0\.1:(\d+))/ui\?token=\S+")
Start = Callable[..., tuple["subprocess.Popen[str]", "re.Match[str]"]]


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/runs.db"
    DefaultRunner(url).shutdown()
    return url


@pytest.fixture
def start(url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts it, and waits until it has printed its link."""
    started: list[subprocess.Popen[str]] = []

    def start_(*options: str, **environment: str) -> tuple[subprocess.Popen[str], re.Match[str]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "holdwater", "ui", "--database", url, *options],
            cwd=tmp_path,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        found = LINK.match(process.stdout.readline())
        assert found is not None, process.communicate()
        return process, found

    yield start_
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def end(process: subprocess.Popen[str], sig: int = signal.SIGINT) -> None:
    process.send_signal(sig)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, ""), out


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_also_with_open_streams(start: Start, tmp_path: Path, sig: int) -> None:
    process, link = start("--port", "0", "--api-token-file", "token")
    headers = {"authorization": f"Bearer {(tmp_path / 'token').read_text().strip()}"}
    with (
        httpx.Client(base_url=link[1], headers=headers) as client,
        open_stream(client, "/v1/tenants/public/stream") as stream,
    ):
        assert next(iter(stream)).event == "resync"
        process.send_signal(sig)
        assert [one.event for one in stream] == ["bye"]
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, ""), out
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".notify")]


def test_the_token_file_is_made_for_its_owner_and_used_again(start: Start, tmp_path: Path, url: str) -> None:
    path = tmp_path / "token"
    for _ in range(2):
        process, link = start("--port", "0", "--api-token-file", str(path))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        token = path.read_text().strip()
        headers = {"authorization": f"Bearer {token}"}
        assert httpx.get(f"{link[1]}/v1/server", headers=headers).json()["database"].endswith("runs.db")
        assert httpx.get(f"{link[1]}/v1/server").status_code == 401
        end(process)
    path.chmod(0o644)
    assert "other users can read" in run("--database", url, "--api-token-file", str(path))
    path.chmod(0o600)
    path.write_text("short\n")
    assert "has no token" in run("--database", url, "--api-token-file", str(path))


def run(*options: str) -> str:
    """What it says when it cannot start."""
    done = subprocess.run(
        [sys.executable, "-m", "holdwater", "ui", *options], capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    return done.stderr


def test_another_port_is_taken_only_if_none_was_asked_for(start: Start, url: str) -> None:
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", 8765))
            taken.listen()
        except OSError:
            pass  # another process has it: as good
        process, link = start()
        assert link[2] != "8765"
        end(process)
        assert "port 8765" in run("--database", url, "--port", "8765")


def test_it_opens_the_browser_with_the_link(start: Start, tmp_path: Path) -> None:
    browser = tmp_path / "browser.sh"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    process, link = start("--port", "0", "--open", BROWSER=f"{browser} %s")
    opened = tmp_path / "opened"
    while not (opened.exists() and opened.read_text().endswith("\n")):  # bounded by the test's time-out
        poll_pause()
    assert opened.read_text().strip() == link[0]
    end(process)


@pytest.mark.parametrize("place", ["holdwater.db", "holdwater-demo/demo.db"])
def test_a_database_that_is_here_is_found(tmp_path: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    DefaultRunner(f"sqlite:///{tmp_path}/{place}").shutdown()
    command = [sys.executable, "-m", "holdwater", "ui", "--port", "0"]
    environment = {key: value for key, value in os.environ.items() if key != "HOLDWATER_DATABASE"}
    environment["PYTHONUNBUFFERED"] = "1"
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert LINK.match(process.stdout.readline())
        assert process.stdout.readline() == f"Database: sqlite:///{place}\n"
        process.kill()
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        command, cwd=tmp_path / "elsewhere", env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 3
    assert "has no holdwater.db and no holdwater-demo/demo.db" in done.stderr
    assert "--database sqlite:///FILE, or HOLDWATER_DATABASE" in done.stderr


def test_what_is_no_database_is_said(tmp_path: Path) -> None:
    assert "there is no database" in run("--database", f"sqlite:///{tmp_path}/none.db")
