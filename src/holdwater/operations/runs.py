"""Reading the runs of a database: one, or a page of them.  Changes nothing and needs no code of a workflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from holdwater.errors import AmbiguousRun, InvalidArgument, RunNotFound
from holdwater.events.run_events import EventPosition
from holdwater.model import validation
from holdwater.model.ports.store import Store
from holdwater.model.records import CappedCount, Cursor, RunFilter, RunHistogram, RunRow
from holdwater.model.run_matching import matches
from holdwater.model.statuses import STATUS_LABELS
from holdwater.model.time import Micros, to_rfc3339
from holdwater.operations import cursors
from holdwater.operations.run_filters import check_filter
from holdwater.runs.follow import RunFollower, StoreRunFollower
from holdwater.runs.info import RunInfo
from holdwater.runs.reader import RunReader
from holdwater.runs.view import RunView

LAST_RUN: Final = "@last"
"""in the place of an id: the newest run that has no parent"""
MAX_CANDIDATES: Final = 8
MIN_ID_CHARS: Final = 8
"""of a text that may be the beginning of an id; a generated one begins with its time, to 65 s"""
MAX_BUCKETS: Final = 1_000
"""buckets of a histogram"""


@dataclass(frozen=True, slots=True)
class RunPage:
    """A page of runs, newest first.

    `older_cursor`, `newer_cursor`: of the pages beside it; None: there is none.  `searched_until`: the page is not
    full, because only so many runs are looked at for one; `older_cursor` goes on from this instant.
    """

    runs: tuple[RunInfo, ...]
    older_cursor: str | None
    newer_cursor: str | None
    searched_until: Micros | None


def find_run(runs: RunReader, reference: str) -> RunInfo:
    """Find a run by its id, by the beginning or the end of its id, or by `@last`.

    A child whose id begins with that of its parent is not a candidate if the parent is one.
    Raises RunNotFound, AmbiguousRun with the newest candidates, StoreError.
    """
    given = reference.strip()
    exact = runs.find_info(reference) if given else None
    if exact is not None:
        return exact
    if given == LAST_RUN:
        newest = runs.store.list_runs(RunFilter(top_level=True, limit=1))
        if newest:
            return RunInfo.from_row(newest[0])
    elif given.startswith("@"):
        raise RunNotFound(f"there is no run {reference!r}", hint=f"{LAST_RUN} is the newest run")
    elif given:
        found = _find_by_part(runs, given)
        if len(found) > 1:
            raise _ambiguous_run_error(given, found)
        if found:
            return found[0]
    raise RunNotFound(f"there is no run {reference!r}", hint="`holdwater runs list` shows the runs of a database")


def _find_by_part(runs: RunReader, part: str) -> list[RunInfo]:
    """List the runs whose ids begin or end with a text, newest first."""
    store, limit = runs.store, MAX_CANDIDATES + 1
    ids = dict.fromkeys([*store.find_by_prefix(part, limit), *store.find_by_suffix(part, limit)])
    found = [run for run_id in ids if (run := runs.find_info(run_id)) is not None]
    return sorted(found, key=lambda run: run.created_at, reverse=True)


def _ambiguous_run_error(part: str, found: list[RunInfo]) -> AmbiguousRun:
    """`found`: the newest first."""
    shown = found[:MAX_CANDIDATES]
    width = max(len(run.id) for run in shown)
    lines = [
        f"  {run.id.ljust(width)}  {run.workflow[:40]}  {STATUS_LABELS[run.status]}  {to_rfc3339(run.created_at)}"
        for run in shown
    ]
    more = ["  and more"] if len(found) > len(shown) else []
    return AmbiguousRun(
        "\n".join([f"several runs are meant by {part!r}:", *lines, *more]),
        [run.id for run in shown],
        hint="give more of the id, from its beginning or its end",
    )


def list_runs(runs: RunReader, which: RunFilter, limit: int) -> tuple[RunInfo, ...]:
    """Up to `limit` runs with their activities, newest first; `which.limit` is not looked at.

    Raises RunNotFound for an unknown `which.before_id`, StoreUnavailable.
    """
    return tuple(runs.iter_runs(which, limit))


def page_runs(runs: RunReader, which: RunFilter, cursor: str | None = None) -> RunPage:
    """Read a page of up to `which.limit` runs with their activities, newest first; `cursor`: of another page.

    A search for a text also finds what is older than it looks at, by the beginning of its id.
    Raises InvalidArgument for a cursor of another filter, or a filter that cannot be; StoreUnavailable.
    """
    check_filter(which)
    which = which if cursor is None else cursors.decode_cursor(cursor, which)
    found = runs.store.page_runs(which)
    if which.newer and len(found.rows) < which.limit and found.scanned_until is None:
        return page_runs(runs, which.without_page())  # the front of the list, as a whole page
    beyond = found.scanned_until
    if beyond is not None and which.text is not None and which.cursor is None:
        found.rows.extend(_older_by_id(runs.store, which, beyond))
    if beyond is None and found.has_more and found.rows:
        beyond = which.position_of(found.rows[0 if which.newer else -1])
    back = which.cursor
    if back is not None and found.rows:
        back = which.position_of(found.rows[-1 if which.newer else 0])
    older, newer = (back, beyond) if which.newer else (beyond, back)
    return RunPage(
        runs.with_activities(found.rows),
        None if older is None else cursors.encode_cursor(which, older, newer=False),
        None if newer is None else cursors.encode_cursor(which, newer, newer=True),
        None if found.scanned_until is None else found.scanned_until[0],
    )


def _older_by_id(store: Store, which: RunFilter, beyond: Cursor) -> list[RunRow]:
    """List runs beyond the place at which a search for a text stopped whose ids begin with it."""
    if which.text is None or len(which.text) < MIN_ID_CHARS:
        return []
    ids = store.find_by_prefix(which.text, which.limit)
    rows = [row for run_id in ids if (row := store.get_run(run_id)) is not None]
    fitting = [row for row in rows if which.position_of(row) < beyond and matches(which, row)]
    return sorted(fitting, key=which.position_of, reverse=True)


def count_runs(runs: RunReader, which: RunFilter) -> dict[str, CappedCount]:
    """Count the matching runs by status, up to 10,000 each; the page of `which` is ignored.

    Raises InvalidArgument for a filter that cannot be, StoreUnavailable.
    """
    check_filter(which)
    return runs.store.count_runs(which)


def run_histogram(
    runs: RunReader, which: RunFilter, since: Micros, until: Micros, bucket_count: int = 60
) -> RunHistogram:
    """Count the matching runs of a span of time, which replaces that of `which`, by bucket and status.

    The buckets are as long as 1 to 1,000 (`bucket_count`) of them fit, in whole microseconds.
    Raises InvalidArgument for a filter or a span that cannot be, StoreUnavailable.
    """
    check_filter(which)
    validation.check_count("bucket_count", bucket_count, minimum=1, maximum=MAX_BUCKETS, error_class=InvalidArgument)
    if until <= since:
        raise InvalidArgument("a span of time begins before it ends", hint="`since` comes before `until`")
    return runs.store.run_histogram(which, since, until, -(-(until - since) // bucket_count))


def show_run(runs: RunReader, reference: str) -> RunView:
    """Read a run with its activity and its open questions; the store may be closed afterwards.

    Raises RunNotFound, AmbiguousRun, StoreError.
    """
    view = runs.view(find_run(runs, reference).id)
    view.activity, view.pauses  # noqa: B018 - looked up while the store is open
    return view


def follow_run(runs: RunReader, reference: str, after: int | EventPosition = 0) -> RunFollower:
    """Follow the events of a run behind a journal number or a position, until it has ended; for `for` and `async for`.

    The store must stay open meanwhile.  Raises RunNotFound, AmbiguousRun, InvalidArgument, StoreError.
    """
    run_id, channel = find_run(runs, reference).id, runs.listen()
    return StoreRunFollower(runs.store, channel.watchers, run_id, after, has_notifications=channel.has_notifications)
