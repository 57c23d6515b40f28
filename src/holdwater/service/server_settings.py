"""Settings of the server: `config.toml` of its home, variables of the environment, and flags, which come first."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from holdwater.errors import ConfigError
from holdwater.model.retention import RetentionRule
from holdwater.packages.settings import PackageSettings
from holdwater.service.config_file import CONFIG_NAME, read_config_file
from holdwater.service.declared_options import (
    ALL_OPTIONS,
    SERVER_OPTIONS,
    given_values,
    package_settings,
    retention_rule,
)
from holdwater.service.option_table import read_options
from holdwater.service.settings import NO_RETENTION

BOOTSTRAP_KEY_VARIABLE: Final = "HOLDWATER_BOOTSTRAP_KEY"
SLOTS_PER_PROCESSOR: Final = 4
MIN_TENANT_SLOTS: Final = 1
_PREFIX: Final = re.compile("[a-z][a-z0-9_]{0,62}")


def _default_slots() -> int:
    return SLOTS_PER_PROCESSOR * (os.cpu_count() or 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Settings of a server.

    `bind`: HOST:PORT to listen at.  `database_url`: of PostgreSQL.  `public_url`: as clients see it, behind a proxy;
    `allowed_hosts`: further names in `Host` headers.  `trusted_proxies`: addresses or networks whose `X-Forwarded-For`
    is believed.  `cors_origins`: of pages elsewhere that may call the API.  `legacy_lists`: lists have the names of the
    original server, too.  `tenant_engines`: tenants that are awake at once; `tenant_idle_seconds`: time after which one
    without work is not; `tenant_pool`: connections of each.  `lease_seconds`: silence of a process after which others
    take over its work.  `max_concurrent_tasks`: functions at once, of all tenants together; `tenant_max_concurrent`: of
    one, 0: a quarter of them.
    `metrics_prefix`: of the names of metrics.  `shutdown_timeout_seconds`: time that running functions have to end.
    `requests_per_second`, `request_burst`, `max_streams_per_key`: of a key; `uploads_per_minute`: of a tenant;
    `failed_logins_per_minute`: of an address; `max_streams`: of the process.  `bootstrap_key`: the first key, "": one
    is generated.
    """

    bind: str = "127.0.0.1:8080"
    database_url: str = field(default="", repr=False)
    public_url: str = ""
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    has_ui: bool = True
    log_level: str = "info"
    legacy_lists: bool = True
    require_signatures: bool = False
    tenant_engines: int = 64
    tenant_pool: int = 2
    tenant_idle_seconds: float = 60.0
    lease_seconds: float = 30.0
    max_concurrent_tasks: int = field(default_factory=_default_slots)
    tenant_max_concurrent: int = 0
    metrics_prefix: str = "holdwater"
    shutdown_timeout_seconds: float = 30.0
    requests_per_second: float = 50.0
    request_burst: int = 200
    uploads_per_minute: float = 10.0
    failed_logins_per_minute: float = 10.0
    max_streams: int = 500
    max_streams_per_key: int = 20
    bootstrap_key: str = field(default="", repr=False)
    retention: RetentionRule = NO_RETENTION
    packages: PackageSettings = field(default_factory=PackageSettings)

    @property
    def tenant_slots(self) -> int:
        """Functions at once of one tenant."""
        return self.tenant_max_concurrent or max(MIN_TENANT_SLOTS, self.max_concurrent_tasks // 4)


def read_server_settings(
    home: Path, environment: Mapping[str, str] = os.environ, flags: Mapping[str, Any] | None = None
) -> ServerSettings:
    """Read the settings of a home; a file that is not there is an empty one.

    `flags`: fields of `ServerSettings` that the command line gives, None for those it does not.
    Raises ConfigError with line and key.
    """
    path = home / CONFIG_NAME
    found = read_options(ALL_OPTIONS, read_config_file(path), str(path), environment)
    settings = ServerSettings(
        **{"database_url": found.get("database_url", ""), **given_values(SERVER_OPTIONS, found)},
        bootstrap_key=environment.get(BOOTSTRAP_KEY_VARIABLE, ""),
        retention=retention_rule(found, str(path)),
        packages=package_settings(found),
    )
    settings = replace(settings, **{name: value for name, value in (flags or {}).items() if value is not None})
    if not settings.database_url:
        raise ConfigError(
            "the server needs a database: none is named",
            hint="--database-url postgresql://user:password@host/database, DATABASE_URL, or database_url in the table "
            f"[server] of {path}",
        )
    parse_bind(settings.bind)
    if not _PREFIX.fullmatch(settings.metrics_prefix):
        raise ConfigError(
            f"metrics_prefix cannot be {settings.metrics_prefix!r}", hint="small letters, digits and _: holdwater"
        )
    must_sign = settings.require_signatures or settings.packages.require_signatures
    return replace(
        settings, require_signatures=must_sign, packages=replace(settings.packages, require_signatures=must_sign)
    )


def parse_bind(text: str) -> tuple[str, int]:
    """Parse `HOST:PORT`; `[::1]:PORT` for IPv6, `:PORT` for every address.  Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not port.isdecimal() or int(port) > 65_535 or (":" in host and not is_bracketed):
        raise ConfigError(f"the address of the server is HOST:PORT, not {text!r}", hint="127.0.0.1:8080")
    return host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port)
