"""Logs of runs: what task functions printed and logged, and the tracebacks of attempts that failed."""

from __future__ import annotations

from collections.abc import Iterator

from holdwater.operations.runs import find_run
from holdwater.runs.folded_runs import FoldedRuns
from holdwater.runs.log_follower import LogFollower, StoreLogFollower
from holdwater.runs.logs import LogLine, LogPage, LogReader
from holdwater.runs.reader import RunReader

__all__ = ["LogFollower", "LogLine", "LogPage", "follow_logs", "iter_logs", "read_logs"]


def read_logs(
    runs: RunReader,
    reference: str,
    node: str | None = None,
    attempt: int | None = None,
    after: str | None = None,
    limit: int = 1000,
) -> LogPage:
    """Read up to `limit` lines (5,000 at most) of the log of a run, behind a cursor; None: from the beginning.

    `node`, `attempt`: only lines of this node, and of its attempts of this number (from 1).  Lines come in the order
    in which they were written, with each failure behind the lines before it; a page behind the end is empty.
    Raises RunNotFound, AmbiguousRun, TaskNotFound, InvalidArgument, StoreError.
    """
    return LogReader(runs, find_run(runs, reference).id, node, attempt).read(after, limit)


def iter_logs(
    runs: RunReader,
    reference: str,
    node: str | None = None,
    attempt: int | None = None,
    after: str | None = None,
) -> Iterator[LogLine]:
    """Iterate over the log of a run as it is now, from a cursor on; the run itself is read once, not for each page.

    Raises RunNotFound, AmbiguousRun, TaskNotFound, InvalidArgument, StoreError.
    """
    reader = LogReader(runs, find_run(runs, reference).id, node, attempt)
    has_more = True
    while has_more:
        page = reader.read(after)
        yield from page.lines
        after, has_more = page.cursor, page.has_more


def follow_logs(
    runs: RunReader,
    reference: str,
    node: str | None = None,
    attempt: int | None = None,
    after: str | None = None,
) -> LogFollower:
    """Follow the log of a run behind a cursor, until the run has ended; for `for` and `async for`.

    The store must stay open meanwhile.  Lines come within half a second where the store has notifications, and within
    two elsewhere, whichever process the run is executed in.
    Raises RunNotFound, AmbiguousRun, TaskNotFound, InvalidArgument, StoreError.
    """
    run_id, channel = find_run(runs, reference).id, runs.listen()
    folded = FoldedRuns(runs.store, runs.clock, max_runs=1)  # each look costs what is new
    return StoreLogFollower(
        folded, channel.watchers, run_id, node, attempt, after, has_notifications=channel.has_notifications
    )
