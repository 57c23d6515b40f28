from __future__ import annotations

import pytest

from holdwater.model.time import Micros, from_rfc3339
from holdwater.server.presentation import (
    absolute_time,
    byte_count,
    capped_count,
    elapsed_seconds,
    first_line,
    format_duration,
    machine_time,
    message,
    relative_time,
    short_id,
    visible,
)

NOW = from_rfc3339("2026-11-30T12:00:00Z")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "just now"),
        (-0.4, "just now"),
        (12, "12 s ago"),
        (-59.9, "in 59 s"),
        (60, "1 min ago"),
        (3600, "1 h ago"),
        (-4 * 3600, "in 4 h"),
        (47 * 3600, "47 h ago"),
        (48 * 3600, "2 d ago"),
        (60 * 86_400, "2026-10-01"),
    ],
)
def test_relative_times(seconds: float, text: str) -> None:
    assert relative_time(Micros(NOW - round(seconds * 1e6)), NOW) == text


def test_absolute_times() -> None:
    at = from_rfc3339("2026-11-30T12:01:07.123456Z")
    assert absolute_time(at) == "2026-11-30 12:01:07 UTC"
    assert machine_time(at) == "2026-11-30T12:01:07.123Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.0004, "0.4 ms"),
        (0.00002, "< 0.1 ms"),
        (0.85, "850 ms"),
        (0.9999, "1.0 s"),
        (4.21, "4.2 s"),
        (59.96, "1 min 00 s"),
        (65, "1 min 05 s"),
        (7500, "2 h 05 min"),
        (3 * 86_400 + 4 * 3600, "3 d 4 h"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert format_duration(seconds) == text


def test_elapsed_seconds() -> None:
    later = Micros(NOW + 2_000_000)
    assert elapsed_seconds(NOW, None, later) == elapsed_seconds(NOW, later, NOW) == 2
    assert elapsed_seconds(None, None, NOW) is None
    assert elapsed_seconds(later, None, NOW) == 0  # clocks of two machines


def test_counts_and_sizes() -> None:
    assert (capped_count(10_000, True), capped_count(41)) == ("10,000+", "41")
    assert [byte_count(n) for n in (0, 999, 1500, 12_000_000)] == ["0 B", "999 B", "1.5 kB", "12 MB"]


def test_ids() -> None:
    assert short_id("01936c2e-7a1b-7abc-8def-0123456789ab") == "456789ab"
    assert short_id("01936c2e-7a1b-7abc-8def-0123456789ab/each/0") == "456789ab/each/0"
    assert short_id("mine") == "mine"


def test_characters_that_would_not_be_seen() -> None:
    assert visible("\x1b[31mred\u202e<b>") == (
        '<span class="ctl">\\x1b[31m</span>red<span class="ctl">\\u202e</span>&lt;b&gt;'
    )
    assert visible("👩\u200d🔧 مرحبا\n") == "👩\u200d🔧 مرحبا\n"


def test_code_in_messages_is_escaped_first() -> None:
    assert message("see `runs list <b>`, or `--help`\x1b") == (
        'see <code>runs list &lt;b&gt;</code>, or <code>--help</code><span class="ctl">\\x1b</span>'
    )
    assert message("one ` alone, `` and `a\nb`") == "one ` alone, `` and `a\nb`"


def test_the_first_line() -> None:
    assert first_line("a < b\nmore") == "a &lt; b …"
    assert first_line("x" * 400, 10) == "x" * 10 + " …"
    assert first_line("") == ""
