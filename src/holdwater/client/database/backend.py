"""Backends on a database."""

from __future__ import annotations

from functools import partial
from typing import Any

from holdwater.client.backend import Backend, ReadableBackend
from holdwater.client.database.administration import DatabaseLimits, DatabaseSecrets
from holdwater.client.database.maintenance import DatabaseBulkJobs, DatabaseRetentionSettings
from holdwater.client.database.observation import DatabaseCatalog, DatabaseDoctor, DatabaseQuestions
from holdwater.client.database.packages import DatabasePackages, DatabaseTrustedKeys
from holdwater.client.database.runs import DatabaseRuns, ReadableDatabaseRuns
from holdwater.client.database.schedules import DatabaseSchedules
from holdwater.client.database.server_only import DatabaseAudit, DatabaseKeys, DatabaseTenants
from holdwater.engine import Engine
from holdwater.operations import Database
from holdwater.operations.databases import open_control_engine


def readable_backend(database: Database, author: str = "") -> ReadableBackend:
    """Make a backend on an open database, which its caller closes.  `author`: recorded with what changes it."""
    return ReadableBackend(
        runs=ReadableDatabaseRuns(database),
        schedules=DatabaseSchedules(database),
        bulk_jobs=DatabaseBulkJobs(database, author=author),
        close=database.store.close,
        **_parts(database, author),
    )


def engine_backend(engine: Engine, author: str = "") -> Backend:
    """Make a backend on an engine.  `author`: recorded with what is asked for."""
    database = Database.of(engine)
    return Backend(
        runs=DatabaseRuns(engine, author),
        schedules=DatabaseSchedules(database, engine),
        tenants=DatabaseTenants(),
        keys=DatabaseKeys(),
        audit=DatabaseAudit(),
        bulk_jobs=DatabaseBulkJobs(database, engine, author),
        close=partial(engine.close, 0.0),
        close_soon=partial(engine.close, 0.0, wait=False),
        **_parts(database, author),
    )


def open_database(url: str, schema: str | None = None, author: str = "") -> Backend:
    """Open an existing database; nothing of it is executed.

    Raises DatabaseNotFound, DatabaseURLError, StoreUnavailable, SchemaTooNew.
    """
    return engine_backend(open_control_engine(url, schema), author)


def _parts(database: Database, author: str) -> dict[str, Any]:
    return {
        "catalog": DatabaseCatalog(database, author),
        "questions": DatabaseQuestions(database),
        "doctor": DatabaseDoctor(database),
        "retention": DatabaseRetentionSettings(database, author),
        "limits": DatabaseLimits(database, author),
        "packages": DatabasePackages(database, author),
        "trusted_keys": DatabaseTrustedKeys(database),
        "secrets": DatabaseSecrets(database, author),
    }
