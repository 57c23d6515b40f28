"""Drawing methods of graphs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from holdwater.drawing.colours import Theme
    from holdwater.drawing.mermaid import Direction, Mermaid
    from holdwater.drawing.notebook import Drawing
    from holdwater.drawing.picture import Picture
    from holdwater.graphs.graph_protocol import GraphProtocol

MAX_NOTEBOOK_BOXES: Final = 500


class Drawable:
    """Base of Graph.  `depth`: number of unfolded levels of nested graphs.  Bound inputs are not drawn."""

    def to_mermaid(
        self, depth: int = 0, *, show_types: bool = True, show_inputs: bool = True, direction: Direction = "TD"
    ) -> Mermaid:
        """Render a Mermaid flow chart; `str()` returns its source.  Raises GraphConfigError for a wrong direction."""
        from holdwater.drawing.mermaid import render_mermaid

        return render_mermaid(self._make_picture(depth, show_types, show_inputs), direction)

    def to_text(self, depth: int = 0, *, show_types: bool = True, show_inputs: bool = True) -> str:
        """Render an outline: a line per node, in an order in which they can run."""
        from holdwater.drawing.text import render_tree

        return render_tree(self._make_picture(depth, show_types, show_inputs))

    def to_svg(
        self, depth: int = 0, *, show_types: bool = True, show_inputs: bool = True, theme: Theme = "auto"
    ) -> str:
        """Render a self-contained SVG drawing.  Raises GraphConfigError for an unknown theme."""
        return self.visualize(depth, show_types=show_types, show_inputs=show_inputs, theme=theme).svg

    def visualize(
        self,
        depth: int = 0,
        *,
        show_types: bool = True,
        show_inputs: bool = True,
        theme: Theme = "auto",
        filepath: str | os.PathLike[str] | None = None,
    ) -> Drawing:
        """Draw the graph for notebooks; with `filepath` the drawing is also written, as `.html` or `.svg`.

        Raises GraphConfigError for an unknown theme or suffix, OSError.
        """
        from holdwater.drawing.notebook import make_drawing

        made = make_drawing(self._make_picture(depth, show_types, show_inputs), theme)
        if filepath is not None:
            made.save(filepath)
        return made

    def _make_picture(self, depth: int, show_types: bool, show_inputs: bool) -> Picture:
        from holdwater.graphs.graph_picture import make_picture

        return make_picture(cast("GraphProtocol", self), depth, show_types=show_types, show_inputs=show_inputs)

    def _repr_html_(self) -> str | None:
        """Return the drawing for notebooks; None for a large graph, which is shown as text."""
        from holdwater.drawing.notebook import make_drawing

        picture = self._make_picture(0, True, True)
        return make_drawing(picture, "auto")._repr_html_() if len(picture.boxes) <= MAX_NOTEBOOK_BOXES else None
