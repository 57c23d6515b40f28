"""A drawing for notebooks and files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

from holdwater.drawing.colours import Theme
from holdwater.drawing.html import render_page
from holdwater.drawing.picture import Picture
from holdwater.drawing.svg import render_svg
from holdwater.errors import GraphConfigError


class Drawing:
    """A drawing.  `svg`: its source.  `html`: the source of a page that shows it."""

    def __init__(self, name: str, svg: str, theme: Theme) -> None:
        self.name, self.svg, self.theme = name, svg, theme

    @property
    def html(self) -> str:
        return render_page(self.name, self.svg, self.theme)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a page (`.html`) or the drawing (`.svg`).  Raises GraphConfigError for another suffix, OSError."""
        file = Path(path)
        match file.suffix.lower():
            case ".html" | ".htm":
                file.write_text(self.html, encoding="utf-8")
            case ".svg":
                file.write_text(self.svg, encoding="utf-8")
            case suffix:
                raise GraphConfigError(
                    f"a drawing is written as .html or .svg, not {suffix or 'without a suffix'}: {file}",
                    hint="str(graph.to_mermaid()) is the source of a Mermaid chart",
                )
        return file

    def _repr_html_(self) -> str:
        return f'<div style="overflow:auto">{self.svg}</div>'

    def _repr_svg_(self) -> str:
        return self.svg


def make_drawing(picture: Picture, theme: Theme = "auto") -> Drawing:
    """Render a picture as SVG.  Raises GraphConfigError for an unknown theme."""
    if theme not in get_args(Theme):
        raise GraphConfigError(f"the theme of a drawing is one of {', '.join(get_args(Theme))}, not {theme!r}")
    return Drawing(picture.name, render_svg(picture, theme), theme)
