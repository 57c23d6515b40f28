"""Packages in an embedded runner."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.daemon.sources import find_source
from holdwater.errors import ConfigError, WorkflowNotFound
from holdwater.operations.databases import Database
from holdwater.operations.releases import activate_release, list_releases, remove_release
from holdwater.packages.registries.database import DatabaseWorkflowRegistry
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, assert_no_new_threads
from tests.suite.waiting import poll_pause

OLD_SECONDS = 1_000_000_000
"""the time of change of files that are complete"""
FLOWS = """
from holdwater import WorkflowBuilder, task

with WorkflowBuilder("orders"):

    @task()
    def load(context):
        context["version"] = {version!r}
"""


def build(folder: Path, version: str) -> bytes:
    module = folder / "shop.py"
    module.write_text(FLOWS.format(version=version), encoding="utf-8")
    return find_source(str(module)).snapshot().build(version)


def drop(folder: Path, version: str, data: bytes) -> Path:
    path = folder / f"shop-{version}.cloacina"
    path.write_bytes(data)
    os.utime(path, (OLD_SECONDS, OLD_SECONDS))
    return path


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    folder.mkdir()
    return folder


@pytest.fixture
def open_runner(tmp_path: Path, packages: Path) -> Iterator[Callable[..., DefaultRunner]]:
    opened: list[DefaultRunner] = []

    def open_(**options: Any) -> DefaultRunner:
        config = DefaultRunnerConfig(registry_storage_path=packages, registry_reconcile_interval=0.1, **options)
        opened.append(DefaultRunner(f"sqlite:///{tmp_path}/runs.db", config=config))
        return opened[-1]

    with assert_no_new_threads():
        yield open_
        for runner in opened:
            runner.shutdown()


def wait_until(condition: Callable[[], Any]) -> None:
    while not condition():  # bounded by the test's time-out
        poll_pause()


def states(runner: DefaultRunner) -> dict[str, str]:
    return {one.version: one.state for one in list_releases(Database.of(runner._engine))}


def executed_version(runner: DefaultRunner) -> str:
    return str(runner.submit("orders").result(SIGNAL_TIMEOUT_SECONDS).final_context["version"])


def test_versions_come_and_go(open_runner: Callable[..., DefaultRunner], packages: Path, tmp_path: Path) -> None:
    drop(packages, "1.0", build(tmp_path, "1.0"))
    runner = open_runner()
    assert executed_version(runner) == "1.0", "what is there can be started when the runner is made"
    drop(packages, "1.1", build(tmp_path, "1.1"))
    wait_until(lambda: states(runner) == {"1.0": "inactive", "1.1": "active"})
    assert executed_version(runner) == "1.1"
    database = Database.of(runner._engine)
    releases = {one.version: one.release for one in list_releases(database)}
    activate_release(database, releases["1.0"])
    wait_until(lambda: states(runner) == {"1.0": "active", "1.1": "inactive"})
    assert executed_version(runner) == "1.0"
    remove_release(database, releases["1.0"])
    wait_until(lambda: states(runner) == {"1.0": "gone", "1.1": "active"})
    assert sorted(path.name for path in packages.glob("*.cloacina")) == ["shop-1.1.cloacina"]
    assert executed_version(runner) == "1.1"
    assert list((packages / ".holdwater" / "releases").glob("*/installed.json"))
    (packages / "shop-1.1.cloacina").unlink()
    wait_until(lambda: states(runner)["1.1"] == "gone")
    with pytest.raises(WorkflowNotFound):
        runner.submit("orders")


def test_components_say_so(open_runner: Callable[..., DefaultRunner], packages: Path) -> None:
    found = {one.name: one for one in open_runner().components()}
    assert found["WorkflowRegistry"].implementation == (
        "holdwater.packages.registries.filesystem.FilesystemWorkflowRegistry",
    )
    assert found["RegistryReconciler"].implementation == (
        "holdwater.packages.reconciling.reconciler.RegistryReconciler",
    )
    assert found["RegistryReconciler"].is_active
    assert str(packages) in found["RegistryReconciler"].reason
    assert not found["PackageWatcher"].is_active
    in_database = {one.name: one for one in open_runner(registry_storage_backend="sqlite").components()}
    assert in_database["WorkflowRegistry"].implementation == (
        "holdwater.packages.registries.database.DatabaseWorkflowRegistry",
    )


def test_packages_in_the_database(open_runner: Callable[..., DefaultRunner], packages: Path, tmp_path: Path) -> None:
    with DefaultRunner(f"sqlite:///{tmp_path}/runs.db") as other:
        engine = other._engine
        DatabaseWorkflowRegistry(engine.store, engine.clock).register(build(tmp_path, "3.0"), by="cli:alice")
    runner = open_runner(registry_storage_backend="database")
    assert executed_version(runner) == "3.0"
    (release,) = list_releases(Database.of(runner._engine))
    assert release.registered_by == "cli:alice"


def test_a_broken_one_says_why_and_holds_up_nothing(
    open_runner: Callable[..., DefaultRunner], packages: Path, tmp_path: Path
) -> None:
    drop(packages, "1.0", build(tmp_path, "1.0"))
    (tmp_path / "shop.py").write_text("raise SystemExit('no')")
    drop(packages, "2.0", find_source(str(tmp_path / "shop.py")).snapshot().build("2.0"))
    runner = open_runner()
    assert states(runner) == {"1.0": "active", "2.0": "broken"}
    broken = next(one for one in list_releases(Database.of(runner._engine)) if one.state == "broken")
    assert "SystemExit: no" in (broken.error or "")
    assert executed_version(runner) == "1.0"


def test_no_process_is_left(open_runner: Callable[..., DefaultRunner], packages: Path, tmp_path: Path) -> None:
    drop(packages, "1.0", build(tmp_path, "1.0"))
    runner = open_runner()
    executed_version(runner)
    pids = [host.pid for host in runner._packages.hosts()] if runner._packages is not None else []
    assert pids
    runner.shutdown()
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert "holdwater-reconciler" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    "options",
    [
        {"enable_registry_reconciler": True},
        {"registry_storage_backend": "database"},
        {"registry_reconcile_interval": 1},
    ],
)
def test_options_that_need_a_folder(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="registry_storage_path is None"):
        DefaultRunner("memory://", config=DefaultRunnerConfig(**options))


def test_options_of_packages(packages: Path) -> None:
    config = DefaultRunnerConfig(registry_storage_path=packages)
    assert config.registry_storage_path == str(packages)
    assert (
        DefaultRunnerConfig(registry_storage_path=packages, enable_registry_reconciler=False).packages_folder() is None
    )
    assert DefaultRunnerConfig(registry_storage_backend="postgres").registry_storage_backend == "database"
    for wrong in ({"registry_storage_path": ""}, {"registry_storage_path": 7}, {"registry_storage_backend": "s3"}):
        with pytest.raises(ConfigError):
            DefaultRunnerConfig(**wrong)
