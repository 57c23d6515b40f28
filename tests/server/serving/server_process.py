"""A server that is a real process, on a home of its own, and the same in this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from holdwater.server.main import Server
from holdwater.server.server_home import ServerHome
from holdwater.service.home_lock import read_address
from holdwater.service.server_settings import read_server_settings
from tests.suite.waiting import poll_pause

BOOTSTRAP_KEY = "bootstrap-key-of-the-tests-with-enough-characters"
TIMEOUT_SECONDS = 30.0


class Served:
    """A server under test.  `bootstrap_key`: of its administrator."""

    def __init__(self, home: Path, database_url: str, bootstrap_key: str) -> None:
        self.home, self.database_url, self.bootstrap_key = home, database_url, bootstrap_key
        self.url = ""

    def client(self, key: str | None = None, **options: Any) -> httpx.Client:
        """A program with a key; without one: that of the administrator."""
        headers = {"authorization": f"Bearer {key or self.bootstrap_key}", **options.pop("headers", {})}
        return httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT_SECONDS, **options)

    def stranger(self, **options: Any) -> httpx.Client:
        """A client without a key."""
        return httpx.Client(base_url=self.url, timeout=TIMEOUT_SECONDS, **options)


class ServerProcess(Served):
    """A process of `holdwater serve`."""

    def __init__(self, home: Path, database_url: str, bootstrap_key: str = BOOTSTRAP_KEY) -> None:
        super().__init__(home, database_url, bootstrap_key)
        self.process: subprocess.Popen[bytes] | None = None
        self.errors = home / "stderr"
        self._launched_at = 0
        """characters of its log that are of earlier processes"""
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("HOLDWATER", "DATABASE_URL"))}
        self.environment = {**kept, "HOLDWATER_BOOTSTRAP_KEY": bootstrap_key}
        home.mkdir(parents=True, exist_ok=True)

    def start(self, *arguments: str) -> None:
        """Start it, and return when it answers."""
        self.launch(*arguments)
        self.wait_until_serving()

    def launch(self, *arguments: str) -> None:
        self._launched_at = len(self.log()) if self.errors.exists() else 0
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "holdwater", "serve", "--home", str(self.home),
                    "--database-url", self.database_url, *(() if "--bind" in arguments else ("--bind", "127.0.0.1:0")),
                    *arguments,
                ],
                stdout=errors, stderr=errors, env=self.environment, cwd=self.home,
            )  # fmt: skip

    def wait_until_serving(self) -> None:
        lock = ServerHome(self.home).lock
        # the address in the lock may still be that of a process that was killed
        self.wait_until(lambda: f"ready: {read_address(lock) or 'not yet'}" in self.log()[self._launched_at :])
        self.url = read_address(lock)

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait for a sign from the process, which must not end before it gives it; bounded by the test's time-out."""
        assert self.process is not None
        while not condition():
            assert self.process.poll() is None, self.log()
            poll_pause()

    def log(self) -> str:
        """What it has written to the terminal."""
        return self.errors.read_text()

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(60)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()


@contextmanager
def start_server(
    database_url: str, home: Path, *arguments: str, config: str = "", bootstrap_key: str = BOOTSTRAP_KEY
) -> Iterator[ServerProcess]:
    """Serve a database in a process of its own.  `arguments`: of the command; `config`: text of its `config.toml`."""
    made = ServerProcess(home, database_url, bootstrap_key)
    if config:
        (home / "config.toml").write_text(config)
    try:
        made.start(*arguments)
        yield made
    finally:
        made.close()


class ServedHere(Served):
    """A server in this process.  `server`: its parts."""

    def __init__(self, server: Server, home: Path, database_url: str, bootstrap_key: str) -> None:
        super().__init__(home, database_url, bootstrap_key)
        self.server, self.url = server, server.url


@contextmanager
def serve_here(
    database_url: str, home: Path, *, config: str = "", bootstrap_key: str = BOOTSTRAP_KEY, **settings: Any
) -> Iterator[ServedHere]:
    """Serve a database in threads of this process.  `settings`: fields of `ServerSettings`."""
    home.mkdir(parents=True, exist_ok=True)
    if config:
        (home / "config.toml").write_text(config)
    flags = {"database_url": database_url, "bind": "127.0.0.1:0", "bootstrap_key": bootstrap_key, **settings}
    server = Server(home, read_server_settings(home, {}, flags))
    try:
        server.start()
        yield ServedHere(server, home, database_url, bootstrap_key)
    finally:
        server.stop()
