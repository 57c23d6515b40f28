"""Colours and line styles of drawings, for light and dark pages."""

from __future__ import annotations

from typing import Final, Literal

Theme = Literal["auto", "light", "dark"]

_NAMES: Final = ("page", "text", "faint", "data", "control", "ordering", "back")
_LIGHT: Final = dict(zip(_NAMES, ("#ffffff", "#1f2328", "#59636e", "#6e7781", "#9a6700", "#8c959f", "#8250df")))
_DARK: Final = dict(zip(_NAMES, ("#0d1117", "#e6edf3", "#9198a1", "#8b949e", "#d29922", "#6e7681", "#a371f7")))

# fill and border of boxes by kind
_LIGHT_BOXES: Final = {
    "input": ("#eafbee", "#4ac26b"),
    "function": ("#f6f8fa", "#8c959f"),
    "route": ("#fff8e1", "#d4a72c"),
    "choice": ("#fff8e1", "#d4a72c"),
    "question": ("#fbefff", "#a475f9"),
    "graph": ("#e6f4ff", "#54aeff"),
    "wait": ("#fbefff", "#a475f9"),
    "end": ("#57606a", "#57606a"),
    "frame": ("#f4faff", "#54aeff"),
}
_DARK_BOXES: Final = {
    "input": ("#0f2a1a", "#2ea043"),
    "function": ("#1c2128", "#6e7681"),
    "route": ("#2d2410", "#bb8009"),
    "choice": ("#2d2410", "#bb8009"),
    "question": ("#26193d", "#8957e5"),
    "graph": ("#0c2541", "#388bfd"),
    "wait": ("#26193d", "#8957e5"),
    "end": ("#6e7681", "#6e7681"),
    "frame": ("#0b1726", "#388bfd"),
}


def make_stylesheet(theme: Theme) -> str:
    """Build the style sheet; `auto` follows `prefers-color-scheme`."""
    if theme == "auto":
        by_day, by_night = _theme_rules(_LIGHT, _LIGHT_BOXES), _theme_rules(_DARK, _DARK_BOXES)
        return f"{_BASE_RULES}{by_day}@media(prefers-color-scheme:dark){{{by_night}}}"
    return _BASE_RULES + (_theme_rules(_DARK, _DARK_BOXES) if theme == "dark" else _theme_rules(_LIGHT, _LIGHT_BOXES))


def page_colours(theme: Theme) -> tuple[str, str]:
    """Return the background colours of a page, (light, dark)."""
    day, night = _LIGHT["page"], _DARK["page"]
    return (night, night) if theme == "dark" else (day, day) if theme == "light" else (day, night)


_BASE_RULES: Final = (
    ".hw text{font-family:ui-sans-serif,system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:12px}"
    ".hw .title{font-size:13px;font-weight:600}"
    ".hw .label{font-size:11px}"
    ".hw .way{fill:none;stroke-width:1.4}"
    ".hw .control .way{stroke-dasharray:1 4;stroke-linecap:round;stroke-width:2}"
    ".hw .ordering .way{stroke-dasharray:6 4}"
    ".hw .frame rect{stroke-dasharray:5 3}"
)


def _theme_rules(colours: dict[str, str], boxes: dict[str, tuple[str, str]]) -> str:
    return "".join(
        [
            f".hw .page{{fill:{colours['page']}}}",
            f".hw .framed .page{{fill:{boxes['frame'][0]}}}",
            f".hw text{{fill:{colours['text']}}}",
            f".hw .line{{fill:{colours['faint']}}}",
            f".hw .end text{{fill:{colours['page']}}}",
            *(
                f".hw .{kind} .way{{stroke:{colours[kind]}}}.hw .{kind} .head{{fill:{colours[kind]}}}"
                for kind in ("data", "control", "ordering", "back")
            ),
            *(
                f".hw .{kind} .shape{{fill:{fill};stroke:{edge};stroke-width:1.3}}"
                for kind, (fill, edge) in boxes.items()
            ),
        ]
    )
