"""Style sheets of graphs with states, for drawings that stand alone; pages have their own."""

from __future__ import annotations

from typing import Final

from holdwater.drawing.colours import Theme

_LIGHT: Final = {
    "page": "#ffffff", "panel": "#ffffff", "line": "#d0d7de", "text": "#1f2328", "muted": "#59636e", "edge": "#8c959f",
    "completed": "#1a7f37", "failed": "#cf222e", "running": "#0969da", "queued": "#6e7781", "waiting": "#8250df",
    "awaiting_input": "#9a6700", "paused": "#9a6700", "skipped": "#8c959f", "cancelled": "#6e7781",
    "orphaned": "#cf222e", "pending": "#afb8c1",
}  # fmt: skip
_DARK: Final = {
    "page": "#0d1117", "panel": "#151b23", "line": "#3d444d", "text": "#e6edf3", "muted": "#9198a1", "edge": "#6e7681",
    "completed": "#3fb950", "failed": "#f85149", "running": "#4493f8", "queued": "#9198a1", "waiting": "#ab7df8",
    "awaiting_input": "#d29922", "paused": "#d29922", "skipped": "#6e7681", "cancelled": "#9198a1",
    "orphaned": "#f85149", "pending": "#59636e",
}  # fmt: skip
_COMMON: Final = ("page", "panel", "line", "text", "muted", "edge")

_RULES: Final = (
    ".hw-graph text{font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:13px;fill:var(--hw-text)}"
    ".hw-graph .name{font-weight:600}.hw-graph .about{font-size:11.5px;fill:var(--hw-muted)}"
    ".hw-graph .label,.hw-graph .turn{font-size:11px;fill:var(--hw-muted);paint-order:stroke;"
    "stroke:var(--hw-page);stroke-width:4px}"
    ".hw-page{fill:var(--hw-page)}.hw-graph .card{fill:var(--hw-panel);stroke:var(--hw-line)}"
    ".hw-graph .side{fill:var(--hw-state,var(--hw-line))}.hw-graph .mark{color:var(--hw-state)}"
    ".hw-graph .glyph{fill:none;stroke:var(--hw-muted);stroke-width:1.4;stroke-linejoin:round;stroke-linecap:round}"
    ".hw-graph .frame{fill:none;stroke:var(--hw-line);stroke-dasharray:2 4;stroke-linecap:round}"
    ".hw-graph .track{fill:var(--hw-line)}.hw-graph :is(.done,.segment){fill:var(--hw-state)}"
    ".hw-graph .way{fill:none;stroke:var(--hw-edge);stroke-width:1.25}.hw-graph .arrowhead{fill:var(--hw-edge)}"
    ".hw-graph .control .way{stroke-dasharray:5 4}.hw-graph .ordering .way{stroke-dasharray:1.5 4;stroke-linecap:round}"
    ".hw-graph .taken .way{stroke-dasharray:none;stroke-width:1.75}"
    ".hw-graph .edge.faded{opacity:.45}.hw-graph .faded .way{stroke-dasharray:5 4}"
    ".hw-graph .state-skipped .name{fill:var(--hw-muted)}.hw-graph .state-pending .name{fill:var(--hw-muted)}"
    ".hw-graph.has-selection .node:not(.related),.hw-graph.has-selection .edge:not(.related){opacity:.3}"
    ".hw-graph .selected .card{stroke:var(--hw-running);stroke-width:2}"
)


def make_graph_stylesheet(theme: Theme) -> str:
    """Build the style sheet; `auto` follows `prefers-color-scheme`."""
    if theme == "auto":
        return f"{_variables(_LIGHT)}@media(prefers-color-scheme:dark){{{_variables(_DARK)}}}{_RULES}"
    return _variables(_DARK if theme == "dark" else _LIGHT) + _RULES


def _variables(colours: dict[str, str]) -> str:
    common = ";".join(f"--hw-{name}:{colours[name]}" for name in _COMMON)
    states = "".join(
        f".hw-graph .state-{name}{{--hw-state:{colour}}}" for name, colour in colours.items() if name not in _COMMON
    )
    return f".hw-graph{{{common};--hw-running:{colours['running']}}}{states}"
