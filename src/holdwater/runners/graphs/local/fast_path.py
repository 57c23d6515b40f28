"""Fast path for graphs without decisions: functions and nested graphs, each called exactly once.

It has two forms: for a single run a table of rows, which is cheap to build; for the items of a map a generated function
with one line per node.  All other graphs use the machine.  The order of calls is that of the machine, so that the same
nodes have run after an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from holdwater.errors import NodeReturnError
from holdwater.graphs.node_call import UNEVALUATED_TYPES, call_function
from holdwater.graphs.nodes.function import FunctionNode
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.model.cancellation_token import to_node_failure
from holdwater.model.context_isolation import context_copier
from holdwater.model.error_report import raw_attribute
from holdwater.runners.graphs.local import nesting
from holdwater.runners.graphs.local.call_lines import CallLines, compile_function, is_positional
from holdwater.runners.graphs.local.run_outcome import RunOutcome
from holdwater.runners.graphs.local.straight_graph import StraightGraph, find_straight_graph

if TYPE_CHECKING:
    from holdwater.graphs.compile import CompiledGraph
    from holdwater.graphs.map_items import MapItems
    from holdwater.graphs.nodes.base import Node
    from holdwater.runners.graphs.local.run_context import RunContext

T = TypeVar("T")

_UNSET: Final[Any] = type("Unset", (), {"__repr__": lambda self: "<not computed>"})()
_FIRST_NODE_LINE: Final = 3
"""line number of the first node in a generated function"""
MIN_ITEMS_TO_GENERATE: Final = 8
"""smallest number of items for which a function is generated; for fewer the table is faster"""

_Cells = list[Any]
_RowFunction = Callable[[_Cells, "RunContext"], None]


class _CallRow(NamedTuple):
    """A call of a node.

    `kind`: 1 or 2 for a function called with so many cells by position, 3 for more or none, 0 for all other calls.
    """

    kind: int
    function: Callable[..., Any]
    cells: Any
    output_cell: int


def compile_fast_path(compiled: CompiledGraph, input_names: frozenset[str]) -> FastPath | None:
    """Compile a graph; None if it has gates, loops or interrupts, or runs only in part with these inputs."""
    straight = find_straight_graph(compiled, input_names, _is_supported)
    return None if straight is None else FastPath(straight)


def _is_supported(node: FunctionNode[..., Any]) -> bool:
    return not node.is_async and node.retry is None and node.timeout is None


class FastPath:
    """A graph as a list of calls, for inputs of certain names."""

    def __init__(self, straight: StraightGraph) -> None:
        self.straight, self.compiled = straight, straight.compiled
        self._input_cells, self._output_cells = straight.input_cells, straight.output_cells
        self._partial_output_cells, self._node_order = straight.partial_output_cells, straight.node_order
        self._scratch_cell = len(self.compiled.compiled_plan.cell_index)
        self._initial_cells: _Cells = [_UNSET] * (self._scratch_cell + 1)
        for c, value in straight.bound_cells.items():
            self._initial_cells[c] = value
        self._rows = tuple(map(self._make_row, self._node_order))
        self._returns_checked = False
        self._cached_generate = lru_cache(maxsize=8)(self._generate)

    def run_once(self, inputs: dict[str, Any], run_context: RunContext) -> RunOutcome:
        """Run once, in this thread."""
        v, new = self._initial_cells.copy(), context_copier()
        for c, name in self._input_cells:
            v[c] = inputs[name]
        try:
            for kind, call, cells, out in self._rows:
                if kind == 1:
                    v[out] = new().run(call, v[cells])
                elif kind == 2:
                    v[out] = new().run(call, v[cells[0]], v[cells[1]])
                elif kind == 3:
                    v[out] = new().run(call, *[v[c] for c in cells])
                else:
                    call(v, run_context)
        except BaseException as raised:  # noqa: BLE001 - what is no failure is raised again
            error = to_node_failure(raised)
            nesting.note_node_location(error, self._find_node(call, cells, out))
            return self._failed_outcome(v, self._find_return_error(v) or error)
        if not self._returns_checked:  # checked in the first run only: the kind of a return value does not change
            refused = self._find_return_error(v)
            if refused is not None:
                return self._failed_outcome(v, refused)
            self._returns_checked = True
        return RunOutcome({name: v[c] for name, c in self._output_cells})

    def _failed_outcome(self, v: _Cells, error: BaseException) -> RunOutcome:
        return RunOutcome({name: v[c] for name, c in self._partial_output_cells if v[c] is not _UNSET}, error)

    def _find_return_error(self, v: _Cells) -> NodeReturnError | None:
        """Find a plain function that returned a coroutine, which is an error; a generator may be its value."""
        compiled_plan = self.compiled.compiled_plan
        for i in () if UNEVALUATED_TYPES.isdisjoint(map(type, v)) else self._node_order:
            for c in compiled_plan.write_cells[i]:
                try:
                    self.compiled.calls[i].resolve_returned(v[c])
                except NodeReturnError as error:
                    nesting.note_node_location(error, self.compiled.nodes[i])
                    return error
        return None

    def run_items(
        self,
        items: MapItems,
        run_context: RunContext,
        make_result: Callable[[dict[str, Any]], T],
        make_failed_result: Callable[[RunOutcome], T] | None,
    ) -> list[T]:
        """Run all items; returns their results in order.

        `make_result`: converts outputs.  `make_failed_result`: converts failures; None raises the first one.
        """
        rows, shared = items.rows, items.shared
        same = [shared[name] for _, name in self._input_cells if name in shared]
        one = self._cached_generate(items.params)(make_result, run_context, context_copier(), *same)
        # the generated function does not check return values, so the first item takes the table
        first = self.run_once(items.item_inputs(rows[0]), run_context).for_item(0)
        if first.error is not None and make_failed_result is None:
            raise first.error
        results = [
            make_result(first.outputs)
            if first.error is None or make_failed_result is None
            else make_failed_result(first)
        ]
        if make_failed_result is None:
            to_do = iter(rows[1:])
            try:
                return [*results, *[one(*row) for row in to_do]]
            except BaseException as raised:  # `_item_outcome` raises again what is not a failure
                end = self._item_outcome(raised, one, len(rows) - len([*to_do]) - 1)
                if end.error is raised:
                    raise
                assert end.error is not None
                raise end.error from raised
        for index, row in enumerate(rows[1:], 1):
            try:
                results.append(one(*row))
            except BaseException as raised:  # noqa: BLE001 - kept in the place of the item's result, if it is a failure
                results.append(make_failed_result(self._item_outcome(raised, one, index)))
        return results

    def _item_outcome(self, raised: BaseException, generated_function: Callable[..., Any], index: int) -> RunOutcome:
        """Build the outcome of a failed item, with its outputs so far: the generated function's local variables.

        Raises exceptions that are not failures (KeyboardInterrupt, SystemExit) again.
        """
        tb, left, error = raw_attribute(raised, "__traceback__"), dict[str, Any](), to_node_failure(raised)
        while tb is not None and tb.tb_frame.f_code is not generated_function.__code__:
            tb = tb.tb_next
        if tb is not None:
            found = tb.tb_frame.f_locals
            left = {name: found[f"v{c}"] for name, c in self._partial_output_cells if f"v{c}" in found}
            place = tb.tb_lineno - _FIRST_NODE_LINE
            if place < len(self._node_order):
                nesting.note_node_location(error, self.compiled.nodes[self._node_order[place]])
        return RunOutcome(left, error).for_item(index)

    def _find_node(self, function: Any, cells: Any, output_cell: int) -> Node:
        """Find the node of a row for an error; rows do not contain it, to keep successful runs fast."""
        rows = zip(self._node_order, self._rows)
        i = next(
            i for i, row in rows if row.function is function and row.cells is cells and row.output_cell == output_cell
        )
        return self.compiled.nodes[i]

    # -- the table

    def _make_row(self, i: int) -> _CallRow:
        compiled = self.compiled
        call, node, out = compiled.calls[i], compiled.nodes[i], compiled.compiled_plan.write_cells[i]
        wired, fresh = self.straight.split_arguments(i)
        if isinstance(node, FunctionNode) and is_positional(node, wired, fresh) and len(node.data_outputs) < 2:
            cells = [c for _, c in wired]
            target = out[0] if node.data_outputs else self._scratch_cell
            kind = len(cells) if 0 < len(cells) < 3 else 3
            return _CallRow(kind, node.func, cells[0] if kind == 1 else cells, target)
        if isinstance(node, GraphNode):
            return _CallRow(0, _make_nested_row(compiled, i, wired, fresh, out), (), 0)

        def general(v: _Cells, setting: RunContext) -> None:
            inputs = {name: v[c] for name, c in wired}
            inputs.update([(name, value()) for name, value in fresh])
            for c, value in zip(out, call_function(call, inputs, None, None).values, strict=True):
                v[c] = value

        return _CallRow(0, general, (), 0)

    # -- the generated function

    def _generate(self, params: tuple[str, ...]) -> Callable[..., Callable[..., Any]]:
        """Generate `make(make_result, run_context, new, *shared)`, which returns `one(*row)`."""
        writer, straight = _FastPathLines(self.straight, {}), self.straight
        shared = [f"v{c}" for c, name in self._input_cells if name not in params]
        lines = [f"def make({', '.join(['make_result', 'run_context', 'new', *shared])}):"]
        cells = [straight.find_cell(name) for name in params]
        mapped = [f"x{k}" if c is None else f"v{c}" for k, c in enumerate(cells)]
        lines.append(f"  def one({', '.join(mapped)}):")
        lines += [f"    {writer.write(i)}" for i in self._node_order]
        outputs = ", ".join(f"{name!r}: v{c}" for name, c in self._output_cells)
        lines += [f"    return make_result({{{outputs}}})", "  return one"]
        make: Callable[..., Callable[..., Any]] = compile_function(lines, self.compiled.graph.name, writer.namespace)
        return make


class _FastPathLines(CallLines):
    """Lines that call nested graphs by the runner of the run."""

    def make_caller(self, i: int) -> Callable[[dict[str, Any], RunContext], tuple[Any, ...]]:
        return _make_caller(self.straight.compiled, i)


def _make_nested_row(
    compiled: CompiledGraph,
    i: int,
    wired_cells: Sequence[tuple[str, int]],
    default_factories: Sequence[tuple[str, Callable[[], Any]]],
    output_cells: Sequence[int],
) -> _RowFunction:
    values_of = _make_caller(compiled, i)

    def nested(v: _Cells, setting: RunContext) -> None:
        inputs = {name: v[c] for name, c in wired_cells}
        inputs.update([(name, value()) for name, value in default_factories])
        for c, value in zip(output_cells, values_of(inputs, setting), strict=True):
            v[c] = value

    return nested


def _make_caller(compiled: CompiledGraph, i: int) -> Callable[[dict[str, Any], RunContext], tuple[Any, ...]]:
    call, node = compiled.calls[i], compiled.nodes[i]
    if isinstance(node, GraphNode):
        return lambda inputs, setting: nesting.call_nested_graph(node, i, inputs, setting).values
    return lambda inputs, setting: call_function(call, inputs, None, None).values
