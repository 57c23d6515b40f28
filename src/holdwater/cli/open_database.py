"""Looking at a database without changing it: no runner, no file that was not there, no new schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from holdwater.cli import exit_codes
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import aligned, instant, short

LAST: Final = "@last"
"""instead of a run: the newest that is not a child"""
CANDIDATES: Final = 8

if TYPE_CHECKING:
    from holdwater.model.ports import Store
    from holdwater.model.records import RunRow


@contextmanager
def existing(url: str) -> Iterator[Store]:
    """The store of a database that is there, to read from.

    Raises CommandError if it is not there, DatabaseURLError, StoreUnavailable.
    """
    from holdwater.storage import StoreOptions, open_store
    from holdwater.storage.sqlite.connections import present
    from holdwater.storage.urls import parse

    where = parse(url)
    if where.dialect != "postgresql":
        if where.path is None:
            raise CommandError(
                f"{url}: a database in memory is gone with the process that made it",
                hint="name the file: --database sqlite:///app.db",
            )
        if not present(where):
            raise CommandError(
                f"there is no database {where.path}", hint="name it with --database URL", code=exit_codes.NOT_FOUND
            )
    # Read-only, so that a look neither makes tables in somebody else's file nor brings a schema up to date.
    # And nothing stays in a session that a proxy may hand to others.
    store = open_store(url, StoreOptions(read_only=True, prepare_statements=False))
    try:
        yield store
    finally:
        store.close()


def find(store: Store, wanted: str) -> RunRow:
    """The run that is meant: by its id, by the beginning or the end of its id, or `@last`, the newest.

    A child does not count beside its parent.  Raises RunNotFound, and CommandError with the candidates if there are
    several.
    """
    from holdwater.errors import RunNotFound
    from holdwater.model.records import RunFilter

    given = wanted.strip()
    if given.startswith("@") and given != LAST and store.run(wanted) is None:
        raise RunNotFound(f"there is no run {wanted!r}", hint=f"{LAST} is the newest run")
    if given == LAST:
        newest = store.runs(RunFilter(top_level=True, limit=1))
        if not newest:
            raise not_found(wanted)
        return newest[0]
    row = store.run(wanted)
    if row is None and given:
        ids = dict.fromkeys([*store.beginning_with(given, CANDIDATES + 1), *store.ending_with(given, CANDIDATES + 1)])
        found = [row for run_id in ids if (row := store.run(run_id)) is not None]
        if len(found) > 1:
            raise _several(given, found)
        row = found[0] if found else None
    if row is None:
        raise not_found(wanted)
    return row


def _several(given: str, found: list[RunRow]) -> CommandError:
    from holdwater.runners.tasks.results import RunSummary

    found.sort(key=lambda row: row.created_at, reverse=True)
    lines = aligned(
        [run.run_id, short(run.workflow_name, 40), run.status, instant(run.start_time)]
        for run in map(RunSummary.of, found[:CANDIDATES])
    )
    more = ["  and more"] if len(found) > CANDIDATES else []
    return CommandError(
        "\n".join([f"several runs are meant by {given!r}:", *(f"  {line}" for line in lines), *more]),
        hint="give more of the id, from its beginning or its end",
    )


def not_found(prefix: str) -> Exception:
    from holdwater.errors import RunNotFound

    return RunNotFound(f"there is no run {prefix!r}", hint="`holdwater runs list` shows the runs of a database")
