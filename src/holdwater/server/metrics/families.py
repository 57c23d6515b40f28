"""The families of metrics: their names, labels and buckets.

Labels are routes and enumerations, never a tenant, a workflow or an id: the number of series has a bound.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from holdwater.service.tenants.engines import WAKE_CAUSES

WORK_BUCKETS: Final = (0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 86_400.0)
"""seconds of tasks and workflows"""
CALL_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""seconds of requests and transactions"""


AUTH_REASONS: Final = {401: "unauthorized", 403: "forbidden"}
"""status -> reason of requests without access: none at all, or not for this"""


class Families:
    """Counters and histograms of one server, in a registry of their own.  `prefix`: of their names."""

    def __init__(self, registry: CollectorRegistry, prefix: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, of no use

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"{prefix}_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...] = CALL_BUCKETS) -> Histogram:
            return Histogram(f"{prefix}_{name}", text, labels, registry=registry, buckets=buckets)

        self.workflows = counter("workflows_total", "Runs that have ended.", "status", "reason")
        self.tasks = counter("tasks_total", "Attempts of tasks that have ended.", "status", "reason")
        self.workflow_seconds = histogram(
            "workflow_duration_seconds", "From the start of a run to its end.", buckets=WORK_BUCKETS
        )
        self.task_seconds = histogram("task_duration_seconds", "Of an attempt of a task.", buckets=WORK_BUCKETS)
        self.claims = counter("scheduler_claim_attempts_total", "Attempts to claim work.", "outcome")
        self.heartbeats = counter("scheduler_heartbeat_writes_total", "Renewals of leases.")
        self.swept = counter("scheduler_stale_claims_swept_total", "Claims that were taken from runners that are gone.")
        self.merge_failures = counter(
            "context_merge_failures_total", "Tasks whose context could not be read or merged.", "kind"
        )
        self.leases_expired = counter("leases_expired_total", "Claims whose runner lives and did not renew its lease.")
        self.runs_dead = counter("runs_dead_total", "Tasks given up after their processes died too often.")
        self.commit_seconds = histogram("driver_commit_seconds", "Of a transaction of runs.")
        self.api_requests = counter("api_requests_total", "Requests that were answered.", "method", "status")
        self.api_seconds = histogram("api_request_duration_seconds", "Of a request.", "method", "status")
        self.http_seconds = histogram(
            "http_request_duration_seconds", "Of a request, but for streams.", "route", "method", "status"
        )
        self.auth_failures = counter("auth_failures_total", "Requests without access.", "reason")
        self.rate_limited = counter("rate_limited_total", "Requests refused because there were too many.")
        self.wakes = counter("engine_wakes_total", "Engines of tenants that were made.", "cause")
        self.notifications = counter("notifications_total", "Notifications that were sent.", "outcome")
        for family, words in (
            (self.wakes, WAKE_CAUSES),
            (self.notifications, ("delivered", "failed")),
            (self.auth_failures, AUTH_REASONS.values()),
        ):
            for word in words:  # 0 is a value, too: a rate begins with the first one
                family.labels(word)
