"""Fast path for graphs without decisions: functions and nested graphs, each called exactly once.

It has two forms: for a single run a table of rows, which is cheap to build; for the items of a map a generated function
with one line per node.  All other graphs use the machine.  The order of calls is that of the machine, so that the same
nodes have run after an error.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from holdwater.errors import GraphConfigError, NodeReturnError
from holdwater.graphs.node_call import UNEVALUATED_TYPES, call_function
from holdwater.graphs.nodes.function import FunctionNode
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.model.cancellation_token import to_node_failure
from holdwater.model.context_isolation import context_copier
from holdwater.model.error_report import raw_attribute
from holdwater.runners.graphs.local import nesting
from holdwater.runners.graphs.local.run_outcome import RunOutcome

if TYPE_CHECKING:
    from holdwater.graphs.compile import CompiledGraph
    from holdwater.graphs.map_items import MapItems
    from holdwater.graphs.nodes.base import Node
    from holdwater.kernel import CompiledPlan
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
    compiled_plan = compiled.compiled_plan
    if any(loop is not None for loop in compiled_plan.loop_of) or not input_names.isdisjoint(
        compiled_plan.plan.aliases
    ):
        return None
    there = {compiled_plan.cell_index[name] for name in input_names if name in compiled.input_names}
    for node, reads, needed, rule in zip(
        compiled.nodes, compiled_plan.read_cells, compiled_plan.required_reads, compiled_plan.rule_tests, strict=True
    ):
        if rule is not None or not _is_supported(node) or any(len(cells) != 1 for cells in reads):
            return None
        if any(cells[0] not in there and cells[0] not in compiled_plan.written_cells for cells in needed):
            return None
    if any(len(cells) != 1 for _, cells in (*compiled.outputs, *compiled.partial_outputs)):
        return None
    return FastPath(compiled, input_names)


def _is_supported(node: object) -> bool:
    if isinstance(node, GraphNode):
        return _always_makes_outputs(node)
    return isinstance(node, FunctionNode) and not node.is_async and node.retry is None and node.timeout is None


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


class FastPath:
    """A graph as a list of calls, for inputs of certain names."""

    def __init__(self, compiled: CompiledGraph, input_names: frozenset[str]) -> None:
        self.compiled = compiled
        compiled_plan = compiled.compiled_plan
        self._input_cells = tuple(
            (compiled_plan.cell_index[name], name) for name in compiled_plan.plan.inputs if name in input_names
        )
        self._scratch_cell = len(compiled_plan.cell_index)
        self._output_cells = tuple((name, cells[0]) for name, cells in compiled.outputs)
        self._partial_output_cells = tuple((name, cells[0]) for name, cells in compiled.partial_outputs)
        bound = compiled.graph.bound
        self._bound_values = compiled.graph.bound_values
        self._available_cells = compiled_plan.written_cells | {c for c, _ in self._input_cells}
        self._initial_cells: _Cells = [_UNSET] * (len(compiled_plan.cell_index) + 1)
        for name, value in bound.items():
            if name in compiled.input_names and compiled_plan.cell_index[name] not in compiled_plan.written_cells:
                self._initial_cells[compiled_plan.cell_index[name]] = value
                self._available_cells |= {compiled_plan.cell_index[name]}
        self._node_order = tuple(_issue_order(compiled_plan))
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

    def _split_arguments(self, i: int) -> tuple[list[tuple[str, int]], list[tuple[str, Callable[[], Any]]]]:
        """Split the arguments of a node: (input, cell), and (input, function that creates its value)."""
        call, reads = self.compiled.calls[i], self.compiled.compiled_plan.read_cells[i]
        cells = [(name, c) for name, (c,) in zip(call.node.inputs, reads) if c in self._available_cells]
        known = {name for name, _ in cells}
        return cells, [
            (name, value)
            for name, value in call.default_inputs
            if name not in known and (name in self._bound_values or not _can_use_own_default(call.node, name))
        ]

    def _make_row(self, i: int) -> _CallRow:
        compiled = self.compiled
        call, node, out = compiled.calls[i], compiled.nodes[i], compiled.compiled_plan.write_cells[i]
        wired, fresh = self._split_arguments(i)
        if isinstance(node, FunctionNode) and _is_positional(node, wired, fresh) and len(node.data_outputs) < 2:
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
        """Generate `make(make_result, run_context, new, *shared)`, which returns `one(*row)`.

        Names in it: v cells, f functions, m factories of values; `new` copies the current context.
        """
        env: dict[str, Any] = {}
        cell = self.compiled.compiled_plan.cell_index
        for c, value in enumerate(self._initial_cells):
            if value is not _UNSET:
                env[f"v{c}"] = value
        shared = [f"v{c}" for c, name in self._input_cells if name not in params]
        lines = [f"def make({', '.join(['make_result', 'run_context', 'new', *shared])}):"]
        # A mapped input that no node reads has no cell.
        mapped = [f"v{cell[name]}" if name in self.compiled.input_names else f"x{k}" for k, name in enumerate(params)]
        lines.append(f"  def one({', '.join(mapped)}):")
        lines += [f"    {self._generate_line(i, env)}" for i in self._node_order]
        outputs = ", ".join(f"{name!r}: v{c}" for name, c in self._output_cells)
        lines += [f"    return make_result({{{outputs}}})", "  return one"]
        name = f"<map over graph {self.compiled.graph.name or ''}>"
        exec(compile("\n".join(lines), name, "exec"), env)
        make: Callable[..., Callable[..., Any]] = env["make"]
        return make

    def _generate_line(self, i: int, namespace: dict[str, Any]) -> str:
        compiled = self.compiled
        call, node, out = compiled.calls[i], compiled.nodes[i], compiled.compiled_plan.write_cells[i]
        wired, fresh = self._split_arguments(i)
        for name, value in fresh:
            namespace[f"m{i}_{node.inputs.index(name)}"] = value
        values = [(name, f"v{c}") for name, c in wired]
        values += [(name, f"m{i}_{node.inputs.index(name)}()") for name, _ in fresh]
        if isinstance(node, FunctionNode) and node.context_param is None and not hasattr(node.func, "__wrapped__"):
            namespace[f"f{i}"] = _collect_into_list(node.func) if node.is_generator else node.func
            if _is_positional(node, wired, fresh):
                given = [value for _, value in values]
            else:
                given = [f"{node.param(name)}={value}" for name, value in values]
            text = f"new().run({', '.join([f'f{i}', *given])})"
            if len(node.data_outputs) < 2:
                return f"v{out[0]} = {text}" if node.data_outputs else text
            namespace[f"s{i}"] = call.output_values
            text = f"s{i}({text})"
        else:
            namespace[f"f{i}"] = _make_caller(compiled, i)
            text = f"f{i}({{{', '.join(f'{name!r}: {value}' for name, value in values)}}}, run_context)"
        targets = ", ".join(f"v{c}" for c in out)
        return f"{targets}, = {text}" if out else text


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


def _collect_into_list(func: Callable[..., Any]) -> Callable[..., list[Any]]:
    """Wrap a generator function as one that returns the list of its values."""
    return lambda *args, **kwargs: [*func(*args, **kwargs)]


def _can_use_own_default(node: Node, name: str) -> bool:
    """Return True if the function's own default can be used, because its copy is the same object."""
    try:
        return isinstance(node, FunctionNode) and node.fresh_default_for(name) is node.get_default_for(name)
    except GraphConfigError:  # raised by the call that needs it
        return False


def _is_positional(
    node: FunctionNode[..., Any],
    wired_cells: Sequence[tuple[str, int]],
    default_factories: Iterable[tuple[str, object]],
) -> bool:
    """Return True if a positional call with the cells in their order equals the call by keyword."""
    func = node.func
    if type(func) is not FunctionType or hasattr(func, "__wrapped__") or node.is_generator or node.context_param:
        return False
    code = func.__code__
    names = code.co_varnames[: code.co_argcount]
    return not [*default_factories] and [node.param(name) for name, _ in wired_cells] == list(names[: len(wired_cells)])


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
