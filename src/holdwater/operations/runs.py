"""Reading the runs of a database: one, or a page of them.  Changes nothing and needs no code of a workflow."""

from __future__ import annotations

from typing import Final

from holdwater.errors import AmbiguousRun, RunNotFound
from holdwater.events.run_events import EventPosition
from holdwater.model.records import RunFilter
from holdwater.model.statuses import STATUS_LABELS
from holdwater.model.time import to_rfc3339
from holdwater.runs.follow import RunFollower
from holdwater.runs.info import RunInfo
from holdwater.runs.reader import RunReader
from holdwater.runs.view import RunView
from holdwater.runtime.journal_watchers import JournalWatchers

LAST_RUN: Final = "@last"
"""in the place of an id: the newest run that has no parent"""
MAX_CANDIDATES: Final = 8


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


def count_runs(runs: RunReader, which: RunFilter) -> dict[str, int]:
    """Count the matching runs by status; the page of `which` is ignored.  Raises StoreUnavailable."""
    return runs.store.count_runs(which)


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
    watchers = JournalWatchers()
    run_id = find_run(runs, reference).id
    has_notifications = runs.store.listen(watchers.on_notification)
    return RunFollower(runs.store, watchers, run_id, after, has_notifications=has_notifications)
