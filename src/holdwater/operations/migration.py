"""Upgrading the tables of a database to those of this version."""

from __future__ import annotations

from holdwater.operations.databases import open_for_writing


def migrate_database(url: str, *, create: bool = False) -> tuple[str, ...]:
    """Apply pending migrations, all of them or none; returns the names of all that are applied now, in order.

    `create`: make the tables if there are none.  Any runner of this version does the same when it opens a database.
    Raises DatabaseNotFound, DatabaseURLError, StoreUnavailable, SchemaTooNew.
    """
    with open_for_writing(url, create=create) as database:
        return tuple([f"{number:04d}_{phase}_{name}" for number, phase, name in database.store.inspect().migrations])
