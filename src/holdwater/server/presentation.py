"""Texts of pages: instants, durations, counts, ids, and characters that would not be seen.

The module of the pages writes relative times in the same words, as time goes on (`static/lib.js`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from markupsafe import Markup, escape

from holdwater.model.short_error import short_error
from holdwater.model.time import Micros, seconds_between, to_datetime
from holdwater.runs.info import RunInfo

MAX_RELATIVE_DAYS: Final = 60
"""an instant further away is written as a date"""
_UNITS: Final = ((48 * 3600, 86_400, "d"), (3600, 3600, "h"), (60, 60, "min"), (1, 1, "s"))
"""(from so many seconds on, seconds of one, its name)"""
_UNSEEN: Final = re.compile(
    "\x1b\\[[0-9;:]*[A-Za-z]|"
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
"""colours of terminals; characters that control, reorder or hide; lone surrogates"""
_CODE: Final = re.compile(r"`([^`\s](?:[^`\n]*[^`\s])?)`")
_GENERATED_ID: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


def relative_time(at: Micros, now: Micros) -> str:
    """`just now`, `12 s ago`, `3 min ago`, `in 4 h`, `5 d ago`; a date beyond `MAX_RELATIVE_DAYS`."""
    seconds = abs(seconds_between(at, now))
    if seconds < 1:
        return "just now"
    if seconds >= MAX_RELATIVE_DAYS * 86_400:
        return to_datetime(at).strftime("%Y-%m-%d")
    text = rough_duration(seconds)
    return f"{text} ago" if at <= now else f"in {text}"


def rough_duration(seconds: float) -> str:
    """`12 s`, `3 min`, `4 h`, `5 d`: the largest unit that fits, rounded down."""
    for least, size, unit in _UNITS:
        if seconds >= least:
            return f"{int(seconds // size):,} {unit}"
    return "0 s"


def absolute_time(at: Micros) -> str:
    """`2026-11-30 12:01:07 UTC`."""
    return to_datetime(at).strftime("%Y-%m-%d %H:%M:%S UTC")


def machine_time(at: Micros) -> str:
    """`2026-11-30T12:01:07.123Z`, for the attribute of a `<time>` element."""
    return to_datetime(at).isoformat(timespec="milliseconds")[:-6] + "Z"


def format_duration(seconds: float | None) -> str:
    """`0.4 ms`, `850 ms`, `4.2 s`, `1 min 05 s`, `2 h 05 min`, `3 d 4 h`; empty for None."""
    if seconds is None:
        return ""
    if seconds < 0.9995:
        if seconds < 0.01:
            return "< 0.1 ms" if 0 < seconds < 0.00005 else f"{seconds * 1000:.1f} ms"
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days:,} d {hours} h"
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def elapsed_seconds(start: Micros | None, end: Micros | None, now: Micros) -> float | None:
    """Return the seconds from `start` to `end`, until now if there is no end, None if there is no start."""
    return None if start is None else max(0.0, seconds_between(start, now if end is None else end))


def capped_count(number: int, has_more: bool = False) -> str:
    """`1,234`, or `10,000+` where counting has stopped."""
    return f"{number:,}+" if has_more else f"{number:,}"


def byte_count(number: int) -> str:
    """`512 B`, `1.5 kB`, `12 MB`, in powers of 1,000."""
    size = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 9.95 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def pluralize(number: int, noun: str) -> str:
    """`1 run`, `2 runs`, `1,234 runs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def short_id(run_id: str) -> str:
    """Return the random end of a generated id (its beginning is a time), with the path of a child; else all of it."""
    root, slash, rest = run_id.partition("/")
    return (root[-8:] if _GENERATED_ID.fullmatch(root) else root) + slash + rest


def run_word(state: str) -> str:
    """Return the word for the status of a run, or for the state of its activity: `Running`, `Waits for an answer`."""
    return "Waits for an answer" if state == "waiting for an answer" else state[:1].upper() + state[1:]


def run_detail(run: RunInfo) -> str:
    """Return what one asks next of a run: its error, why it is paused, its question, or where it is executed."""
    activity = run.activity
    if run.error:
        return short_error(run.error)
    if run.reason:
        return run.reason
    if activity is not None and activity.answer_name:
        return f"waits for {activity.answer_name}"
    if activity is None or activity.host is None:
        return ""
    return f"{activity.state} on {activity.host}, process {activity.pid}" if activity.pid else f"on {activity.host}"


def visible(text: object) -> Markup:
    """Escape a text for HTML, and show the characters in it that would not be seen, marked, as `\\x1b`."""
    parts, end = [], 0
    whole = str(text)
    for found in _UNSEEN.finditer(whole):
        shown = found[0].encode("unicode_escape").decode("ascii")
        parts += [escape(whole[end : found.start()]), Markup('<span class="ctl">{}</span>').format(shown)]
        end = found.end()
    parts.append(escape(whole[end:]))
    return Markup("").join(parts)


def message(text: object) -> Markup:
    """Escape a message or a hint for HTML, as `visible` does, with its `code` as `<code>`."""
    parts = _CODE.split(str(text))
    return Markup("").join(
        [Markup("<code>{}</code>").format(visible(part)) if k % 2 else visible(part) for k, part in enumerate(parts)]
    )


def first_line(text: object, limit: int = 300) -> Markup:
    """Return the first line of a text, cut to `limit` characters; an ellipsis stands for what is left out."""
    first, _, more = str(text).strip().partition("\n")
    shown = first[:limit]
    return visible(f"{shown} …" if more or len(first) > limit else shown)


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "absolute": absolute_time,
    "bytes": byte_count,
    "capped": capped_count,
    "duration": format_duration,
    "first_line": first_line,
    "machine_time": machine_time,
    "message": message,
    "pluralize": pluralize,
    "relative": relative_time,
    "rough": rough_duration,
    "run_detail": run_detail,
    "run_word": run_word,
    "short_id": short_id,
    "visible": visible,
}
"""filters of the templates"""
