"""Child runs of child runs, with fewer hosts than runs that wait for them."""

from __future__ import annotations

from pathlib import Path

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.model.registry import registry
from holdwater.packages.hosts.host_executor import HostExecutor
from holdwater.packages.hosts.host_pool import HostPool
from holdwater.packages.manifests.manifest import ExecutionLimits, PackageManifest
from holdwater.packages.programs.loading import load_release
from holdwater.packages.settings import PackageSettings
from tests.packages.host_packages import install_files
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS

FLOWS = """
from holdwater import WorkflowBuilder, task

for depth in range(4):
    with WorkflowBuilder(f"depth{depth}"):
        @task()
        def body(context, handle):
            depth = context["depth"]
            below = handle.execute(f"depth{depth + 1}", {"depth": depth + 1}) if depth < 3 else None
            context["sum"] = depth + (below.final_context["sum"] if below else 0)
"""


def test_a_host_that_waits_for_a_child_run_counts_towards_no_limit(tmp_path: Path) -> None:
    manifest = PackageManifest(
        name="deep", version="1", modules=("flows",), execution=ExecutionLimits(max_concurrent=1)
    )
    installed = install_files(tmp_path / "release", {"workflow/flows.py": FLOWS}, manifest)
    pool = HostPool(PackageSettings(max_hosts=1), tmp_path / "home")
    try:
        release = load_release(pool.describe(installed), installed, pool)
        pool.add(installed)
        config = DefaultRunnerConfig(executors={"packages": HostExecutor(pool)})
        with DefaultRunner(f"sqlite:///{tmp_path}/runs.db", config=config) as runner:
            registry.register_release(installed.release, release.definitions)
            registry.activate(installed.release)
            result = runner.submit("depth0", {"depth": 0}).result(SIGNAL_TIMEOUT_SECONDS)
            assert (result.status, result.final_context["sum"]) == ("Completed", 6)
        assert len([host for host in pool.hosts() if host.state != "ending"]) <= 1
    finally:
        registry.remove_release(installed.release)
        pool.close()
