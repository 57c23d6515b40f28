from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdwater.engine import Engine
from holdwater.errors import StoreUnavailable
from holdwater.model.registry import Registry
from holdwater.packages.hosts.host_pool import HostPool
from holdwater.packages.reconciling.reconciler import RegistryReconciler
from holdwater.packages.registries.filesystem import FilesystemWorkflowRegistry
from holdwater.packages.registries.folder_scans import ScannedFolder
from holdwater.packages.settings import PackageSettings
from holdwater.runtime.config import DriverConfig
from holdwater.service.health import HealthReport
from tests.daemon.daemon_process import share_host_library


@pytest.fixture
def report(tmp_path: Path) -> Iterator[HealthReport]:
    share_host_library(tmp_path)
    pool = HostPool(PackageSettings(), tmp_path)
    engine = Engine("memory://", DriverConfig(), registry=Registry())
    (tmp_path / "none.cloacina").write_bytes(b"")
    registry = FilesystemWorkflowRegistry(tmp_path, ScannedFolder(tmp_path, 0.0))
    reconciler = RegistryReconciler(registry, engine, pool, tmp_path)
    reconciler.reconcile()
    yield HealthReport(engine, reconciler, pool)
    reconciler.close()
    engine.close(0.0)
    pool.close()


def test_what_is_healthy(report: HealthReport) -> None:
    found = report.read()
    assert (found["status"], found["reasons"]) == ("healthy", [])
    assert found["database"]["connected"]
    assert found["reconciler"]["last_run_at"]
    (rejected,) = found["releases"]
    assert rejected["state"] == "broken"
    assert rejected["source"].endswith("none.cloacina")


def test_a_database_that_cannot_be_used(report: HealthReport, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StoreUnavailable("it is gone")

    monkeypatch.setattr(report._engine.store, "count_runs", fail)
    found = report.read()
    assert (found["status"], found["database"]["connected"]) == ("unhealthy", False)
    assert found["runs_open"] is None


@pytest.mark.parametrize(("silent_seconds", "status"), [(59.0, "healthy"), (61.0, "unhealthy")])
def test_a_driver_that_is_silent(
    report: HealthReport, silent_seconds: float, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report._engine.driver, "seconds_since_answer", lambda: silent_seconds)
    assert report.read()["status"] == status


def test_a_driver_that_has_ended(report: HealthReport) -> None:
    report._engine.close(0.0)
    assert report.read()["status"] == "unhealthy"
