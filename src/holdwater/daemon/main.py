"""The daemon: a runner on a database, the packages of watched folders, and the doors to look at them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from holdwater.daemon.home import Home
from holdwater.daemon.socket import HealthSocket
from holdwater.daemon.web_ui import WebUI
from holdwater.errors import RunnerClosed
from holdwater.model.registry import Registry
from holdwater.packages.reconciling.engine_packages import EnginePackages
from holdwater.packages.registries.filesystem import FilesystemWorkflowRegistry
from holdwater.packages.registries.watching import PackageWatcher
from holdwater.runners.tasks.components import ComponentInfo, PackageParts, inspect_components
from holdwater.runners.tasks.config import DefaultRunnerConfig
from holdwater.runners.tasks.default_runner import DefaultRunner
from holdwater.runtime.config import ScheduleConfig
from holdwater.runtime.executors.base import ExecutorConfig
from holdwater.server.executed_packages import ExecutedPackages
from holdwater.service.health import HealthReport
from holdwater.service.home_lock import HomeLock, usable_home
from holdwater.service.settings import DaemonSettings

logger = logging.getLogger("holdwater.daemon")

RUNNER_NAME: Final = "daemon"


class Daemon:
    """A daemon on a home.  `start` begins its work, `stop` ends it; both are for one thread.

    Raises DaemonError if another one works on the home, or it cannot be written, ConfigError, StoreUnavailable,
    DatabaseURLError, and IsolationUnavailable for an isolation that this machine does not have.
    """

    def __init__(self, home: Path, settings: DaemonSettings) -> None:
        """Take the home and open the database; nothing is executed before `start`."""
        self.home = Home(home)
        self.settings = self.started_with = settings
        self.home.create()
        self._resources = ExitStack()
        self._is_started = self._is_stopped = False
        try:
            with usable_home(home):
                self._open(settings)
        except BaseException:
            self._resources.close()
            raise

    def _open(self, settings: DaemonSettings) -> None:
        closing = self._resources.callback
        self._lock = HomeLock(self.home.lock)
        closing(self._lock.release)
        if not settings.database_url:
            self.home.create_database()
        if settings.packages.isolation == "user":
            self.home.open_to_hosts()
        packages = EnginePackages(settings.packages, self.home.folder)
        closing(packages.close)
        self.pool = packages.pool
        self.runner = DefaultRunner(
            settings.database_url or self.home.database_url,
            config=_runner_config(settings, packages.executors),
            registry=Registry(),
        )
        closing(self.runner.shutdown)
        self.engine = self.runner._engine
        self.watcher = PackageWatcher(
            watched_folders(self.home, settings.directories),
            debounce_seconds=settings.watcher_debounce_ms / 1000,
            rescan_seconds=settings.poll_interval_ms / 1000,
            on_change=self._on_files_changed,
        )
        closing(self.watcher.close)
        self.registry = FilesystemWorkflowRegistry(self.home.packages, self.watcher, settings.packages.limits)
        packages.attach(
            self.engine, self.registry, interval_seconds=settings.reconcile_interval_seconds, author="daemon"
        )
        self.reconciler = packages.reconciler
        self.health = HealthReport(self.engine, self.reconciler, self.pool)
        self._socket = HealthSocket(self.home.socket, self.health.read)
        closing(self._socket.close)
        executed = ExecutedPackages(self.pool.hosts, lambda: self.reconciler.status.rejected)
        self.ui = None if settings.ui_bind is None else WebUI(self.engine, settings.ui_bind, executed)
        if self.ui is not None:
            closing(self.ui.close)

    def start(self) -> None:
        """Watch, reconcile, execute, answer."""
        self._is_started = True
        self.engine.driver.use_options(schedule_config(self.settings), self.settings.retention)
        self.watcher.start()
        self.reconciler.start()
        self._socket.start()
        if self.ui is not None:
            self.ui.start()
            logger.info("the web UI is at %s", self.ui.link.partition("?")[0])  # what signs in is in no log

    def _on_files_changed(self) -> None:
        self.reconciler.wake()

    def stop(self, drain_seconds: float | None = None) -> None:
        """Start nothing more, let running functions end for so long (`shutdown_timeout_s`), and close all.  Idempotent.

        What has not ended then is killed with its host; its runs go on with the next daemon.
        """
        if self._is_stopped:
            return
        self._is_stopped = True
        self.health.is_draining = True
        self.watcher.close()
        self.reconciler.close()
        self.engine.close(self.settings.shutdown_timeout_seconds if drain_seconds is None else drain_seconds)
        self._resources.close()

    def end_now(self) -> None:
        """Kill the hosts, and remove socket and lock, whatever the other threads do.  The process is to end then."""
        self.pool.close()
        self.home.socket.unlink(missing_ok=True)
        self.home.lock.unlink(missing_ok=True)

    def components(self) -> tuple[ComponentInfo, ...]:
        """Look at its components: which class each is, whether it is at work, and why."""
        reason = f"watched: {', '.join(map(str, self.watcher.folders))}"
        parts = PackageParts(reason, reason, self.registry, self.reconciler, self.watcher)
        return inspect_components(self.engine, self.runner, parts)

    def health_data(self) -> dict[str, Any]:
        """Return the health as JSON data."""
        return self.health.read()

    def log_pulse(self) -> None:
        """Log a line that says how it is."""
        found = self.health.read()
        logger.log(
            logging.INFO if found["status"] == "healthy" else logging.WARNING,
            "%s: releases loaded %s, hosts %s, runs open %s, oldest ready task %s s%s",
            found["status"], found["reconciler"]["packages_loaded"], len(found["hosts"]), found["runs_open"],
            found["oldest_ready_seconds"], "".join([f"; {reason}" for reason in found["reasons"]]),
        )  # fmt: skip

    @property
    def has_failed(self) -> bool:
        """An error inside Holdwater has ended the driver: nothing is executed any more."""
        try:
            self.engine.driver.raise_if_closed()
        except RunnerClosed:
            return not self._is_stopped
        return False


def watched_folders(home: Home, directories: Iterable[str]) -> list[Path]:
    """Return the folders to watch: that of the home, and these, `~` expanded."""
    return [home.packages, *[Path(one).expanduser() for one in directories]]


def schedule_config(settings: DaemonSettings) -> ScheduleConfig:
    """Return the options of schedules and triggers."""
    return _schedule_options(settings).schedule_config()


def _schedule_options(settings: DaemonSettings) -> DefaultRunnerConfig:
    config = DefaultRunnerConfig(
        trigger_base_poll_interval=settings.trigger_poll_interval_ms / 1000,
        cron_recovery_interval_seconds=settings.cron_recovery_interval_seconds,
        cron_lost_threshold_minutes=settings.cron_lost_threshold_min,
    )
    if settings.cron_max_catchup is not None:
        config.cron_max_catchup_executions = settings.cron_max_catchup
    return config


def _runner_config(settings: DaemonSettings, executors: Mapping[str, ExecutorConfig]) -> DefaultRunnerConfig:
    config = _schedule_options(settings)
    config.max_concurrent_tasks = settings.max_concurrent_tasks
    config.executors = dict(executors)
    config.runner_name = RUNNER_NAME
    config.shutdown_timeout_seconds = settings.shutdown_timeout_seconds
    return config
