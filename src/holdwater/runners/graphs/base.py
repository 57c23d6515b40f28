"""Base class of runners of graphs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

from holdwater.runners.graphs.capabilities import RunnerCapabilities
from holdwater.runners.graphs.local.nesting import to_columns
from holdwater.runners.graphs.local.run_outcome import RunOutcome

if TYPE_CHECKING:
    from holdwater.graphs.graph import Graph
    from holdwater.graphs.nodes.nested import GraphNode
    from holdwater.runners.graphs.local.run_context import RunContext

MapMode = Literal["zip", "product"]


class BaseRunner(ABC):
    """A runner of graphs.  Subclasses can also run nested graphs: `graph.as_node(runner=...)`."""

    @property
    @abstractmethod
    def capabilities(self) -> RunnerCapabilities:
        """The features this runner supports."""

    @abstractmethod
    def run(self, graph: Graph, inputs: dict[str, Any], **kwargs: Any) -> Any:
        """Run a graph once; returns a mapping of its outputs, or a coroutine of one."""

    @abstractmethod
    def map(
        self,
        graph: Graph,
        inputs: dict[str, Any],
        *,
        map_over: str | list[str],
        map_mode: MapMode = "zip",
        **kwargs: Any,
    ) -> Any:
        """Run a graph for each item of the mapped inputs; returns a list of mappings, or a coroutine of one."""

    def run_inside(
        self, node: GraphNode, inputs: dict[str, Any], run_context: RunContext
    ) -> RunOutcome | Awaitable[RunOutcome]:
        """Run the graph of a node within an outer run, by `run` and `map`."""
        given, wanted = node.inner_inputs(inputs), list(node.inner_selection)
        config, graph = node.map_config, cast("Graph", node.graph)
        if config is None:
            result = self.run(graph, given, select=wanted)
        else:
            params = [node.param(name) for name in config.params]
            result = self.map(graph, given, map_over=params, map_mode=config.mode, select=wanted)
        if self.capabilities.returns_coroutine:
            return _to_outcome_async(node, result)
        return _to_outcome(node, result)


def _to_outcome(node: GraphNode, result: Any) -> RunOutcome:
    if node.map_config is not None:
        return RunOutcome(to_columns(node, [dict(item) for item in result]))
    assert isinstance(result, Mapping)
    return RunOutcome(dict(result), getattr(result, "error", None), tuple(getattr(result, "pauses", ())))


async def _to_outcome_async(node: GraphNode, result: Awaitable[Any]) -> RunOutcome:
    return _to_outcome(node, await result)
