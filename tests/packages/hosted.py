"""Packages in folders, and their hosts, for tests."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.model.registry import Registry, registry
from holdwater.packages.hosts.host_executor import HostExecutor
from holdwater.packages.hosts.host_pool import HostPool
from holdwater.packages.installing.installed import InstalledRelease
from holdwater.packages.installing.interpreters import default_interpreter
from holdwater.packages.manifests.manifest import ExecutionLimits, PackageManifest
from holdwater.packages.programs.loading import load_release
from holdwater.packages.settings import EXECUTOR_NAME, PackageSettings
from tests.suite.waiting import poll_pause

MODULE = "parcel_flows"
HEAD = """
import os, signal, sys, threading, time
from pathlib import Path
from holdwater import TaskHandle, TriggerResult, WorkflowBuilder, task, trigger

"""


class WritePackage(Protocol):
    def __call__(self, source: str, *, name: str = "parcels", **execution: Any) -> InstalledRelease: ...


class OpenPool(Protocol):
    def __call__(self, *, monotonic: Callable[[], float] | None = None, **settings: Any) -> HostPool: ...


class Load(Protocol):
    def __call__(self, pool: HostPool, installed: InstalledRelease) -> None: ...


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder that every user may look into, unlike those that pytest makes."""
    with tempfile.TemporaryDirectory(prefix="holdwater-hosts-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def host_home(open_folder: Path) -> Path:
    """A home, in which the copy of the library for hosts is made once."""
    home = open_folder / "home"
    home.mkdir()
    return home


@pytest.fixture
def write_package(tmp_path: Path) -> WritePackage:
    """Writes a package of one module; what it imports is there."""

    def write(source: str, *, name: str = "parcels", **execution: Any) -> InstalledRelease:
        return write_release(tmp_path, source, name=name, **execution)

    return write


def write_release(folder: Path, source: str, *, name: str = "parcels", **execution: Any) -> InstalledRelease:
    digest = hashlib.sha256(f"{name}{source}{execution}".encode()).hexdigest()
    root = folder / digest[:16]
    (root / "workflow").mkdir(parents=True, exist_ok=True)
    (root / "workflow" / f"{MODULE}.py").write_text(HEAD + source)
    manifest = PackageManifest(name=name, version="1.0", modules=(MODULE,), execution=ExecutionLimits(**execution))
    python = default_interpreter(PackageSettings())
    return InstalledRelease(release=digest[:16], digest=digest, manifest=manifest, folder=root, python=python)


@pytest.fixture
def open_pool(host_home: Path) -> Iterator[OpenPool]:
    """Opens pools, and closes them."""
    opened: list[HostPool] = []

    def open_(*, monotonic: Callable[[], float] | None = None, **settings: Any) -> HostPool:
        opened.append(HostPool(PackageSettings(**settings), host_home, monotonic or time.monotonic))
        return opened[-1]

    yield open_
    for pool in opened:
        pool.close()


def load(pool: HostPool, installed: InstalledRelease, into: Registry = registry) -> None:
    """Make a package known to runners, as a process does that has found it."""
    pool.add(installed)
    loaded = load_release(pool.describe(installed), installed, pool)
    into.register_release(installed.release, loaded.definitions)
    into.activate(installed.release)


@pytest.fixture
def loaded() -> Iterator[Load]:
    """Loads packages, and forgets them."""
    releases: list[str] = []

    def load_(pool: HostPool, installed: InstalledRelease) -> None:
        releases.append(installed.release)
        load(pool, installed)

    yield load_
    for release in releases:
        registry.remove_release(release)


@pytest.fixture
def open_hosted(tmp_path: Path) -> Iterator[Callable[..., DefaultRunner]]:
    """Opens runners with the hosts of a pool."""
    opened: list[DefaultRunner] = []

    def open_(pool: HostPool, **options: Any) -> DefaultRunner:
        config = DefaultRunnerConfig(executors={EXECUTOR_NAME: HostExecutor(pool)}, **options)
        opened.append(DefaultRunner(f"sqlite:///{tmp_path}/runs{len(opened)}.db", config=config))
        return opened[-1]

    yield open_
    for runner in opened:
        runner.shutdown()


def wait_until(answer: Callable[[], Any]) -> None:
    """Wait for what nothing announces; bounded by the time-out of the test."""
    while not answer():
        poll_pause()


def is_alive(pid: int) -> bool:
    """True if a process is there that is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def with_python(installed: InstalledRelease, python: str) -> InstalledRelease:
    return replace(installed, python=python)


def same_version_elsewhere() -> str | None:
    """An interpreter of this version that every user may start; None if there is none."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = [f"{folder}/{name}" for folder in ("/usr/bin", "/usr/local/bin")]
    return next((path for path in found if os.path.exists(path)), None)
