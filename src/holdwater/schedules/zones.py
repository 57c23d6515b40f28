"""Time zones as stretches of constant offset, found by bisection on `utcoffset`.

All numbers here are whole seconds: an *instant* counts from 1970-01-01 UTC, a *wall time* from 1970-01-01 on the clocks
of the zone, so that wall = instant + offset.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from holdwater.errors import ScheduleError, did_you_mean, suggest

SECONDS_PER_DAY: Final = 86_400
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MAX_SHIFT_SECONDS: Final = 2 * SECONDS_PER_DAY
"""More than any offset, and more than the clocks of any zone were ever set forward or back at once."""
EARLIEST_SECOND: Final = -62_135_596_800 + MAX_SHIFT_SECONDS
LATEST_SECOND: Final = 253_402_300_799 - MAX_SHIFT_SECONDS
"""Every instant between these two has a date in every zone; beyond them nothing is searched."""

_PROBE_SECONDS: Final = 3 * SECONDS_PER_DAY
"""No zone ever changed its offset and changed it back in less (Freetown in 1939: four days; since 1970: seven)."""
_CHUNK_SECONDS: Final = 85 * _PROBE_SECONDS


@cache
def known_zones() -> frozenset[str]:
    """The IANA names this machine has data for; without the two that mean something else on every machine."""
    return frozenset(available_timezones()) - {"localtime", "Factory"}


def load_zone(name: str) -> ZoneInfo:
    """The zone of exactly this IANA name.  Raises ScheduleError, with the names that come close."""
    if name in known_zones():  # asked first: nothing that looks like a path reaches the file system
        return ZoneInfo(name)
    same = []
    if offset := re.fullmatch(r"(?:UTC|GMT)?([+-])0?(1?[0-9])(?::?00)?", name):
        same = [f"Etc/GMT{'-' if offset[1] == '+' else '+'}{offset[2]}"]  # those count westwards
    close = suggest(known for known in same if known in known_zones()) or did_you_mean(name, sorted(known_zones()))
    hint = close or "use a name such as 'UTC' or 'Europe/Berlin'"
    raise ScheduleError(f"time zone {shorten_repr(name)} is not an IANA name (they are case-sensitive)", hint=hint)


def shorten_repr(text: str) -> str:
    """The repr of something a user wrote, at most one line of it."""
    return repr(text) if len(text) <= 60 else f"{text[:57]!r}... ({len(text)} characters)"


def offset_interval(name: str, instant: int) -> tuple[int, int, int]:
    """The stretch an instant lies in: (start, end, offset), the end excluded.

    A long stretch comes in several pieces, so two neighbours may have one offset.
    """
    starts, offsets = _offset_changes(name, instant // _CHUNK_SECONDS)
    i = bisect_right(starts, instant) - 1
    return starts[i], starts[i + 1], offsets[i]


def latest_wall_time(name: str, instant: int) -> int:
    """The latest wall time the clocks of a zone have shown by an instant; in a doubled hour they showed later ones."""
    start, _, offset = offset_interval(name, instant)
    top = instant + offset
    while instant - start < MAX_SHIFT_SECONDS and start > EARLIEST_SECOND:
        before = start - 1
        start, _, offset = offset_interval(name, before)
        top = max(top, before + offset)
    return top


def first_instant_at(name: str, wall: int) -> int:
    """The first instant at which the clocks of a zone show a wall time, or would have: the first valid one after it."""
    instant = wall - MAX_SHIFT_SECONDS
    while True:
        _, end, offset = offset_interval(name, instant)
        if end + offset > wall:
            return max(instant, wall - offset)
        instant = end


def instants_at(name: str, wall: int) -> tuple[int, ...]:
    """Every instant at which the clocks of a zone show a wall time: none, one or two."""
    found, instant = [], wall - MAX_SHIFT_SECONDS
    while instant < wall + MAX_SHIFT_SECONDS:
        start, end, offset = offset_interval(name, instant)
        if start <= wall - offset < end:
            found.append(wall - offset)
        instant = end
    return tuple(found)


@lru_cache(maxsize=8192)
def _offset_changes(name: str, number: int) -> tuple[list[int], list[int]]:
    """The starts of the stretches in a chunk of time, with the start of the next chunk at the end; their offsets."""
    tz, start, end = ZoneInfo(name), number * _CHUNK_SECONDS, (number + 1) * _CHUNK_SECONDS
    starts, offsets = [start], [_utc_offset(tz, start)]
    for later in range(start + _PROBE_SECONDS, end + 1, _PROBE_SECONDS):
        if (offset := _utc_offset(tz, later)) != offsets[-1]:
            low, high = later - _PROBE_SECONDS, later  # the offset is the old one at `low` and another at `high`
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
