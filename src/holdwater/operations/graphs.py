"""The graphs of runs as pictures, from their stored plans: no code of a workflow is needed."""

from __future__ import annotations

from dataclasses import dataclass

from holdwater.drawing.colours import Theme
from holdwater.drawing.graph_layout import layout_graph
from holdwater.drawing.graph_state import GraphState
from holdwater.drawing.graph_svg import GraphOptions, render_graph
from holdwater.drawing.picture import Picture
from holdwater.drawing.plan_pictures import picture_of
from holdwater.drawing.text import render_tree
from holdwater.model.time import Micros
from holdwater.operations.graph_states import graph_state
from holdwater.runs.view import RunView


@dataclass(frozen=True, slots=True)
class RunGraph:
    """The picture of a run, and the states of its nodes at one instant."""

    picture: Picture
    state: GraphState

    def to_svg(self, theme: Theme | None = "auto") -> str:
        """Render the graph as SVG; without a theme, the colours are those of the page it is put into."""
        return render_graph(self.picture, layout_graph(self.picture), self.state, GraphOptions(theme))

    def to_text(self, encoding: str | None = "utf-8") -> str:
        """Render an outline with a mark before each node, in characters that the encoding has."""
        return render_tree(self.picture, self.state, encoding)


def graph_of_run(run: RunView, now: Micros) -> RunGraph:
    """Return the graph of a run.  `now`: microseconds since the epoch.  Raises StoreError."""
    return RunGraph(picture_of(run.plan, run.child_counts), graph_state(run, now))
