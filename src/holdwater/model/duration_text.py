"""Durations in words."""

from __future__ import annotations

from datetime import timedelta


def format_duration(value: timedelta | float | None) -> str:
    """Format a duration with few significant digits; empty for None."""
    if value is None:
        return ""
    s = value.total_seconds() if isinstance(value, timedelta) else value
    if s < 0.01:
        return "< 0.1 ms" if 0 < s < 0.00005 else f"{s * 1000:.1f} ms"
    if s < 1:
        return f"{s * 1000:.0f} ms"
    if s < 60:
        return f"{s:.2f} s"
    minutes, s = divmod(round(s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {s:02d} s"
