"""Cron around changes of the clocks: mismatches with a brute-force oracle, and microseconds per next, beside others.

Ours, cronsim alone, and croniter and APScheduler where they can be imported, on the same sample: every 5-field
expression of tests/schedules/sample.py, two days around every n-th change of the clocks of 2024-2030 (all IANA zones).
A mismatch is one expression at one change whose list of fires differs.  An expression that a library reads differently
far from any change (another dialect) or refuses is counted once, apart, and left out of its mismatches.

    .venv/bin/python bench/cron.py [--every 10]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from holdwater.schedules import Cron
from tests.schedules.oracle import DAY, Clocks, Fields, transitions
from tests.schedules.sample import expressions

Walk = Callable[[str, str, int], Iterator[int]]
"""(expression, zone, instant) -> the fires after the instant; all in seconds since 1970."""
ORDINARY = ("0 9 * * 1-5", "*/15 * * * *", "30 2 * * *", "0 0 * * 0", "0 */6 * * *", "0 0 1 * *")


def holdwater(expression: str, zone: str, after: int) -> Iterator[int]:
    cron, at = Cron(expression, zone), after * 1_000_000
    while (following := cron.next_after(at)) is not None:
        at = following
        yield at // 1_000_000


def cronsim(expression: str, zone: str, after: int) -> Iterator[int]:
    from cronsim import CronSim

    for found in CronSim(expression, datetime.fromtimestamp(after, ZoneInfo(zone))):
        yield int(found.timestamp())


def croniter(expression: str, zone: str, after: int) -> Iterator[int]:
    from croniter import croniter as Croniter

    it = Croniter(expression, datetime.fromtimestamp(after, ZoneInfo(zone)))
    while True:
        yield int(it.get_next(datetime).timestamp())


def apscheduler(expression: str, zone: str, after: int) -> Iterator[int]:
    from apscheduler.triggers.cron import CronTrigger

    trigger = CronTrigger.from_crontab(expression, ZoneInfo(zone))
    previous, now = None, datetime.fromtimestamp(after + 1, UTC)
    while (found := trigger.get_next_fire_time(previous, now)) is not None:
        yield int(found.timestamp())
        previous, now = found, found.astimezone(UTC) + timedelta(microseconds=1)


def fires(walk: Walk, expression: str, zone: str, start: int, end: int) -> list[int] | None:
    """The fires in [start, end); None where the library refuses the expression."""
    found: list[int] = []
    try:
        for instant in walk(expression, zone, start - 1):
            if instant >= end or len(found) > 50_000:
                break
            found.append(instant)
    except Exception:
        return None
    return found


def compare(walk: Walk, wanted: list[str], changes: list[tuple[str, int]]) -> tuple[int, int, int, int]:
    """(mismatches, compared, of another dialect, refused)"""
    fields = {e: Fields(e) for e in wanted}
    refused, dialect = set(), set()
    for month in range(1, 13, 3):
        start = int(datetime(2025, month, 10, tzinfo=UTC).timestamp())
        clocks = Clocks("UTC", start, start + 30 * DAY)
        for e in wanted:
            found = fires(walk, e, "UTC", start, start + 30 * DAY)
            if found is None:
                refused.add(e)
            elif found != clocks.fires(fields[e], start, start + 30 * DAY):
                dialect.add(e)
    left = [e for e in wanted if e not in refused | dialect]
    wrong = 0
    for zone, at in changes:
        clocks = Clocks(zone, at - 3 * DAY, at + 2 * DAY + DAY // 4)
        start, end = at - 2 * DAY, at + 2 * DAY
        wrong += sum(fires(walk, e, zone, start, end) != clocks.fires(fields[e], start, end) for e in left)
    return wrong, len(left) * len(changes), len(dialect), len(refused)


def speed(walk: Walk) -> float:
    """Microseconds per next on ordinary expressions in one zone, best of five."""
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    times = []
    for _ in range(5):
        began, count = time.perf_counter(), 0
        for expression in ORDINARY:
            for _, _ in zip(range(500), walk(expression, "Europe/Berlin", start)):
                count += 1
        times.append((time.perf_counter() - began) / count * 1e6)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=10, help="take every n-th change of the clocks (default 10)")
    changes = transitions()[:: parser.parse_args().every]
    wanted = [e for e in expressions() if len(e.split()) == 5]
    print(f"{len(wanted)} expressions, {len(changes)} changes of the clocks")
    print(f"{'':12}{'mismatches':>11}{'of':>7}{'other dialect':>15}{'refused':>9}{'us per next':>13}")
    for name, walk in (
        ("holdwater", holdwater),
        ("cronsim", cronsim),
        ("croniter", croniter),
        ("apscheduler", apscheduler),
    ):
        try:
            __import__(name)
        except ImportError:
            print(f"{name:12} is not installed")
            continue
        wrong, compared, dialect, refused = compare(walk, wanted, changes)
        print(f"{name:12}{wrong:11}{compared:7}{dialect:15}{refused:9}{speed(walk):13.1f}", flush=True)


if __name__ == "__main__":
    main()
