"""Time zones as intervals of constant offset, found by bisection on `utcoffset`.

All numbers here are whole seconds: an *instant* counts from 1970-01-01 UTC, a *wall time* from 1970-01-01 on the clocks
of the zone, so that wall = instant + offset.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from datetime import timedelta
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from holdwater.errors import ScheduleError
from holdwater.model.suggestions import did_you_mean, suggest
from holdwater.model.time import EPOCH

SECONDS_PER_DAY: Final = 86_400
MAX_SHIFT_SECONDS: Final = 2 * SECONDS_PER_DAY
"""An upper bound of any offset, and of any single change of offset of any zone."""
EARLIEST_SECOND: Final = -62_135_596_800 + MAX_SHIFT_SECONDS
LATEST_SECOND: Final = 253_402_300_799 - MAX_SHIFT_SECONDS
"""Bounds of the search: every instant between them has a date in every zone."""

_PROBE_SECONDS: Final = 3 * SECONDS_PER_DAY
"""Less than the shortest time between two opposite changes of any zone (Freetown 1939: 4 days; since 1970: 7)."""
_CHUNK_SECONDS: Final = 85 * _PROBE_SECONDS


@cache
def known_zones() -> frozenset[str]:
    """Return the IANA names this machine has data for, without the two whose meaning differs between machines."""
    return frozenset(available_timezones()) - {"localtime", "Factory"}


def load_zone(name: str) -> ZoneInfo:
    """Load the zone of an IANA name, case-sensitive.  Raises ScheduleError with similar names as a hint."""
    if name in known_zones():  # checked first, so that no path reaches the file system
        return ZoneInfo(name)
    same = []
    if offset := re.fullmatch(r"(?:UTC|GMT)?([+-])0?(1?[0-9])(?::?00)?", name):
        same = [f"Etc/GMT{'-' if offset[1] == '+' else '+'}{offset[2]}"]  # POSIX signs: positive is west
    close = suggest(known for known in same if known in known_zones()) or did_you_mean(name, sorted(known_zones()))
    hint = close or "use a name such as 'UTC' or 'Europe/Berlin'"
    raise ScheduleError(f"time zone {shorten_repr(name)} is not an IANA name (they are case-sensitive)", hint=hint)


def shorten_repr(text: str) -> str:
    """Return the repr of a user's text, at most one line of it."""
    return repr(text) if len(text) <= 60 else f"{text[:57]!r}... ({len(text)} characters)"


def offset_interval(name: str, instant: int) -> tuple[int, int, int]:
    """Return the interval that contains an instant: (start, end, offset), the end excluded.

    Long intervals are split, so two neighbours may have the same offset.
    """
    starts, offsets = _offset_changes(name, instant // _CHUNK_SECONDS)
    i = bisect_right(starts, instant) - 1
    return starts[i], starts[i + 1], offsets[i]


def latest_wall_time(name: str, instant: int) -> int:
    """Return the latest wall time a zone has shown up to an instant; during a repeated hour, the end of that hour."""
    start, _, offset = offset_interval(name, instant)
    top = instant + offset
    while instant - start < MAX_SHIFT_SECONDS and start > EARLIEST_SECOND:
        before = start - 1
        start, _, offset = offset_interval(name, before)
        top = max(top, before + offset)
    return top


def first_instant_at(name: str, wall: int) -> int:
    """Return the first instant with a wall time; for a wall time in a gap, the instant at which the gap ends."""
    instant = wall - MAX_SHIFT_SECONDS
    while True:
        _, end, offset = offset_interval(name, instant)
        if end + offset > wall:
            return max(instant, wall - offset)
        instant = end


def instants_at(name: str, wall: int) -> tuple[int, ...]:
    """Return the instants with a wall time: none in a gap, two in a doubled hour, else one."""
    found, instant = [], wall - MAX_SHIFT_SECONDS
    while instant < wall + MAX_SHIFT_SECONDS:
        start, end, offset = offset_interval(name, instant)
        if start <= wall - offset < end:
            found.append(wall - offset)
        instant = end
    return tuple(found)


@lru_cache(maxsize=8192)
def _offset_changes(name: str, number: int) -> tuple[list[int], list[int]]:
    """Return the starts of the intervals in a chunk of time, followed by the end of the chunk, and their offsets."""
    tz, start, end = ZoneInfo(name), number * _CHUNK_SECONDS, (number + 1) * _CHUNK_SECONDS
    starts, offsets = [start], [_utc_offset(tz, start)]
    for later in range(start + _PROBE_SECONDS, end + 1, _PROBE_SECONDS):
        if (offset := _utc_offset(tz, later)) != offsets[-1]:
            low, high = later - _PROBE_SECONDS, later  # invariant: the old offset at `low`, another at `high`
            while high - low > 1:
                middle = (low + high) // 2
                if _utc_offset(tz, middle) == offsets[-1]:
                    low = middle
                else:
                    high = middle
            if high < end:
                starts.append(high)
                offsets.append(offset)
    return [*starts, end], offsets


def _utc_offset(tz: ZoneInfo, instant: int) -> int:
    moment = EPOCH + timedelta(seconds=min(max(instant, EARLIEST_SECOND), LATEST_SECOND))
    offset = moment.astimezone(tz).utcoffset()
    assert offset is not None
    return offset.days * SECONDS_PER_DAY + offset.seconds
