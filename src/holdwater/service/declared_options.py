"""Every option of `config.toml`: those of the daemon, those of the server, and those that both have.

A file may have the tables of both: each reads its own, and neither takes a key that no one knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
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
    texts,
    texts_by_name,
)

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
_DAY_MS: Final = 86_400_000
_DAY_SECONDS: Final = 86_400

DAEMON_OPTIONS: Final = {
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
RETENTION_OPTIONS: Final = {
    "days": DeclaredOption("retention", "days", a_number(0, MAX_DAYS)),
    "days_failed": DeclaredOption("retention", "days_failed", a_number(0, MAX_DAYS)),
    "keep_labels": DeclaredOption("retention", "keep_labels", texts()),
    "logs_days": DeclaredOption("retention", "logs_days", a_number(0, MAX_DAYS)),
}
PACKAGE_OPTIONS: Final = {
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
        "env_allow": texts(1000),
        "require_signatures": a_boolean(),
    }.items()
}
LIMIT_OPTIONS: Final = {
    one.name: DeclaredOption("packages.limits", one.name, an_integer(1, 1 << 40)) for one in fields(ArchiveLimits)
}
DATABASE_VARIABLES: Final = ("DATABASE_URL", "HOLDWATER_DATABASE_URL", "HOLDWATER_DATABASE")
"""further variables of the database of a server"""
SERVER_OPTIONS: Final = {
    name: DeclaredOption("server", key, read, True, aliases)
    for name, key, read, aliases in (
        ("bind", "bind", a_text(), ()),
        ("database_url", "database_url", a_text(), DATABASE_VARIABLES),
        ("public_url", "public_url", a_text(), ()),
        ("allowed_hosts", "allowed_hosts", texts(1000), ()),
        ("trusted_proxies", "trusted_proxies", texts(1000), ()),
        ("cors_origins", "cors_origins", texts(), ()),
        ("has_ui", "ui", a_boolean(), ()),
        ("log_level", "log_level", a_choice(*LOG_LEVELS), ()),
        ("legacy_lists", "legacy_lists", a_boolean(), ()),
        ("require_signatures", "require_signatures", a_boolean(), ("HOLDWATER_REQUIRE_SIGNATURES",)),
        ("tenant_engines", "tenant_engines", an_integer(1, 10_000), ()),
        ("tenant_pool", "tenant_pool", an_integer(1, 100), ()),
        ("lease_seconds", "lease_s", a_number(1, _DAY_SECONDS), ()),
        ("tenant_idle_seconds", "tenant_idle_s", a_number(1, _DAY_SECONDS), ()),
        ("max_concurrent_tasks", "max_concurrent_tasks", an_integer(1, 100_000), ()),
        ("tenant_max_concurrent", "tenant_max_concurrent", an_integer(1, 100_000), ()),
        ("metrics_prefix", "metrics_prefix", a_text(), ()),
        ("shutdown_timeout_seconds", "shutdown_timeout_s", a_number(0, _DAY_SECONDS), ()),
        ("requests_per_second", "requests_per_second", a_number(0.1, 1_000_000), ()),
        ("request_burst", "request_burst", an_integer(1, 1_000_000), ()),
        ("uploads_per_minute", "uploads_per_minute", a_number(0.1, 100_000), ()),
        ("failed_logins_per_minute", "failed_logins_per_minute", a_number(0.1, 100_000), ()),
        ("max_streams", "max_streams", an_integer(1, 100_000), ()),
        ("max_streams_per_key", "max_streams_per_key", an_integer(1, 100_000), ()),
    )
}
CLIENT_OPTIONS: Final = (
    DeclaredOption("client", "profile", a_text()),
    DeclaredOption("client", "profiles", lambda table, key: table.json_object(key)),
)
"""of the command line, which reads them by itself"""
ALL_OPTIONS: Final = (
    *CLIENT_OPTIONS,
    *DAEMON_OPTIONS.values(),
    *SERVER_OPTIONS.values(),
    *RETENTION_OPTIONS.values(),
    *PACKAGE_OPTIONS.values(),
    *LIMIT_OPTIONS.values(),
)


def given_values(options: Mapping[str, DeclaredOption], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that were read, by the names of their fields."""
    return {name: found[option.path] for name, option in options.items() if option.path in found}


def package_settings(found: Mapping[str, Any]) -> PackageSettings:
    """Return the settings of packages."""
    limits = ArchiveLimits(**given_values(LIMIT_OPTIONS, found))
    return PackageSettings(**given_values(PACKAGE_OPTIONS, found), limits=limits)


def retention_rule(found: Mapping[str, Any], file_name: str) -> RetentionRule:
    """Return the rule of retention.  Raises ConfigError."""
    rule = RetentionRule(**given_values(RETENTION_OPTIONS, found))
    try:
        rule.check()
    except ValueError as error:
        raise ConfigError(f"{file_name}: [retention]: {error}") from error
    return rule
