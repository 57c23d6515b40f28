"""Graphs without decisions: functions and nested graphs, each called exactly once, in a known order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from holdwater.errors import GraphConfigError
from holdwater.graphs.nodes.function import FunctionNode
from holdwater.graphs.nodes.nested import GraphNode

if TYPE_CHECKING:
    from holdwater.graphs.compile import CompiledGraph
    from holdwater.graphs.nodes.base import Node
    from holdwater.kernel import CompiledPlan


def find_straight_graph(
    compiled: CompiledGraph, input_names: frozenset[str], is_supported: Callable[[FunctionNode[..., Any]], bool]
) -> StraightGraph | None:
    """Lay out a graph; None if it has gates, loops or interrupts, or runs only in part with these inputs.

    `is_supported`: judges its functions.
    """
    compiled_plan = compiled.compiled_plan
    if any(loop is not None for loop in compiled_plan.loop_of) or not input_names.isdisjoint(
        compiled_plan.plan.aliases
    ):
        return None
    there = {compiled_plan.cell_index[name] for name in input_names if name in compiled.input_names}
    for node, reads, needed, rule in zip(
        compiled.nodes, compiled_plan.read_cells, compiled_plan.required_reads, compiled_plan.rule_tests, strict=True
    ):
        if rule is not None or any(len(cells) != 1 for cells in reads):
            return None
        if isinstance(node, GraphNode):
            if not _always_makes_outputs(node):
                return None
        elif not isinstance(node, FunctionNode) or not is_supported(node):
            return None
        if any(cells[0] not in there and cells[0] not in compiled_plan.written_cells for cells in needed):
            return None
    if any(len(cells) != 1 for _, cells in (*compiled.outputs, *compiled.partial_outputs)):
        return None
    return StraightGraph(compiled, input_names)


class StraightGraph:
    """A graph laid out for inputs of certain names: cells of values, and the order of the calls, that of a machine."""

    def __init__(self, compiled: CompiledGraph, input_names: frozenset[str]) -> None:
        self.compiled = compiled
        compiled_plan = compiled.compiled_plan
        self.input_cells = tuple(
            (compiled_plan.cell_index[name], name) for name in compiled_plan.plan.inputs if name in input_names
        )
        self.output_cells = tuple((name, cells[0]) for name, cells in compiled.outputs)
        self.partial_output_cells = tuple((name, cells[0]) for name, cells in compiled.partial_outputs)
        self.bound_cells = {
            compiled_plan.cell_index[name]: value
            for name, value in compiled.graph.bound.items()
            if name in compiled.input_names and compiled_plan.cell_index[name] not in compiled_plan.written_cells
        }
        """values bound to the graph by their cells; given inputs replace them"""
        self._available_cells = {*compiled_plan.written_cells, *(c for c, _ in self.input_cells), *self.bound_cells}
        self._bound_values = compiled.graph.bound_values
        self.node_order = tuple(_issue_order(compiled_plan))
        """indexes of the nodes"""

    def find_cell(self, name: str) -> int | None:
        """Return the cell of an input; None if no node reads it."""
        return self.compiled.compiled_plan.cell_index.get(name) if name in self.compiled.input_names else None

    def output_cells_of(self, i: int) -> tuple[int, ...]:
        """Return the cells that a node writes, in the order of its outputs."""
        return tuple(self.compiled.compiled_plan.write_cells[i])

    def split_arguments(self, i: int) -> tuple[list[tuple[str, int]], list[tuple[str, Callable[[], Any]]]]:
        """Split the arguments of a node: (input, cell), and (input, function that creates its value)."""
        call, reads = self.compiled.calls[i], self.compiled.compiled_plan.read_cells[i]
        cells = [(name, c) for name, (c,) in zip(call.node.inputs, reads) if c in self._available_cells]
        known = {name for name, _ in cells}
        return cells, [
            (name, value)
            for name, value in call.default_inputs
            if name not in known and (name in self._bound_values or not _can_use_own_default(call.node, name))
        ]


def _always_makes_outputs(node: GraphNode) -> bool:
    """Return True if the nested graph writes all its outputs for any inputs and with any runner."""
    todo = [node]
    while todo:
        node = todo.pop()
        if node.map_config is None:
            inner = node.graph
            if node.explicit_runner is not None or inner.has_gates or inner.has_cycles or inner.has_interrupts:
                return False
            todo += [one for one in inner.nodes.values() if isinstance(one, GraphNode)]
    return True


def _can_use_own_default(node: Node, name: str) -> bool:
    """Return True if the function's own default can be used, because its copy is the same object."""
    try:
        return isinstance(node, FunctionNode) and node.fresh_default_for(name) is node.get_default_for(name)
    except GraphConfigError:  # raised by the call that needs it
        return False


def _issue_order(compiled_plan: CompiledPlan) -> Iterator[int]:
    """Iterate over nodes in the order a machine issues them if each ends at once."""
    need = list(compiled_plan.indegree)
    queue = deque(compiled_plan.root_units)
    while queue:
        u = queue.popleft()
        yield compiled_plan.unit_members[u][0]
        for v in compiled_plan.successors[u]:
            need[v] -= 1
            if not need[v]:
                queue.append(v)
