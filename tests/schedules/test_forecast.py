from __future__ import annotations

from datetime import UTC, datetime

import pytest

from holdwater.model.time import Micros, from_datetime
from holdwater.schedules import Cron, upcoming_fires

US = 1_000_000


def micros(text: str) -> Micros:
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))


NOTES = [
    ("30 2 * * *", "America/New_York", "2026-03-08 00:00", 1,
     "03:00 -0400", "02:30 is skipped: the clocks go from 02:00 to 03:00; fires right after"),
    ("0,30 1-3 * * *", "Europe/Berlin", "2026-03-29 00:45", 1,
     "03:00 +0200", "02:00 and 02:30 are skipped: the clocks go from 02:00 to 03:00; 3 fires become one"),
    ("0 0 * * *", "America/Sao_Paulo", "2018-11-03 12:00", 1,
     "01:00 -0200", "00:00 is skipped: the clocks go from 00:00 to 01:00; fires right after"),
    ("0 9 * * *", "Pacific/Apia", "2011-12-29 20:00", 1,
     "00:00 +1400", "09:00 is skipped: the clocks go from 00:00 to 00:00 of the next day; fires right after"),
    ("30 1 * * *", "America/New_York", "2026-11-01 00:00", 1,
     "01:30 -0400", "01:30 comes twice: the clocks go back; fires at the first only"),
    ("30 * * * *", "America/New_York", "2026-11-01 05:00", 1,
     "01:30 -0400", "01:30 comes twice: the clocks go back; this is the first"),
    ("30 * * * *", "America/New_York", "2026-11-01 05:00", 2,
     "01:30 -0500", "01:30 comes twice: the clocks go back; this is the second"),
    ("*/10 * * * *", "America/New_York", "2026-03-08 06:50", 1,
     "03:00 -0400", "before it 02:00, 02:10, 02:20, 02:30 and 2 more are skipped and not fired: "
                    "the clocks go from 02:00 to 03:00"),
    ("15 1,2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00", 2,
     "02:30 +1100", "02:15 is skipped: the clocks go from 02:00 to 02:30; fires right after"),
    ("0 9 * * *", "America/New_York", "2026-03-08 00:00", 1, "09:00 -0400", ""),
    ("0 9 * * *", "UTC", "2026-03-08 00:00", 1, "09:00 +0000", ""),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "zone", "after", "which", "shown", "note"), NOTES)
def test_notes(expression: str, zone: str, after: str, which: int, shown: str, note: str) -> None:
    fire = upcoming_fires(Cron(expression, zone), micros(after), which)[-1]
    assert (f"{fire.local:%H:%M %z}", fire.note) == (shown, note)
    assert fire.utc == fire.local
    assert fire.utc.tzinfo is UTC
    assert int(fire.utc.timestamp()) * US == fire.at


def test_a_year_of_days_has_two_notes() -> None:
    fires = upcoming_fires(Cron("30 2 * * *", "Europe/Berlin"), micros("2026-01-01 00:00"), 365)
    assert [(f.local.month, bool(f.note)) for f in fires if f.note] == [(3, True), (10, True)]


def test_no_fire_left() -> None:
    assert upcoming_fires(Cron("* 2 * 3 SUN#2", "America/New_York"), micros("2026-01-01 00:00"), 5) == ()
    assert upcoming_fires(Cron("@daily"), micros("2026-01-01 00:00"), 0) == ()


def test_many_changes_between_two_fires_are_one_note() -> None:
    first = upcoming_fires(Cron("*/30 2 29 3 *", "Europe/Berlin"), micros("2026-01-01 00:00"), 1)[0]
    assert first.local.year == 2027
    assert first.note == "before it 02:00 and 02:30 are skipped and not fired: the clocks go from 02:00 to 03:00"
