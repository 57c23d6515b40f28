"""A daemon in the process of the test: what it has while it works, and that nothing is left of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdwater.daemon.main import Daemon
from holdwater.errors import ConfigError, DaemonError
from holdwater.service.settings import DaemonSettings
from tests.daemon.daemon_process import processes_with, share_host_library
from tests.daemon.packages import one_task_package
from tests.suite.runners import assert_no_new_threads
from tests.suite.waiting import poll_pause

SETTINGS = DaemonSettings(poll_interval_ms=20, watcher_debounce_ms=20, reconcile_interval_seconds=0.2)


def test_no_thread_socket_lock_or_process_is_left(tmp_path: Path) -> None:
    share_host_library(tmp_path)
    with assert_no_new_threads():
        daemon = Daemon(tmp_path, SETTINGS)
        with pytest.raises(DaemonError, match=r"process \d+"):
            Daemon(tmp_path, SETTINGS)
        daemon.start()
        daemon.registry.register(one_task_package("orders", "1.0"))
        while daemon.reconciler.packages_loaded == 0 or daemon.engine.registry.find("orders") is None:
            poll_pause()
        run = daemon.engine.submit("orders", {})
        assert daemon.engine.wait_for_run(run.info.id, 60.0).info.status == "completed"
        active = {one.name for one in daemon.components() if one.is_active}
        assert {"WorkflowRegistry", "RegistryReconciler", "PackageWatcher", "Scheduler", "DefaultRunner"} <= active
        assert daemon.pool.hosts()
        daemon.stop()
        daemon.stop()
    assert not daemon.home.socket.exists()
    assert not daemon.home.lock.exists()
    assert processes_with(str(tmp_path)) == []
    assert not daemon.has_failed


def test_a_start_that_fails_leaves_nothing(tmp_path: Path) -> None:
    share_host_library(tmp_path)
    with assert_no_new_threads(), pytest.raises(ConfigError, match="this machine"):
        Daemon(tmp_path, DaemonSettings(ui_bind="0.0.0.0:80"))
    assert not (tmp_path / "daemon.lock").exists()
    assert not (tmp_path / "daemon.sock").exists()


def test_a_home_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DaemonError, match="cannot be used"):
        Daemon(tmp_path / "file" / "home", SETTINGS)
