"""Looking at a database without changing it: no runner, no file that was not there, no new schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from penstock.cli import exits
from penstock.cli.exits import CommandError

if TYPE_CHECKING:
    from penstock.model.ports import Store
    from penstock.model.records import RunRow


@contextmanager
def existing(url: str) -> Iterator[Store]:
    """The store of a database that is there, to read from.

    Raises CommandError if it is not there, DatabaseURLError, StoreUnavailable.
    """
    from penstock.storage import StoreOptions, open_store
    from penstock.storage.urls import parse

    where = parse(url)
    if where.dialect != "postgresql":
        if where.path is None:
            raise CommandError(
                f"{url}: a database in memory is gone with the process that made it",
                hint="name the file: --database sqlite:///app.db",
            )
        if not where.path.exists():
            raise CommandError(
                f"there is no database {where.path}", hint="name it with --database URL", code=exits.NOT_FOUND
            )
    # Read-only, so that a look neither makes tables in somebody else's file nor brings a schema up to date.
    # And nothing stays in a session that a proxy may hand to others.
    store = open_store(url, StoreOptions(read_only=True, prepare_statements=False))
    try:
        yield store
    finally:
        store.close()


def find(store: Store, wanted: str) -> RunRow:
    """The run with this id, or the only one whose id begins so: a child does not count beside its parent.

    Raises RunNotFound, and CommandError if there are several.
    """
    row = store.run(wanted)
    if row is None and (prefix := wanted.strip()):
        found = store.beginning_with(prefix, 2)
        if len(found) > 1:
            raise CommandError(f"several runs begin with {prefix!r}", hint="give more of the id")
        row = store.run(found[0]) if found else None
    if row is None:
        raise not_found(wanted)
    return row


def not_found(prefix: str) -> Exception:
    from penstock.model.errors import RunNotFound

    return RunNotFound(f"there is no run {prefix!r}", hint="`penstock runs list` shows the runs of a database")
