"""Graphs with the original's options."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Self

from holdwater import graphs
from holdwater.compat.hypergraph.unsupported import UnsupportedGraphMethods
from holdwater.compat.stubs import NotInThisVersion, stub_function
from holdwater.errors import GraphConfigError
from holdwater.graphs import GraphNode, InputSpec, validate_map_compatible, validate_runner_compatibility
from holdwater.graphs.build.scope import Scope
from holdwater.graphs.nodes.base import Node

_IGNORED_DRAWING_OPTIONS = ("separate_outputs", "show_bounded_inputs", "simplify", "colors")
"""options of drawings that have no effect"""


class Graph(graphs.Graph, UnsupportedGraphMethods):
    """Holdwater's graph, with the original's options."""

    def __init__(self, nodes: Iterable[Node], *, trace_io: object = False, **options: Any) -> None:
        """Create a graph.  `trace_io` has no effect: events always contain all values."""
        super().__init__(nodes, **options)

    def scope(
        self,
        select: Sequence[str] | None = None,
        entrypoint: str | Sequence[str] | None = None,
        provided: Iterable[str] = (),
    ) -> Scope:
        """Compute the scope as Holdwater does, but without a selection with all outputs, not only those of leaves."""
        found = super().scope(select, entrypoint, provided)
        if select is not None or self.selected is not None:
            return found
        return replace(found, outputs=found.partial_outputs)

    def as_node(self, *, complete_on_stop: bool = False, **options: Any) -> GraphNode:
        """Convert to a node as Holdwater does.  Raises NotInThisVersion for `complete_on_stop`."""
        if complete_on_stop:
            stub_function("complete_on_stop=", "a run that is cancelled goes on when it is run again")()
        return super().as_node(**options)

    def with_trace_io(self, *_: object, **__: object) -> Self:
        """Return the graph: events always contain all values."""
        return self

    @property
    def entrypoints_config(self) -> tuple[str, ...] | None:
        return self.entrypoints or None

    @property
    def default_event_processors(self) -> tuple[()]:
        return ()

    @property
    def nx_graph(self) -> Any:
        raise NotInThisVersion("nx_graph is not in this version of Holdwater", hint="use graph.nodes and graph.edges")

    def to_mermaid(self, depth: int = 0, **options: Any) -> Any:
        """Render as Holdwater does, ignoring the original's other options."""
        return super().to_mermaid(depth, **_drop_ignored_options(options))

    def visualize(self, depth: int = 0, **options: Any) -> Any:
        """Draw as Holdwater does, ignoring the original's other options."""
        return super().visualize(depth, **_drop_ignored_options(options))


def _drop_ignored_options(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in _IGNORED_DRAWING_OPTIONS}


__all__ = ["Graph", "GraphConfigError", "InputSpec", "validate_map_compatible", "validate_runner_compatibility"]
