"""Features of runners of graphs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdwater.graphs.runner_compatibility import validate_runner_compatibility

if TYPE_CHECKING:
    from holdwater.graphs.graph_protocol import GraphProtocol


@dataclass
class RunnerCapabilities:
    """The features a runner supports.  `returns_coroutine`: its `run` must be awaited."""

    supports_cycles: bool = True
    supports_gates: bool = True
    supports_interrupts: bool = False
    supports_async_nodes: bool = False
    supports_streaming: bool = False
    supports_distributed: bool = False

    returns_coroutine: bool = False

    def validate_graph(self, graph: GraphProtocol) -> None:
        """Check that a graph and those nested in it need no other features.  Raises IncompatibleRunnerError."""
        validate_runner_compatibility(graph, CapabilitiesOnlyRunner(self))


@dataclass(frozen=True)
class CapabilitiesOnlyRunner:
    """A runner of which only the capabilities are known."""

    capabilities: RunnerCapabilities
