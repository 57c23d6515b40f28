"""Gauges that are read from the tenants that are awake, when they are asked for, and kept for some seconds."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from holdwater.errors import HoldwaterError
from holdwater.model.records import RunFilter
from holdwater.model.statuses import RunStatus
from holdwater.model.time import seconds_between
from holdwater.packages.hosts.host_budget import HostBudget
from holdwater.server.awake_tenants import AwakeTenant, AwakeTenants

logger = logging.getLogger("holdwater.server")

KEPT_SECONDS: Final = 5.0
MAX_READY: Final = 1000
"""ready tasks of a tenant that are counted"""
HOST_STATES: Final = ("idle", "busy", "waiting", "ending")
RELEASE_STATES: Final = ("registering", "active", "inactive", "broken", "draining")


class TenantGauges(Collector):
    """Gauges of a server.

    `prefix`: of their names; `budget`: of hosts; `is_ready`: the server can be used; `count_connections`: returns the
    number of connections in use to the tables of the server itself.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        prefix: str,
        tenants: AwakeTenants,
        budget: HostBudget,
        is_ready: Callable[[], bool],
        count_connections: Callable[[], int],
    ) -> None:
        self._count_connections = count_connections
        self._prefix, self._tenants, self._budget, self._is_ready = prefix, tenants, budget, is_ready
        self._values: dict[str, float] = {}
        self._labelled: dict[str, dict[str, float]] = {}
        self._read_at = -KEPT_SECONDS
        self._reading = threading.Lock()
        registry.register(self)

    def refresh(self) -> None:
        """Read the gauges, unless they were read a moment ago or are being read.  May block."""
        if not self._reading.acquire(blocking=False):
            return
        try:
            if time.monotonic() - self._read_at >= KEPT_SECONDS:
                self._read()
                self._read_at = time.monotonic()
        finally:
            self._reading.release()

    def _read(self) -> None:
        total: Counter[str] = Counter()
        longest = dict.fromkeys(_LONGEST, 0.0)
        hosts = Counter(dict.fromkeys(HOST_STATES, 0))
        releases = Counter(dict.fromkeys(RELEASE_STATES, 0))
        awake = self._tenants.list()
        # before they are read, which takes connections, too
        total["db_pool_in_use"] = self._count_connections() + sum(
            [one.engine.store.connections_in_use for one in awake]
        )
        for one in awake:
            try:
                running, ready, oldest = _read_store(one)
                longest["schedule_lag_seconds"] = max(longest["schedule_lag_seconds"], one.schedule_lag_seconds())
                releases.update(one.release_states())
            except HoldwaterError as error:
                logger.warning("metrics: tenant %s cannot be read: %s", one.name, error.message)
                continue
            total["active_workflows"] += running
            total["work_ready"] += ready
            longest["work_oldest_ready_seconds"] = max(longest["work_oldest_ready_seconds"], oldest)
        ages = self._tenants.turn_ages()
        longest["driver_turn_age_seconds"] = max(ages.values(), default=0.0)
        for one in awake:
            total["active_tasks"] += len(one.engine.driver.dispatcher.unfinished)
            total["stream_clients"] += one.streams.stream_count
            hosts.update(one.host_states())
            longest["reconcile_seconds"] = max(longest["reconcile_seconds"], one.executed.reconcile_seconds())
        self._values = {
            "up": float(self._is_ready()),
            "engines_awake": len(awake),
            **{name: total[name] for name in _TOTALS},
            **longest,
        }
        self._labelled = {"hosts": dict(hosts), "releases": dict(releases)}

    def collect(self) -> Iterator[Metric]:
        """Give the gauges as they were read last."""
        for name, text in _TEXTS.items():
            if name in self._values:
                yield GaugeMetricFamily(f"{self._prefix}_{name}", text, value=self._values[name])
        for name, values in self._labelled.items():
            family = GaugeMetricFamily(f"{self._prefix}_{name}", _LABELLED_TEXTS[name], labels=["state"])
            for state, value in values.items():
                family.add_metric([state], value)
            yield family
        starts = CounterMetricFamily(
            f"{self._prefix}_host_starts", "Starts of processes of packages.", labels=["outcome"]
        )
        starts.add_metric(["ok"], self._budget.start_count)
        starts.add_metric(["failed"], self._budget.failed_start_count)
        yield starts
        crashes = self._budget.crash_count
        yield CounterMetricFamily(f"{self._prefix}_host_crashes", "Processes that ended in a call.", value=crashes)


_TOTALS: Final = ("active_workflows", "active_tasks", "work_ready", "stream_clients", "db_pool_in_use")
_LONGEST: Final = ("work_oldest_ready_seconds", "driver_turn_age_seconds", "schedule_lag_seconds", "reconcile_seconds")
_TEXTS: Final = {
    "up": "1 while the server is ready.",
    "active_workflows": "Runs that are executed, of tenants that are awake.",
    "active_tasks": "Tasks that run here or wait for a slot.",
    "work_ready": "Tasks that no runner has, up to 1,000 of each tenant that is awake.",
    "work_oldest_ready_seconds": "Longest wait of one of these.",
    "driver_turn_age_seconds": "Longest time since the loop of an engine has answered.",
    "stream_clients": "Open streams of events.",
    "db_pool_in_use": "Connections to the database that calls have, without those that listen.",
    "engines_awake": "Tenants that are awake here.",
    "schedule_lag_seconds": "Longest delay of a schedule that is due.",
    "reconcile_seconds": "Longest of the latest looks at the packages of a tenant.",
}
_LABELLED_TEXTS: Final = {
    "hosts": "Processes of packages.",
    "releases": "Versions of packages, of tenants that are awake.",
}


def _read_store(one: AwakeTenant) -> tuple[int, int, float]:
    """Read the number of running runs, of ready tasks, and the wait of the oldest in seconds.  Raises StoreError."""
    store = one.engine.store
    counts = store.count_runs(RunFilter(statuses=(RunStatus.RUNNING,)))
    ready = store.list_ready_work(MAX_READY)
    running = counts[RunStatus.RUNNING].count if RunStatus.RUNNING in counts else 0
    oldest = max(0.0, seconds_between(ready[0].due_at, one.engine.clock.now())) if ready else 0.0
    return running, len(ready), oldest
