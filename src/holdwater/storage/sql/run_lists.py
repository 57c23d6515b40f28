"""Lists, counts and histograms of runs, common to all SQL databases."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from holdwater.errors import RunNotFound
from holdwater.model.records import (
    COUNT_LIMIT_RUNS,
    MAX_LISTED_RUNS,
    SCAN_LIMIT_RUNS,
    CappedCount,
    Cursor,
    RunFilter,
    RunHistogram,
    RunRow,
    RunRows,
)
from holdwater.model.run_matching import has_workflow_patterns, is_wanted_workflow
from holdwater.model.time import Micros
from holdwater.storage.sql import queries
from holdwater.storage.sql.fragments import Fragment, FragmentSet, join_fragments
from holdwater.storage.sql.run_scans import RunScans, ScanBuilder

_SCAN_STEPS_RUNS: Final = (1_000, 9_000, SCAN_LIMIT_RUNS - 10_000)
"""runs that are looked at for a page, one step after the other until it is full"""


class RunListStatements(queries.RunQueryStatements, Protocol):
    """The statements of lists in a dialect's module of statements."""

    LIST_WORKFLOW_NAMES: str
    RUN_LIST_PARTS: FragmentSet


class RunLists(queries.RunQueries):
    """The part of a store that lists, counts and groups runs."""

    _sql: RunListStatements

    @abstractmethod
    def _select_composed(self, statement: Fragment) -> list[Any]:
        """Fetch the rows of a composed statement, planned for its values."""

    # -- lists

    def list_runs(self, run_filter: RunFilter) -> list[RunRow]:
        """List run rows, newest first, 1,000 at most, however many have to be looked at for them.

        Raises RunNotFound for an unknown `before_id`.
        """
        return self._page(run_filter, itertools.chain(_SCAN_STEPS_RUNS, itertools.repeat(SCAN_LIMIT_RUNS))).rows

    def page_runs(self, run_filter: RunFilter) -> RunRows:
        """Read a page of a list, looking at 50,000 runs at most.  Raises RunNotFound for an unknown `before_id`."""
        return self._page(run_filter, _SCAN_STEPS_RUNS)

    def _page(self, run_filter: RunFilter, scan_steps: Iterable[int]) -> RunRows:
        which = self._with_cursor(run_filter)
        limit = max(0, min(which.limit, MAX_LISTED_RUNS))
        best = self._best_scans(which)
        if best is None or not limit:
            return RunRows([])
        if best.conditions is None:
            page = self._read_page(which, best, limit)
        else:
            page = self._search(which, limit, scan_steps)
        if which.newer:
            page.rows.reverse()
        return page

    def _read_page(self, which: RunFilter, found: RunScans, limit: int) -> RunRows:
        statement = self._sql.RUN_LIST_PARTS.compose(
            "list", self._places(which, found), limit=limit + 1, offset=max(0, which.offset)
        )
        rows = [RunRow(*row) for row in self._select_composed(statement)]
        return RunRows(rows[:limit], has_more=len(rows) > limit)

    def _search(self, which: RunFilter, limit: int, scan_steps: Iterable[int]) -> RunRows:
        """Look at the runs of the scans in their order until the page is full, or the steps are over."""
        offset = max(0, which.offset)
        found: dict[str, RunRow] = {}
        for step in scan_steps:
            best = self._best_scans(which)
            if best is None:
                break
            rows, last, is_exhausted = self._search_step(which, best, step, offset + limit + 1 - len(found))
            found |= {row.id: row for row in rows}
            if is_exhausted or len(found) > offset + limit:
                break
            which = replace(which, cursor=last)
        else:
            return RunRows([*found.values()][offset:], has_more=True, scanned_until=which.cursor)
        rows = [*found.values()][offset:]
        return RunRows(rows[:limit], has_more=len(rows) > limit)

    def _search_step(
        self, which: RunFilter, best: RunScans, step: int, limit: int
    ) -> tuple[list[RunRow], Cursor, bool]:
        """Look at up to `step` runs; returns those that fit, the last position, and True if there are no more."""
        places = self._places(which, best)
        statement = self._sql.RUN_LIST_PARTS.compose("search", places, scan_limit=step, limit=limit)
        answer = self._select_composed(statement)
        scanned, *last = answer[0][:3]
        # a left join: without a run that fits there is one row, whose columns of runs are NULL
        found = [RunRow(*row[4:]) for row in answer if row[4] is not None]
        return found, (last[0], last[1]), scanned < step

    def _with_cursor(self, which: RunFilter) -> RunFilter:
        if which.before_id is None:
            return which
        newer = self.get_run(which.before_id)
        if newer is None:
            raise RunNotFound(f"there is no run {which.before_id!r} to list the runs before")
        return replace(which, before_id=None, cursor=which.position_of(newer))

    # -- counts

    def count_runs(self, run_filter: RunFilter) -> dict[str, CappedCount]:
        """Count the matching runs by status, up to 10,000 each, regardless of the page."""
        which = run_filter.without_page()
        best = self._best_scans(which)
        if best is None:
            return {}
        if best.conditions is None and best.statuses:
            return self._count_scans(best)
        places = self._places(which, best)
        for scan_limit in (COUNT_LIMIT_RUNS, SCAN_LIMIT_RUNS):
            counting = self._sql.RUN_LIST_PARTS.compose("count_search", places, scan_limit=scan_limit)
            answer = dict(self._select_composed(counting))
            is_cut = answer.pop("") >= scan_limit
            if not is_cut or sum(answer.values()) >= COUNT_LIMIT_RUNS:
                break
        return {status: CappedCount.of(count, is_capped=is_cut) for status, count in answer.items()}

    def _count_scans(self, found: RunScans) -> dict[str, CappedCount]:
        counts: dict[str, CappedCount] = {}
        for number, count in enumerate(self._scan_lengths(found.scans, COUNT_LIMIT_RUNS + 1)):
            if count:
                status = found.statuses[number]
                counts[status] = counts.get(status, CappedCount(0)) + CappedCount.of(count)
        return counts

    def _scan_lengths(self, scans: Sequence[Fragment], limit: int) -> list[int]:
        """Count the rows of each scan, up to a limit."""
        compose = self._sql.RUN_LIST_PARTS.compose
        counting = [compose("count_scan", {"scan": scan}, limit=limit, scan_number=n) for n, scan in enumerate(scans)]
        lengths = {number: count for count, number in self._select_composed(self._union(counting))}
        return [lengths[n] for n in range(len(scans))]

    # -- histograms

    def run_histogram(self, run_filter: RunFilter, since: Micros, until: Micros, bucket_us: int) -> RunHistogram:
        """Count the matching runs of a span of time by bucket and status, the latest 50,000 of each status."""
        which = run_filter.of_span(since, until)
        best = self._best_scans(which)
        if best is None:
            return RunHistogram(since, until, bucket_us, {}, since)
        if best.conditions is None and best.statuses:
            return self._histogram_of_scans(best, since, until, bucket_us)
        parts = self._sql.RUN_LIST_PARTS
        places = self._places(which, best)
        statement = parts.compose("histogram_search", places, since=since, bucket=bucket_us, scan_limit=SCAN_LIMIT_RUNS)
        counts, complete_since = Counter[tuple[Micros, str]](), since
        for status, bucket, count in self._select_composed(statement):
            if status:
                counts[Micros(since + bucket * bucket_us), status] += count
            elif count >= SCAN_LIMIT_RUNS:  # the row of all that was looked at
                complete_since = _next_bucket(since, bucket_us, (bucket - since) // bucket_us)
        return RunHistogram(since, until, bucket_us, dict(counts), complete_since)

    def _histogram_of_scans(self, found: RunScans, since: Micros, until: Micros, bucket_us: int) -> RunHistogram:
        parts = self._sql.RUN_LIST_PARTS
        order = {"order": parts.compose("newest_first")}
        grouping = [
            parts.compose(
                "histogram", {"scan": scan, **order}, scan_number=n, since=since, bucket=bucket_us,
                scan_limit=SCAN_LIMIT_RUNS,
            )
            for n, scan in enumerate(found.scans)
        ]  # fmt: skip
        counts, complete_since = Counter[tuple[Micros, str]](), since
        by_scan: dict[int, dict[int, int]] = {}
        for number, bucket, count in self._select_composed(self._union(grouping)):
            by_scan.setdefault(number, {})[bucket] = count
            counts[Micros(since + bucket * bucket_us), found.statuses[number]] += count
        for buckets in by_scan.values():
            if sum(buckets.values()) >= SCAN_LIMIT_RUNS:
                complete_since = max(complete_since, _next_bucket(since, bucket_us, min(buckets)))
        return RunHistogram(since, until, bucket_us, dict(counts), complete_since)

    # -- within

    def _best_scans(self, which: RunFilter) -> RunScans | None:
        """Choose the scans with the fewest rows; None if no run can fit."""
        builder = ScanBuilder(self._sql.RUN_LIST_PARTS, which, self._workflow_names(which), self._array_parameter)
        if builder.is_empty:
            return None
        alternatives = builder.alternatives()
        if len(alternatives) == 1:
            return alternatives[0]
        lengths = iter(self._scan_lengths([s for one in alternatives for s in one.scans], COUNT_LIMIT_RUNS))
        totals = [sum([next(lengths) for _ in one.scans]) for one in alternatives]
        return alternatives[totals.index(min(totals))]

    def _workflow_names(self, which: RunFilter) -> list[str] | None:
        """List the names of the workflows a filter selects; None: all."""
        if not has_workflow_patterns(which):
            return None if which.workflow is None else [which.workflow]
        known = [which.workflow] if which.workflow is not None else self._known_workflow_names()
        return [name for name in known if is_wanted_workflow(which, name)]

    def _known_workflow_names(self) -> list[str]:
        return [name for (name,) in self._select(self._sql.LIST_WORKFLOW_NAMES)]

    def _places(self, which: RunFilter, found: RunScans) -> dict[str, Fragment]:
        """Compose the parts that lists, searches and counts have in common."""
        compose, name = self._sql.RUN_LIST_PARTS.compose, "oldest_first" if which.newer else "newest_first"
        order = {"order": compose(name)}
        return {
            **order,
            "scans": self._union([compose("ordered_scan", {"scan": scan, **order}) for scan in found.scans]),
            "candidate_order": compose(f"candidates_{name}"),
            "last_candidate": compose(f"last_{name}"),
            "runs_of_candidates": compose("runs_of_candidates"),
            "conditions": found.conditions or compose("always"),
        }

    def _union(self, fragments: Sequence[Fragment]) -> Fragment:
        return join_fragments(self._sql.RUN_LIST_PARTS.compose("union"), fragments)


def _next_bucket(since: Micros, bucket_us: int, bucket: int) -> Micros:
    return Micros(since + (bucket + 1) * bucket_us)
