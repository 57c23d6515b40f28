"""Settings of the daemon: `config.toml` of its home, variables of the environment, and flags, which come first."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from holdwater.model.retention import RetentionRule
from holdwater.packages.settings import PackageSettings
from holdwater.service.config_file import CONFIG_NAME, read_config_file
from holdwater.service.declared_options import (
    ALL_OPTIONS,
    DAEMON_OPTIONS,
    PACKAGE_OPTIONS,
    given_values,
    package_settings,
    retention_rule,
)
from holdwater.service.option_table import read_options

DATABASE_NAME: Final = "holdwater.db"
NO_RETENTION: Final = RetentionRule()


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonSettings:
    """Settings of a daemon.

    `database_url`: "" for `holdwater.db` of its home.  `poll_interval_ms`: between two looks at the watched folders;
    `watcher_debounce_ms`: time for which a file must not change before it is loaded.  `reconcile_interval_seconds`:
    between two looks at all packages.  `trigger_poll_interval_ms`: interval of triggers where a database sends no
    notifications.  `shutdown_timeout_seconds`: time that running functions have to end.
    `cron_max_catchup`: fires that are made up for, None: only the latest.  `cron_recovery_interval_seconds`,
    `cron_lost_threshold_min`: of fires without a run.  `max_concurrent_tasks`: functions at once in the process itself,
    where packages have none.  `directories`: watched, beside `packages/` of the home.  `ui_bind`: HOST:PORT of the web
    UI, None: there is none.
    """

    database_url: str = ""
    poll_interval_ms: int = 500
    log_level: str = "info"
    shutdown_timeout_seconds: float = 30.0
    watcher_debounce_ms: int = 500
    reconcile_interval_seconds: float = 5.0
    trigger_poll_interval_ms: int = 1000
    cron_max_catchup: int | None = None
    cron_recovery_interval_seconds: int = 300
    cron_lost_threshold_min: int = 10
    max_concurrent_tasks: int = 4
    directories: tuple[str, ...] = ()
    ui_bind: str | None = None
    retention: RetentionRule = NO_RETENTION
    packages: PackageSettings = field(default_factory=PackageSettings)


def read_settings(
    home: Path, environment: Mapping[str, str] = os.environ, flags: Mapping[str, Any] | None = None
) -> DaemonSettings:
    """Read the settings of a home; a file that is not there is an empty one.

    `flags`: fields of `DaemonSettings` that the command line gives; `directories` are added to those of the file.
    Raises ConfigError with line and key.
    """
    path = home / CONFIG_NAME
    found = read_options(ALL_OPTIONS, read_config_file(path), str(path), environment)
    settings = DaemonSettings(
        **given_values(DAEMON_OPTIONS, found),
        retention=retention_rule(found, str(path)),
        packages=package_settings(found),
    )
    chosen = {name: value for name, value in (flags or {}).items() if value is not None}
    more = tuple(chosen.pop("directories", ()))
    return replace(settings, **chosen, directories=(*settings.directories, *more))


def settings_that_need_restart(old: DaemonSettings, new: DaemonSettings) -> list[str]:
    """List the keys that differ and that a process takes in when it starts only."""
    changed = [
        option.path
        for name, option in DAEMON_OPTIONS.items()
        if option.needs_restart and getattr(old, name) != getattr(new, name)
    ]
    changed += [
        option.path
        for name, option in PACKAGE_OPTIONS.items()
        if getattr(old.packages, name) != getattr(new.packages, name)
    ]
    return changed
