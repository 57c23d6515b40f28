"""Looking at a database without changing it: no runner, no file that was not there, no new schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from holdwater.cli import exit_codes
from holdwater.cli.exit_codes import CommandError
from holdwater.cli.formatting import align_columns, format_instant, truncate

LAST_RUN: Final = "@last"
"""instead of a run: the newest that is not a child"""
MAX_CANDIDATES: Final = 8

if TYPE_CHECKING:
    from holdwater.model.ports import Store
    from holdwater.model.records import RunRow


@contextmanager
def open_existing(url: str) -> Iterator[Store]:
    """The store of a database that is there, to read from.

    Raises CommandError if it is not there, DatabaseURLError, StoreUnavailable.
    """
    from holdwater.storage import StoreOptions, open_store
    from holdwater.storage.sqlite.connections import path_exists
    from holdwater.storage.urls import parse_url

    where = parse_url(url)
    if where.dialect != "postgresql":
        if where.path is None:
            raise CommandError(
                f"{url}: a database in memory is gone with the process that made it",
                hint="name the file: --database sqlite:///app.db",
            )
        if not path_exists(where):
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


def find_run(store: Store, reference: str) -> RunRow:
    """The run that is meant: by its id, by the beginning or the end of its id, or `@last`, the newest.

    A child does not count beside its parent.  Raises RunNotFound, and CommandError with the candidates if there are
    several.
    """
    from holdwater.errors import RunNotFound
    from holdwater.model.records import RunFilter

    given = reference.strip()
    if given.startswith("@") and given != LAST_RUN and store.get_run(reference) is None:
        raise RunNotFound(f"there is no run {reference!r}", hint=f"{LAST_RUN} is the newest run")
    if given == LAST_RUN:
        newest = store.list_runs(RunFilter(top_level=True, limit=1))
        if not newest:
            raise run_not_found_error(reference)
        return newest[0]
    row = store.get_run(reference)
    if row is None and given:
        ids = dict.fromkeys(
            [*store.find_by_prefix(given, MAX_CANDIDATES + 1), *store.find_by_suffix(given, MAX_CANDIDATES + 1)]
        )
        found = [row for run_id in ids if (row := store.get_run(run_id)) is not None]
        if len(found) > 1:
            raise _ambiguous_run_error(given, found)
        row = found[0] if found else None
    if row is None:
        raise run_not_found_error(reference)
    return row


def _ambiguous_run_error(reference: str, candidates: list[RunRow]) -> CommandError:
    from holdwater.runners.tasks.results import RunSummary

    candidates.sort(key=lambda row: row.created_at, reverse=True)
    lines = align_columns(
        [run.run_id, truncate(run.workflow_name, 40), run.status, format_instant(run.start_time)]
        for run in map(RunSummary.from_row, candidates[:MAX_CANDIDATES])
    )
    more = ["  and more"] if len(candidates) > MAX_CANDIDATES else []
    return CommandError(
        "\n".join([f"several runs are meant by {reference!r}:", *(f"  {line}" for line in lines), *more]),
        hint="give more of the id, from its beginning or its end",
    )


def run_not_found_error(reference: str) -> Exception:
    from holdwater.errors import RunNotFound

    return RunNotFound(f"there is no run {reference!r}", hint="`holdwater runs list` shows the runs of a database")
