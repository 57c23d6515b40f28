"""Limits of the engines of tenants in one process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantEngineOptions:
    """Limits.

    `max_engines`: tenants that are awake at once.  `idle_seconds`: time after which one without work is not any more,
    unless something is due within so long.  `pool_size`: connections of each.  `max_concurrent_tasks`: functions that
    run at once, `tenant_max_concurrent` of one tenant.
    """

    max_engines: int = 64
    idle_seconds: float = 60.0
    pool_size: int = 2
    max_concurrent_tasks: int = 16
    tenant_max_concurrent: int = 4
