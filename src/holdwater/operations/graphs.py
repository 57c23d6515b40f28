"""The graphs of runs and workflows as pictures, from their stored plans: no code of a workflow is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from holdwater.drawing.colours import Theme
from holdwater.drawing.folded_svg import render_folded
from holdwater.drawing.folding import MAX_DRAWN_BOXES, fold_levels
from holdwater.drawing.graph_layout import GraphLayout, layout_graph
from holdwater.drawing.graph_state import GraphState
from holdwater.drawing.graph_svg import GraphOptions, render_graph
from holdwater.drawing.picture import Picture
from holdwater.drawing.plan_pictures import picture_of
from holdwater.drawing.text import render_tree
from holdwater.model.time import Micros
from holdwater.operations.catalog import WorkflowInfo, WorkflowNodeInfo
from holdwater.operations.databases import Database
from holdwater.operations.graph_layouts import GraphLayouts
from holdwater.operations.graph_states import graph_state
from holdwater.runs.view import RunView


@dataclass(frozen=True, slots=True)
class AnnouncedNodes:
    """Facts about nodes that no plan has, of the code that was announced last.

    `max_attempts`: by name, where it is more than one.  `nested`: names of those whose child runs have a workflow.
    `branches`: by name of a gate or a step that jumps, the names it may lead to ("": the end) -> the decision.
    """

    max_attempts: Mapping[str, int] = field(default_factory=dict)
    nested: frozenset[str] = frozenset()
    branches: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


NOTHING_ANNOUNCED: Final = AnnouncedNodes()


@dataclass(frozen=True, slots=True)
class RunGraph:
    """The picture of a run, and the states of its nodes at one instant.  `structure`: of its plan."""

    picture: Picture
    state: GraphState
    structure: str

    def to_svg(self, theme: Theme | None = "auto", layouts: GraphLayouts | None = None) -> str:
        """Render the graph as SVG, folded if it has more than `MAX_DRAWN_BOXES`.

        Without a theme, the colours are those of the page it is put into.  `layouts`: where its layout is kept.
        Raises StoreError with `layouts`.
        """
        return _render(self.picture, self.state, theme, layouts)

    def to_text(self, encoding: str | None = "utf-8") -> str:
        """Render an outline with a mark before each node, in characters that the encoding has."""
        return render_tree(self.picture, self.state, encoding)


def graph_of_run(run: RunView, now: Micros, announced: AnnouncedNodes = NOTHING_ANNOUNCED) -> RunGraph:
    """Return the graph of a run.  `now`: microseconds since the epoch.  Raises StoreError."""
    picture = picture_of(run.plan, {*run.child_counts, *announced.nested}, announced.branches)
    return RunGraph(picture, graph_state(run, now, announced.max_attempts), run.plan.structure)


def announced_nodes(database: Database, run: RunView) -> AnnouncedNodes:
    """Return what is announced about the nodes of a run, if its workflow still has this plan.  Raises StoreError."""
    row = database.store.get_workflow(run.info.workflow)
    if row is None or run.plan.structure not in row.structures:
        return NOTHING_ANNOUNCED
    return announced_facts([WorkflowNodeInfo.of(node) for node in row.nodes])


def announced_facts(nodes: Iterable[WorkflowNodeInfo]) -> AnnouncedNodes:
    """Return what announced nodes say that no plan has."""
    known = list(nodes)
    attempts = {node.name: (node.retry or {}).get("max_attempts", 1) for node in known}
    return AnnouncedNodes(
        {name: count for name, count in attempts.items() if count > 1},
        frozenset([node.name for node in known if node.child_workflow]),
        {node.name: node.branches for node in known if node.branches},
    )


def picture_of_workflow(workflow: WorkflowInfo) -> Picture:
    """Return the picture of an announced workflow, without boxes if its plan is not known."""
    if workflow.plan is None:
        return Picture(workflow.name)
    nested = [node.name for node in workflow.nodes if node.child_workflow]
    return picture_of(workflow.plan, nested, {node.name: node.branches for node in workflow.nodes if node.branches})


def draw_workflow(workflow: WorkflowInfo, theme: Theme | None = "auto", layouts: GraphLayouts | None = None) -> str:
    """Render an announced workflow as SVG, as `RunGraph.to_svg` does a run.  Raises StoreError with `layouts`."""
    return _render(picture_of_workflow(workflow), None, theme, layouts)


def _render(picture: Picture, state: GraphState | None, theme: Theme | None, layouts: GraphLayouts | None) -> str:
    if len(picture.boxes) > MAX_DRAWN_BOXES:
        levels = fold_levels(picture)
        counts = [level.counts(state or GraphState()) for level in levels]
        return render_folded(levels, counts, name=picture.name, theme=theme)
    layout: GraphLayout = layout_graph(picture) if layouts is None else layouts.get(picture)
    return render_graph(picture, layout, state, GraphOptions(theme))
