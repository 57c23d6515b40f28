"""Two versions of a package at once, each in hosts of its own: what began with one ends with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.model.registry import Registry
from holdwater.operations import start_by_name
from holdwater.packages.hosts.host_executor import HostExecutor
from holdwater.packages.hosts.host_pool import HostPool
from holdwater.packages.installing.installed import InstalledRelease
from holdwater.packages.programs.loading import load_release
from holdwater.packages.settings import EXECUTOR_NAME
from holdwater.runs.verify.checker import StoreChecker
from tests.packages.hosted import OpenPool, WritePackage, wait_until
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS

SOURCE = """
import datetime
from holdwater.graphs import Graph, interrupt, node, register_graph

VERSION, FOLDER = {version!r}, Path({folder!r})

with WorkflowBuilder("orders"):
    @task()
    def first(context):
        context["by"] = [VERSION]

    @task(dependencies=[first])
    def wait(context):
        (FOLDER / "waiting").touch()
        while not (FOLDER / "go").exists():
            time.sleep(0.01)
        context["by"] = [*context["by"], VERSION]

    @task(dependencies=[wait])
    def call(context, handle: TaskHandle):
        context["by"] = [*context["by"], handle.execute("part", {{}}).final_context["by"]]

with WorkflowBuilder("part"):
    @task()
    def part(context):
        context["by"] = VERSION

@node(output_name="checked")
def check(day: datetime.date) -> str:
    if VERSION == "1.0":
        raise ValueError("ill")
    return f"{{VERSION}} {{type(day).__name__}}"

inner = Graph([check], name="inner")
register_graph(Graph([inner.as_node()], name="dated"))

@interrupt(answer_name="approved", response_type=bool)
def ask(amount: int) -> str:
    return f"spend {{amount}}?"

@node(output_name="done")
def conclude(approved: bool) -> str:
    return f"{{VERSION}} {{approved}}"

register_graph(Graph([ask, conclude], name="spending"))
"""


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def pool(open_pool: OpenPool) -> HostPool:
    return open_pool()


@pytest.fixture
def runner(tmp_path: Path, pool: HostPool, registry: Registry) -> Iterator[DefaultRunner]:
    config = DefaultRunnerConfig(executors={EXECUTOR_NAME: HostExecutor(pool)})
    with DefaultRunner(f"sqlite:///{tmp_path}/runs.db", config=config, registry=registry) as runner:
        yield runner


def add(registry: Registry, pool: HostPool, installed: InstalledRelease) -> str:
    """Load a release and make it the active one; returns it."""
    pool.add(installed)
    registry.register_release(installed.release, load_release(pool.describe(installed), installed, pool).definitions)
    registry.activate(installed.release, replacing=registry.releases())
    return installed.release


def test_an_upgrade_in_the_middle_of_runs(
    runner: DefaultRunner, registry: Registry, pool: HostPool, write_package: WritePackage, tmp_path: Path
) -> None:
    def package(version: str) -> InstalledRelease:
        return write_package(SOURCE.format(version=version, folder=str(tmp_path)))

    def context_of(run_id: str) -> dict[str, Any]:
        return runner.handle(run_id).result(SIGNAL_TIMEOUT_SECONDS).final_context.to_dict()

    old = add(registry, pool, package("1.0"))
    ordered = runner.submit("orders", {})
    asked = runner.submit("spending", {"amount": 3})
    runner.announce()
    ill = runner.handle(start_by_name(runner._engine, "dated", {"day": "2026-11-30"}).info.id)
    assert ill.result(SIGNAL_TIMEOUT_SECONDS).status == "Failed"
    assert asked.result(SIGNAL_TIMEOUT_SECONDS).status == "Paused"
    wait_until((tmp_path / "waiting").exists)
    new = add(registry, pool, package("2.0"))
    assert runner.submit("part", {}).result(SIGNAL_TIMEOUT_SECONDS).final_context["by"] == "2.0"
    asked.answer(None, True)
    (tmp_path / "go").touch()
    assert context_of(ordered.run_id)["by"] == ["1.0", "1.0", "1.0"], "a child call prefers its own release"
    assert context_of(asked.run_id)["done"] == "1.0 True"
    assert runner.submit("orders", {}).result(SIGNAL_TIMEOUT_SECONDS).final_context["by"] == ["2.0"] * 3
    runner.retry(ill.run_id, release="active")
    assert context_of(ill.run_id)["checked"] == "2.0 date"
    store = runner._engine.store
    assert {run.release for run in store.iter_runs() if run.id.startswith(ill.run_id)} == {new}
    assert store.count_open_runs(old) == 0
    registry.remove_release(old)
    pool.retire(old)
    assert [str(v) for v in StoreChecker(store, runner._engine.clock.now).find_violations()] == []
