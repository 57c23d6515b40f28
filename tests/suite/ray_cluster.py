"""One small Ray cluster for all tests that need one, also for several processes of pytest-xdist.

The first process that asks starts it in a child of its own, and ends it when the others have let go of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.suite import reaper

START_SECONDS = 120.0
CLUSTER_SCRIPT = """
import os, sys
os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="disabled")  # a token would be written to ~/.ray
said = os.dup(1)
os.dup2(2, 1)
import ray
ray.init(
    address="local", num_cpus=2, resources={"scanner": 1}, object_store_memory=100 << 20, include_dashboard=False,
    logging_level="ERROR", log_to_driver=False, _temp_dir=sys.argv[1] or None,
)
os.write(said, ray.get_runtime_context().gcs_address.encode() + b"\\n")
sys.stdin.read()
ray.shutdown()
"""


class RayCluster:
    """A cluster of one node with two processors and one `scanner`, in child processes; `address`: for `ray.init`."""

    def __init__(self) -> None:
        """Raises RuntimeError if it does not start."""
        directory = reaper.directory()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - until the cluster is stopped
        self._process = subprocess.Popen(
            [sys.executable, "-c", CLUSTER_SCRIPT, "" if directory is None else f"{directory}/ray"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        assert self._process.stdout is not None
        said = b""
        if select.select([self._process.stdout], [], [], START_SECONDS)[0]:
            said = self._process.stdout.readline()
        self.address = said.decode().strip()
        if not self.address:
            self._process.kill()
            self._log.seek(0)
            text = self._log.read().decode(errors="replace")[-500:] or "it does not say its address"
            self.stop()
            raise RuntimeError(text)

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the cluster.  Skips where Ray is not installed or does not start."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed: pip install 'holdwater[ray]'")
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with _held(shared / "ray-users", fcntl.LOCK_SH) as users:
        cluster = None
        with _held(shared / "ray-start", fcntl.LOCK_EX):
            told = shared / "ray-address"
            if not told.exists():
                address, cluster = _start()
                told.write_text(address, encoding="utf-8")
            address = told.read_text(encoding="utf-8")
        if not address:
            pytest.skip("Ray does not start on this machine")
        yield address
        if cluster is not None:
            fcntl.flock(users, fcntl.LOCK_EX)  # the others have ended their tests
            cluster.stop()


def _start() -> tuple[str, RayCluster | None]:
    try:
        cluster = RayCluster()
    except RuntimeError as error:
        print(f"Ray does not start: {error}", file=sys.stderr)
        return "", None
    return cluster.address, cluster


@contextlib.contextmanager
def _held(path: Path, kind: int) -> Iterator[int]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(fd, kind)
        yield fd
    finally:
        os.close(fd)
