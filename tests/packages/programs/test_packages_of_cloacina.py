"""Packages as Cloacina writes them, of both generations: put into a folder, registered, scheduled, run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.model.registry import Registry
from holdwater.operations.databases import Database
from holdwater.operations.releases import list_releases
from holdwater.operations.schedule_queries import list_schedules
from holdwater.packages.reconciling.engine_packages import EnginePackages
from holdwater.packages.registries.filesystem import FilesystemWorkflowRegistry
from holdwater.packages.registries.watching import PackageWatcher
from holdwater.packages.settings import PackageSettings
from tests.packages.archive_files import MANIFEST_JSON, PACKAGE_TOML, package_of_04, package_of_05

OLD_SECONDS: Final = 1_000_000_000
TASKS: Final = """
import cloaca
import helper

@cloaca.task(id="load")
def load(context):
    context.set("rows", helper.ROWS)
    return context

@cloaca.task(id="total", dependencies=["load"])
def total(context):
    context.set("total", sum(context.get("rows")))
    return context
"""
TRIGGERS: Final = """
[[metadata.triggers]]
name = "nightly"
workflow = "orders"
poll_interval = "5s"
cron_expression = "0 2 * * *"
"""


def of_04(name: str) -> bytes:
    """A package of the older generation, whose manifest, tasks and modules have another name."""
    manifest = json.loads(json.dumps(MANIFEST_JSON).replace('"name": "orders"', f'"name": "{name}"'))
    triggers = [{"name": "daily", "trigger_type": "cron", "workflow": name, "config": {"cron_expression": "0 3 * * *"}}]
    files = {"workflow/orders/tasks.py": TASKS, "vendor/helper.py": "ROWS = [20, 7]\n"}
    return package_of_04({**manifest, "triggers": triggers}, files=files)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[DefaultRunner]:
    folder = tmp_path / "packages"
    folder.mkdir()
    files = {"workflow/orders/tasks.py": TASKS, "vendor/helper.py": "ROWS = [1, 2]\n"}
    for name, data in (("new", package_of_05(PACKAGE_TOML + TRIGGERS, files)), ("old", of_04("older"))):
        (folder / f"{name}.cloacina").write_bytes(data)
        os.utime(folder / f"{name}.cloacina", (OLD_SECONDS, OLD_SECONDS))
    packages = EnginePackages(PackageSettings(), tmp_path / "home")
    watcher = PackageWatcher([folder], debounce_seconds=0.0, rescan_seconds=60, on_change=lambda: None)
    watcher.start()
    config = DefaultRunnerConfig(executors=dict(packages.executors))
    with DefaultRunner(f"sqlite:///{tmp_path}/runs.db", config=config, registry=Registry()) as made:
        packages.attach(made._engine, FilesystemWorkflowRegistry(folder, watcher), interval_seconds=60, author="tests")
        packages.reconciler.reconcile()
        yield made
    watcher.close()


def test_both_generations_beside_each_other(runner: DefaultRunner) -> None:
    database = Database.of(runner._engine)
    found = {one.package: (one.version, one.state, one.error) for one in list_releases(database)}
    assert found == {"orders": ("1.2.0", "active", None), "older": ("1.2.0", "active", None)}
    schedules = {one.name: (one.workflow, one.expression, one.timezone) for one in list_schedules(database)}
    assert schedules == {
        "orders/nightly": ("orders", "0 2 * * *", "UTC"),
        "older/daily": ("older", "0 3 * * *", "UTC"),
    }
    totals = {name: runner.submit(name).result(60).final_context["total"] for name in ("orders", "older")}
    assert totals == {"orders": 3, "older": 27}
