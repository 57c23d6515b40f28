"""The tenant of a run, for a caller that has a role in all of them and does not name it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdwater.errors import RunNotFound
from holdwater.server.control import statements as sql

if TYPE_CHECKING:  # the driver of PostgreSQL: applications of one database work without it
    from holdwater.server.control.database import ControlDatabase


def find_tenant_of_run(control: ControlDatabase, run_id: str) -> str:
    """Return the tenant that has a run; looks into one schema after the other.

    Raises RunNotFound, StoreUnavailable.
    """
    from holdwater.server.control.tenant_directory import TenantDirectory

    for place in TenantDirectory(control).list():
        with control.transaction() as connection:
            if place.schema is not None:
                connection.execute(sql.USE_SCHEMA, (place.schema,))
            if connection.execute(sql.HAS_RUNS_TABLE).fetchone() is None:
                continue  # nothing of this tenant was used yet
            if connection.execute(sql.HAS_RUN, (run_id,)).fetchone() is not None:
                return place.name
    raise RunNotFound(f"no tenant has a run {run_id!r:.100}")
