"""Taking in a configuration that was changed, without a restart."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from holdwater.daemon.main import Daemon, schedule_config, watched_folders
from holdwater.errors import ConfigError
from holdwater.service.logs import ServiceLogs
from holdwater.service.settings import DaemonSettings, read_settings, settings_that_need_restart

logger = logging.getLogger("holdwater.daemon")


def reload(daemon: Daemon, logs: ServiceLogs, environment: Mapping[str, str], flags: Mapping[str, Any]) -> bool:
    """Read the configuration again, and look at all packages; returns False if it is wrong and nothing has changed.

    Watched folders, log level, intervals, limits of archives and retention are in force at once; the log and the health
    say which settings need a restart.
    """
    health = daemon.health
    count = health.reload["count"] + 1
    try:
        settings = read_settings(daemon.home.folder, environment, flags)
    except ConfigError as error:
        logger.error("the configuration stays as it was: %s", error)
        health.reload = {"count": count, "error": str(error), "needs_restart": health.reload["needs_restart"]}
        return False
    needs_restart = settings_that_need_restart(daemon.started_with, settings)
    _apply(daemon, logs, settings)
    health.reload = {"count": count, "error": "", "needs_restart": needs_restart}
    logger.info("the configuration is read; watched: %s", ", ".join(map(str, daemon.watcher.folders)))
    if needs_restart:
        logger.warning("a restart is needed for %s", ", ".join(needs_restart))
    return True


def _apply(daemon: Daemon, logs: ServiceLogs, settings: DaemonSettings) -> None:
    daemon.settings = settings
    logs.set_level(settings.log_level)
    daemon.watcher.set_intervals(
        debounce_seconds=settings.watcher_debounce_ms / 1000, rescan_seconds=settings.poll_interval_ms / 1000
    )
    daemon.watcher.set_folders(watched_folders(daemon.home, settings.directories))
    daemon.registry.limits = settings.packages.limits
    daemon.engine.driver.use_options(schedule_config(settings), settings.retention)
    daemon.reconciler.set_interval(settings.reconcile_interval_seconds)
    daemon.reconciler.wake()
