"""A daemon that is a real process, on a home of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdwater.daemon.socket import read_health
from holdwater.errors import DaemonError
from holdwater.model.records import RunFilter, RunRow
from holdwater.operations.databases import open_for_reading
from tests.suite.waiting import poll_pause

FAST_CONFIG = """\
[daemon]
poll_interval_ms = 50
watcher_debounce_ms = 50
reconcile_interval_s = 0.2
"""


_shared = tempfile.TemporaryDirectory(prefix="holdwater-hostlib-")


def share_host_library(home: Path) -> None:
    """Have a home use a copy of the library for hosts that others of these tests have made."""
    (home / "hostlib").symlink_to(_shared.name)


class DaemonProcess:
    """Starts a daemon, puts files into its folder, and asks it how it is."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.packages = home / "packages"
        self.packages.mkdir(parents=True, exist_ok=True)
        share_host_library(home)
        self.config = home / "config.toml"
        self.config.write_text(FAST_CONFIG)
        self.url = f"sqlite:///{home / 'holdwater.db'}"
        self.errors = home / "stderr"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = {name: text for name, text in os.environ.items() if not name.startswith("HOLDWATER")}

    def start(self, *arguments: str, prefix: tuple[str, ...] = ("-m", "holdwater", "daemon")) -> None:
        """Start it, and return when it answers."""
        self.launch(*arguments, prefix=prefix)
        self.wait_until(lambda: self.health() is not None)

    def launch(self, *arguments: str, prefix: tuple[str, ...] = ("-m", "holdwater", "daemon")) -> None:
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, *prefix, "--home", str(self.home), *arguments],
                stdout=errors, stderr=errors, env=self.environment, cwd=self.home,
            )  # fmt: skip

    def health(self) -> dict[str, Any] | None:
        with contextlib.suppress(DaemonError):
            return read_health(self.home / "daemon.sock")
        return None

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait for a sign from the process, which must not end before it gives it; bounded by the test's time-out."""
        assert self.process is not None
        while not condition():
            assert self.process.poll() is None, self.log()
            poll_pause()

    def log(self) -> str:
        return self.errors.read_text()

    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.home / "logs" / "holdwater.log").read_text().splitlines()]

    def put(self, name: str, data: bytes, folder: Path | None = None) -> Path:
        """Put a file there whole, as a careful program does."""
        path = (folder or self.packages) / name
        draft = path.with_name(path.name + ".part")
        draft.write_bytes(data)
        draft.rename(path)
        return path

    def states(self) -> dict[str, str]:
        """The state of each release by `PACKAGE VERSION`, and of rejected files by their name."""
        found = self.health()
        if found is None:
            return {}
        return {
            f"{one['package']} {one['version']}" if one["package"] else Path(one["source"]).name: one["state"]
            for one in found["releases"]
        }

    def error_of(self, name: str) -> str:
        found = self.health()
        assert found is not None
        for one in found["releases"]:
            if name in (f"{one['package']} {one['version']}", Path(one["source"]).name):
                return str(one["error"])
        raise AssertionError(f"{name} is not there: {found['releases']}")

    def wait_for(self, **states: str) -> None:
        """Wait for states by package: `orders="1.0 active"`."""
        wanted = {f"{package} {text.split()[0]}": text.split()[1] for package, text in states.items()}
        self.wait_until(lambda: wanted.items() <= self.states().items())

    def runs(self, **selection: Any) -> list[RunRow]:
        with open_for_reading(self.url) as database:
            return database.store.list_runs(RunFilter(limit=1000, **selection))

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


def processes_with(text: str) -> list[int]:
    """Processes whose command line or environment has a text, and that live."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if place.name != str(os.getpid()) and text.encode() in (place / "cmdline").read_bytes():
                found.append(int(place.name))
    return found
