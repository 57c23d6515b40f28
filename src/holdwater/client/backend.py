"""One place where runs are recorded, with what can be done there: a database, or a tenant of a server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from holdwater.client.interface.administration import Limits, Secrets
from holdwater.client.interface.keys import ApiKeys
from holdwater.client.interface.maintenance import BulkJobs, RetentionSettings
from holdwater.client.interface.observation import Catalog, Doctor, Questions
from holdwater.client.interface.packages import Packages, TrustedKeys
from holdwater.client.interface.runs import ReadableRuns, Runs
from holdwater.client.interface.schedules import Schedules
from holdwater.client.interface.tenants import AuditReader, TenantAdmin


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadableBackend:
    """Runs, and all that is known about them.  `close`: idempotent."""

    runs: ReadableRuns
    catalog: Catalog
    questions: Questions
    doctor: Doctor
    schedules: Schedules
    bulk_jobs: BulkJobs
    retention: RetentionSettings
    limits: Limits
    packages: Packages
    trusted_keys: TrustedKeys
    secrets: Secrets
    close: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend(ReadableBackend):
    """Runs that are started and controlled, too.  `close_soon`: closes without waiting for threads."""

    runs: Runs
    tenants: TenantAdmin
    keys: ApiKeys
    audit: AuditReader
    close_soon: Callable[[], None]
