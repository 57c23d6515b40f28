"""The colours of the picture and the page, for light and for dark surroundings."""

from __future__ import annotations

from typing import Final

LIGHT: Final = {
    "paper": "#fdfdfc",
    "ink": "#1c2127",
    "muted": "#5f6872",
    "grid": "#e4e6e9",
    "range": "#f8dcc6",
    "band": "#f0a877",
    "mean": "#b8420f",
    "usual": "#33475b",
    "rain": "#3b82b8",
}
DARK: Final = {
    "paper": "#14181d",
    "ink": "#e8eaed",
    "muted": "#9ba5b0",
    "grid": "#2a3038",
    "range": "#3c2a20",
    "band": "#80492a",
    "mean": "#ffa366",
    "usual": "#d5dee8",
    "rain": "#5aa7df",
}

# Rules, not variables: simple SVG programs know classes, but no var().
_CSS_RULES: Final = """\
.w-paper {{ fill: {paper} }}
.w-title {{ fill: {ink}; font-size: 21px; font-weight: 600 }}
.w-panel {{ fill: {ink}; font-size: 13px; font-weight: 600 }}
.w-label {{ fill: {ink}; font-size: 12px }}
.w-small {{ fill: {muted}; font-size: 12px }}
.w-year {{ fill: {ink}; font-size: 13px; font-weight: 600 }}
.w-grid {{ stroke: {grid}; stroke-width: 1 }}
.w-axis {{ stroke: {muted}; stroke-width: 1 }}
.w-range {{ fill: {range} }}
.w-band {{ fill: {band} }}
.w-mean {{ fill: none; stroke: {mean}; stroke-width: 2.2; stroke-linejoin: round }}
.w-dot {{ fill: {mean}; stroke: {paper}; stroke-width: 0.8 }}
.w-mark {{ fill: {paper}; stroke: {mean}; stroke-width: 1.8 }}
.w-usual {{ fill: none; stroke: {usual}; stroke-width: 1.5; stroke-dasharray: 5 3.5 }}
.w-rain {{ fill: {rain} }}
"""


def picture_style() -> str:
    """Return the CSS of the picture, with dark colours under `prefers-color-scheme: dark`."""
    font = 'text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif }\n'
    return f"{font}{_CSS_RULES.format(**LIGHT)}@media (prefers-color-scheme: dark) {{\n{_CSS_RULES.format(**DARK)}}}\n"
