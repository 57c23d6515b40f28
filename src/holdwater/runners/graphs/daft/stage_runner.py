"""Runners of graphs nested in a stage that are run by their machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from holdwater.runners.graphs.capabilities import RunnerCapabilities
from holdwater.runners.graphs.local import sync_driver
from holdwater.runners.graphs.local.run_outcome import RunOutcome
from holdwater.runners.graphs.local.threads import run_in_own_loop

if TYPE_CHECKING:
    from holdwater.graphs.nodes.nested import GraphNode
    from holdwater.runners.graphs.local.run_context import RunContext


def daft_capabilities() -> RunnerCapabilities:
    """Return the features of graphs over rows of DataFrames."""
    return RunnerCapabilities(
        supports_cycles=False, supports_gates=False, supports_async_nodes=True, supports_distributed=True
    )


class StageRunner:
    """Runs nested graphs in the process of the stage."""

    capabilities = daft_capabilities()

    def run_inside(self, node: GraphNode, inputs: dict[str, Any], run_context: RunContext) -> RunOutcome:
        """Run the graph of a node, with the cache of the outer run."""
        if not node.graph.has_async_nodes:
            return sync_driver.run_graph_node(node, inputs, run_context)
        inner = replace(run_context, runner=AsyncStageRunner())
        return run_in_own_loop(lambda: AsyncStageRunner().run_inside(node, inputs, inner))


class AsyncStageRunner:
    """Runs nested graphs in the loop of the stage."""

    capabilities = RunnerCapabilities(supports_async_nodes=True, returns_coroutine=True)

    async def run_inside(self, node: GraphNode, inputs: dict[str, Any], run_context: RunContext) -> RunOutcome:
        """Run the graph of a node, with the cache of the outer run."""
        from holdwater.runners.graphs.local import async_map

        return await async_map.run_graph_node(node, inputs, run_context)
