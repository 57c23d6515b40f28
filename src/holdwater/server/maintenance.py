"""Maintenance by requests: what looks at all runs of a database is done by one request at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from holdwater.server.api_routing import CHANGE_ERRORS, error_responses
from holdwater.server.refusals import RequestError
from holdwater.server.tenant_database import TenantDatabase

MAINTENANCE_ERRORS: Final = CHANGE_ERRORS | error_responses(429)


@contextmanager
def maintaining(tenant: TenantDatabase) -> Iterator[None]:
    """Refuse what takes long while another one goes on: together they would keep other requests waiting.

    Raises RequestError.
    """
    if not tenant.maintenance.acquire(blocking=False):
        raise RequestError(
            429,
            "a check or a deletion of old runs is under way already",
            hint="it goes on even if its client is gone; try again when it has ended",
            headers={"retry-after": "5"},
        )
    try:
        yield
    finally:
        tenant.maintenance.release()
