"""All metrics of one server, and their text."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest

from holdwater.packages.hosts.host_budget import HostBudget
from holdwater.server.awake_tenants import AwakeTenants
from holdwater.server.metrics.engine_counts import EngineCounts
from holdwater.server.metrics.families import AUTH_REASONS, Families
from holdwater.server.metrics.tenant_gauges import TenantGauges
from holdwater.server.request_observer import ObservedRequest
from holdwater.service.tenants.engines import WakeCause

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
GAUGE_SECONDS: Final = 5.0
"""longest wait for gauges; then the text has those of before"""
STREAM_TYPE: Final = b"text/event-stream"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class ServerMetrics:
    """Metrics of a server.

    `prefix`: of their names; `budget`: of hosts; `is_ready`: the server can be used; `count_connections`: returns the
    number of connections in use to the tables of the server itself.
    """

    def __init__(
        self,
        prefix: str,
        tenants: AwakeTenants,
        budget: HostBudget,
        is_ready: Callable[[], bool],
        count_connections: Callable[[], int] = int,
    ) -> None:
        self._registry = CollectorRegistry()
        self.families: Final = Families(self._registry, prefix)
        self.engine_counts: Final = EngineCounts(self.families)
        self._gauges = TenantGauges(self._registry, prefix, tenants, budget, is_ready, count_connections)
        self._refresh: asyncio.Future[None] | None = None

    def on_request(self, request: ObservedRequest) -> None:
        """Count a request that was answered."""
        families, status = self.families, str(request.status)
        method = request.method if request.method in METHODS else "OTHER"
        families.api_requests.labels(method, status).inc()
        if request.status in AUTH_REASONS:
            families.auth_failures.labels(AUTH_REASONS[request.status]).inc()
        elif request.status == 429:
            families.rate_limited.inc()
        if not request.is_stream:
            families.api_seconds.labels(method, status).observe(request.seconds)
            families.http_seconds.labels(request.route, method, status).observe(request.seconds)

    def on_awake(self, cause: WakeCause) -> None:
        """Count an engine that was made."""
        self.families.wakes.labels(cause).inc()

    async def text(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        if self._refresh is None or self._refresh.done():
            self._refresh = asyncio.ensure_future(asyncio.to_thread(self._gauges.refresh))
        await asyncio.wait([self._refresh], timeout=GAUGE_SECONDS)
        if self._refresh.done():
            self._refresh.result()
        return generate_latest(self._registry)
