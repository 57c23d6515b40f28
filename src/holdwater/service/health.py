"""The health of a daemon, as JSON data."""

from __future__ import annotations

import os
import time
from typing import Any, Final

from holdwater import __version__
from holdwater.engine import Engine
from holdwater.errors import HoldwaterError, RunnerClosed
from holdwater.model.records import RunFilter
from holdwater.model.statuses import ACTIVE_STATUSES, RunStatus
from holdwater.model.time import seconds_between, to_rfc3339
from holdwater.packages.hosts.host_pool import HostPool
from holdwater.packages.reconciling.reconciler import RegistryReconciler
from holdwater.storage.urls import parse_url

STUCK_AFTER_SECONDS: Final = 60.0
"""a driver that has not finished a turn for so long is not healthy"""
MAX_RELEASES: Final = 1000
"""releases and rejected files that are listed"""


class HealthReport:
    """Looks at the parts of a daemon.  Thread-safe."""

    def __init__(self, engine: Engine, reconciler: RegistryReconciler, pool: HostPool) -> None:
        self._engine, self._reconciler, self._pool = engine, reconciler, pool
        self._began = time.monotonic()
        self.is_draining = False
        self.reload: dict[str, Any] = {"count": 0, "error": "", "needs_restart": []}
        """the latest SIGHUP"""

    def read(self) -> dict[str, Any]:
        """Return the health: `status` is "healthy" or "unhealthy", `reasons` say why."""
        reasons = [reason for reason in (self._driver_trouble(),) if reason]
        runs = self._read_runs()
        if runs is None:
            reasons.append("the database cannot be used")
        status = self._reconciler.status
        return {
            "status": "unhealthy" if reasons else "healthy",
            "reasons": reasons,
            "draining": self.is_draining,
            "pid": os.getpid(),
            "version": __version__,
            "uptime_seconds": round(time.monotonic() - self._began, 3),
            "database": {"connected": runs is not None, "backend": parse_url(self._engine.store.url).dialect},
            "reconciler": {
                "packages_loaded": self._reconciler.packages_loaded,
                "last_run_at": None if status.last_run_at is None else to_rfc3339(status.last_run_at),
                "duration_seconds": round(status.result.duration_seconds, 3),
                "error": status.error,
            },
            "releases": self._releases(),
            "hosts": [
                {
                    "release": host.release, "package": host.package, "version": host.version, "pid": host.pid,
                    "state": host.state, "calls": host.calls, "running": host.running,
                    "memory_bytes": host.memory_bytes,
                }
                for host in self._pool.hosts()
            ],
            "reload": dict(self.reload),
            **(runs or {"active_workflows": None, "runs_open": None, "oldest_ready_seconds": None}),
        }  # fmt: skip

    def _driver_trouble(self) -> str:
        try:
            silent_seconds = self._engine.driver.seconds_since_answer()
        except RunnerClosed as error:
            return "" if self.is_draining else error.message
        if silent_seconds > STUCK_AFTER_SECONDS:
            return f"the driver has not finished a turn for {silent_seconds:.0f} s"
        return ""

    def _read_runs(self) -> dict[str, Any] | None:
        """Count open runs, up to 10,000 of each status; None if the database cannot be used."""
        store = self._engine.store
        try:
            counts = store.count_runs(RunFilter(statuses=ACTIVE_STATUSES))
            ready = store.list_ready_work(1)
        except HoldwaterError:
            return None
        running = counts[RunStatus.RUNNING].count if RunStatus.RUNNING in counts else 0
        paused = counts[RunStatus.PAUSED].count if RunStatus.PAUSED in counts else 0
        waited = max(0.0, seconds_between(ready[0].due_at, self._engine.clock.now())) if ready else 0.0
        return {
            "active_workflows": running,
            "runs_open": running + paused,
            "oldest_ready_seconds": round(waited, 3),
        }

    def _releases(self) -> list[dict[str, Any]]:
        status = self._reconciler.status
        found: list[dict[str, Any]] = [
            {
                "package": row.package, "version": row.version, "release": row.release, "state": row.state,
                "error": row.error, "source": row.source,
            }
            for row in status.releases
        ]  # fmt: skip
        found += [
            {
                "package": None, "version": None, "release": None, "state": "broken", "error": one.error,
                "source": one.source,
            }
            for one in status.rejected
        ]  # fmt: skip
        return found[:MAX_RELEASES]
