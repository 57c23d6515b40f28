"""Settings of the daemon: `config.toml` of its home, variables of the environment, and flags, which come first."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from holdwater.errors import ConfigError
from holdwater.model.retention import MAX_DAYS, RetentionRule
from holdwater.packages.settings import ArchiveLimits, PackageSettings
from holdwater.service.option_table import (
    DeclaredOption,
    a_boolean,
    a_choice,
    a_number,
    a_text,
    an_integer,
    read_options,
    texts,
    texts_by_name,
)

CONFIG_NAME: Final = "config.toml"
DEFAULT_HOME: Final = "~/.holdwater"
HOME_VARIABLE: Final = "HOLDWATER_HOME"
DATABASE_NAME: Final = "holdwater.db"
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
MAX_CONFIG_BYTES: Final = 1024 * 1024
NO_RETENTION: Final = RetentionRule()
_DAY_MS: Final = 86_400_000
_DAY_SECONDS: Final = 86_400


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


_OWN_OPTIONS: Final = {
    "database_url": DeclaredOption("", "database_url", a_text(), True, ("HOLDWATER_DATABASE",)),
    "poll_interval_ms": DeclaredOption("daemon", "poll_interval_ms", an_integer(10, _DAY_MS)),
    "log_level": DeclaredOption("daemon", "log_level", a_choice(*LOG_LEVELS)),
    "shutdown_timeout_seconds": DeclaredOption("daemon", "shutdown_timeout_s", a_number(0, _DAY_SECONDS)),
    "watcher_debounce_ms": DeclaredOption("daemon", "watcher_debounce_ms", an_integer(0, _DAY_MS)),
    "reconcile_interval_seconds": DeclaredOption("daemon", "reconcile_interval_s", a_number(0.1, _DAY_SECONDS)),
    "trigger_poll_interval_ms": DeclaredOption("daemon", "trigger_poll_interval_ms", an_integer(10, _DAY_MS)),
    "cron_max_catchup": DeclaredOption("daemon", "cron_max_catchup", an_integer(1, 100_000)),
    "cron_recovery_interval_seconds": DeclaredOption("daemon", "cron_recovery_interval_s", an_integer(1, _DAY_SECONDS)),
    "cron_lost_threshold_min": DeclaredOption("daemon", "cron_lost_threshold_min", an_integer(1, 10_000)),
    "max_concurrent_tasks": DeclaredOption("daemon", "max_concurrent_tasks", an_integer(1, 100_000), True),
    "directories": DeclaredOption("watch", "directories", texts(1000)),
    "ui_bind": DeclaredOption("ui", "bind", a_text(), True),
}
_RETENTION_OPTIONS: Final = {
    "days": DeclaredOption("retention", "days", a_number(0, MAX_DAYS)),
    "days_failed": DeclaredOption("retention", "days_failed", a_number(0, MAX_DAYS)),
    "keep_labels": DeclaredOption("retention", "keep_labels", texts()),
    "logs_days": DeclaredOption("retention", "logs_days", a_number(0, MAX_DAYS)),
}
_PACKAGE_OPTIONS: Final = {
    name: DeclaredOption("packages", name, read, True)
    for name, read in {
        "isolation": a_choice("process", "user", "namespace"),
        "user": a_text(),
        "max_hosts": an_integer(1, 10_000),
        "idle_seconds": a_number(0.1, _DAY_SECONDS),
        "max_calls_per_host": an_integer(1, 1_000_000),
        "default_memory_mb": an_integer(16, 1_000_000),
        "default_timeout_seconds": a_number(0.1, 365 * _DAY_SECONDS),
        "max_open_files": an_integer(16, 1_000_000),
        "max_processes": an_integer(1, 1_000_000),
        "max_file_write_mb": an_integer(1, 10_000_000),
        "start_timeout_seconds": a_number(0.1, _DAY_SECONDS),
        "allow_index": a_boolean(),
        "pythons": texts_by_name(),
        "require_signatures": a_boolean(),
    }.items()
}
_LIMIT_OPTIONS: Final = {
    one.name: DeclaredOption("packages.limits", one.name, an_integer(1, 1 << 40)) for one in fields(ArchiveLimits)
}
OPTIONS: Final = (
    *_OWN_OPTIONS.values(),
    *_RETENTION_OPTIONS.values(),
    *_PACKAGE_OPTIONS.values(),
    *_LIMIT_OPTIONS.values(),
)


def resolve_home(flag: str | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the home: that of the flag, else of HOLDWATER_HOME, else `~/.holdwater`."""
    return Path(flag or environment.get(HOME_VARIABLE) or DEFAULT_HOME).expanduser().absolute()


def read_settings(
    home: Path, environment: Mapping[str, str] = os.environ, flags: Mapping[str, Any] | None = None
) -> DaemonSettings:
    """Read the settings of a home; a file that is not there is an empty one.

    `flags`: fields of `DaemonSettings` that the command line gives; `directories` are added to those of the file.
    Raises ConfigError with line and key.
    """
    path = home / CONFIG_NAME
    found = read_options(OPTIONS, _read_file(path), str(path), environment)

    def given(options: Mapping[str, DeclaredOption]) -> dict[str, Any]:
        return {name: found[option.path] for name, option in options.items() if option.path in found}

    limits = ArchiveLimits(**given(_LIMIT_OPTIONS))
    retention = RetentionRule(**given(_RETENTION_OPTIONS))
    try:
        retention.check()
    except ValueError as error:
        raise ConfigError(f"{path}: [retention]: {error}") from error
    settings = DaemonSettings(
        **given(_OWN_OPTIONS), retention=retention, packages=PackageSettings(**given(_PACKAGE_OPTIONS), limits=limits)
    )
    chosen = {name: value for name, value in (flags or {}).items() if value is not None}
    more = tuple(chosen.pop("directories", ()))
    return replace(settings, **chosen, directories=(*settings.directories, *more))


def settings_that_need_restart(old: DaemonSettings, new: DaemonSettings) -> list[str]:
    """List the keys that differ and that a process takes in when it starts only."""
    changed = [
        option.path
        for name, option in _OWN_OPTIONS.items()
        if option.needs_restart and getattr(old, name) != getattr(new, name)
    ]
    changed += [
        option.path
        for name, option in _PACKAGE_OPTIONS.items()
        if getattr(old.packages, name) != getattr(new.packages, name)
    ]
    return changed


def _read_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_CONFIG_BYTES:
        raise ConfigError(f"{path} has more than {MAX_CONFIG_BYTES:,} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: it is not UTF-8") from error
