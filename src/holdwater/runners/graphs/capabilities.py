"""What runners of graphs can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdwater.graphs.runner_compatibility import validate_runner_compatibility

if TYPE_CHECKING:
    from holdwater.graphs.graph_protocol import GraphProtocol


@dataclass
class RunnerCapabilities:
    """What a runner supports.  `returns_coroutine`: its `run` has to be awaited."""

    supports_cycles: bool = True
    supports_gates: bool = True
    supports_interrupts: bool = False
    supports_async_nodes: bool = False
    supports_streaming: bool = False
    supports_distributed: bool = False

    returns_coroutine: bool = False

    def validate_graph(self, graph: GraphProtocol) -> None:
        """Raise IncompatibleRunnerError if the graph, or one nested in it, needs what is not supported."""
        validate_runner_compatibility(graph, CapabilitiesOnlyRunner(self))


@dataclass(frozen=True)
class CapabilitiesOnlyRunner:
    """Some runner of which only the capabilities are known."""

    capabilities: RunnerCapabilities
