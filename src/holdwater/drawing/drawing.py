"""A drawing as a notebook shows it and a file keeps it."""

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
    """`svg` is the source of the drawing, `html` that of a page of its own."""

    def __init__(self, name: str, svg: str, theme: Theme) -> None:
        self.name, self.svg, self.theme = name, svg, theme

    @property
    def html(self) -> str:
        return render_page(self.name, self.svg, self.theme)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a page (`.html`) or the bare drawing (`.svg`).  Raises GraphConfigError for another suffix."""
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
    """Raises GraphConfigError for an unknown theme."""
    if theme not in get_args(Theme):
        raise GraphConfigError(f"the theme of a drawing is one of {', '.join(get_args(Theme))}, not {theme!r}")
    return Drawing(picture.name, render_svg(picture, theme), theme)
