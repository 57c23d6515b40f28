"""Runs over time: bars that say how many there were and how many of them failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from holdwater.model.records import RunFilter
from holdwater.model.statuses import RunStatus
from holdwater.model.time import Micros, add_seconds, from_rfc3339, to_rfc3339
from holdwater.operations.runs import run_histogram
from holdwater.runs.reader import RunReader
from holdwater.server.pages.runs.query import RunsQuery
from holdwater.server.presentation import rough_duration

MAX_BARS: Final = 60
DEFAULT_SPAN_SECONDS: Final = 86_400
HEIGHT: Final = 40.0
"""of the tallest bar, in units of the drawing"""
_BUCKET_SECONDS: Final = (1, 5, 15, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400, 604_800, 2_592_000)
_SECOND_US: Final = 1_000_000
EARLIEST: Final = Micros(0)
LATEST: Final = from_rfc3339("9000-01-01T00:00:00Z")


@dataclass(frozen=True, slots=True)
class HistogramBar:
    """The runs of one bucket.  `height`, `failed_height`: of the drawing.  `url`: of the page with this window."""

    start: Micros
    total: int
    failed: int
    height: float
    failed_height: float
    url: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bars from `since` to `until`.  `bucket_text`: the length of a bucket.  `largest`: the most runs of one.

    `is_capped`: there were too many runs to count all of them.
    """

    bars: tuple[HistogramBar, ...]
    since: Micros
    until: Micros
    bucket_text: str
    largest: int
    is_capped: bool


def build_histogram(runs: RunReader, which: RunFilter, query: RunsQuery, now: Micros) -> Histogram:
    """Count the matching runs of the window, or of the last 24 hours if it has no beginning, by a round length of time.

    Raises InvalidArgument, StoreUnavailable.
    """
    since, until = query.window(now)
    until = _bounded(now if until is None else until)
    since = add_seconds(until, -DEFAULT_SPAN_SECONDS) if since is None else _bounded(since)
    since = min(since, Micros(until - _SECOND_US))
    bucket_us = _bucket_us(until - since)
    first = Micros(since // bucket_us * bucket_us)
    bucket_count = -(-(until - first) // bucket_us)
    found = run_histogram(runs, which, first, Micros(first + bucket_count * bucket_us), bucket_count)
    totals: Counter[Micros] = Counter()
    for (start, _), count in found.counts.items():
        totals[start] += count
    largest = max(totals.values(), default=0)
    starts = [Micros(first + k * bucket_us) for k in range(bucket_count)]
    bars = [
        _bar(start, bucket_us, totals[start], found.counts.get((start, RunStatus.FAILED), 0), largest, query)
        for start in starts
    ]
    text = rough_duration(bucket_us / _SECOND_US)
    return Histogram(tuple(bars), first, until, text, largest, found.complete_since > first)


def _bounded(at: Micros) -> Micros:
    """Return the nearest instant at which runs may be: buckets around it are dates, too."""
    return min(max(at, EARLIEST), LATEST)


def _bucket_us(span_us: int) -> int:
    """Return the shortest round length of which `MAX_BARS` cover a span."""
    for seconds in _BUCKET_SECONDS:
        if seconds * _SECOND_US * (MAX_BARS - 1) >= span_us:
            return seconds * _SECOND_US
    return -(-span_us // (MAX_BARS - 1))


def _bar(start: Micros, bucket_us: int, total: int, failed: int, largest: int, query: RunsQuery) -> HistogramBar:
    url = query.url(since=to_rfc3339(start), until=to_rfc3339(Micros(start + bucket_us)))
    scale = HEIGHT / largest if largest else 0.0
    height = max(total * scale, 1.5) if total else 0.0
    return HistogramBar(
        start, total, failed, round(height, 2), round(max(failed * scale, 1.5) if failed else 0.0, 2), url
    )
