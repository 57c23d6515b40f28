"""Looking at a database without changing it: no runner, no file that was not there, no new schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from penstock.cli import exits
from penstock.cli.exits import CommandError

if TYPE_CHECKING:
    from penstock.model.ports import Store
    from penstock.model.records import RunRow

_ID: Final = re.compile(r"[0-9a-f-]{1,36}")
_BEHIND: Final = "g"
"""sorts behind every character of an id"""


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


def find(store: Store, prefix: str) -> RunRow:
    """The run whose id begins so.  Raises RunNotFound, and CommandError if there are several."""
    from penstock.model.records import RunFilter

    run_id = unique(prefix, lambda end: [row.id for row in store.runs(RunFilter(before=end, limit=2))])
    row = store.run(run_id)
    if row is None:
        raise not_found(prefix)
    return row


def unique(prefix: str, newest_before: Callable[[str], list[str]]) -> str:
    """The only id with this prefix; `newest_before(id)` gives the two newest ids below it."""
    wanted = prefix.strip().lower()
    if not _ID.fullmatch(wanted):
        raise not_found(prefix)
    # Ids are sorted: what begins with the prefix stands right below the first string behind all of it.
    found = [run_id for run_id in newest_before(wanted + _BEHIND) if run_id.startswith(wanted)]
    if not found:
        raise not_found(prefix)
    if len(found) > 1:
        raise CommandError(f"several runs begin with {prefix!r}", hint="give more of the id")
    return found[0]


def not_found(prefix: str) -> Exception:
    from penstock.model.errors import RunNotFound

    return RunNotFound(f"there is no run {prefix!r}", hint="`penstock runs list` shows the runs of a database")
