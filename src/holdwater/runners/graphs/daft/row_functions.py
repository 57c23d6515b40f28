"""Generated functions for the rows of a DataFrame: a graph without decisions as one function, with those nested in it.

Plain graphs have a loop over all rows in one function; graphs with coroutine functions have a coroutine function for
one row.  A graph that is not so simple is run by its machine, row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from holdwater.graphs.map_items import MapItems, clone_value
from holdwater.graphs.nodes.function import FunctionNode
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.model.cancellation_token import is_cancellation, is_task_cancelled, to_node_failure
from holdwater.model.error_report import raw_attribute
from holdwater.runners.graphs.daft import node_calls
from holdwater.runners.graphs.local import nesting
from holdwater.runners.graphs.local.call_lines import CallLines, compile_function
from holdwater.runners.graphs.local.prepare import PreparedGraph, prepare_nested
from holdwater.runners.graphs.local.straight_graph import StraightGraph, find_straight_graph

if TYPE_CHECKING:
    from holdwater.graphs.node_call import NodeCacheProtocol
    from holdwater.graphs.nodes.base import Node

Generated = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class CallOptions:
    """`is_async`: calls are awaited.  `checked`: return values are checked as those of a first run are."""

    node_cache: NodeCacheProtocol | None
    is_async: bool
    checked: bool = False


def generate_rows_function(prepared: PreparedGraph, items: MapItems, options: CallOptions) -> Generated:
    """Generate `generated(rows, fail, new, run_context, *appends)`, which appends the outputs of each row to lists.

    Its rows are tuples of the mapped inputs, or values if there is one; `fail(error)` is called in the place of
    appending.  `items`: the mapped inputs, the shared ones and their values.
    """
    body = _make_body(prepared, items, options)
    row = ", ".join(body.params) or "_"
    appends = [f"append{k}" for k in range(max(1, len(body.outputs)))]
    head = [
        f"def generated(rows, fail, new, run_context, {', '.join(appends)}):",
        f"  for {row} in rows:",
        "    try:",
    ]
    lines = [
        *head,
        *[f"      {line}" for line in body.lines],
        "    except BaseException as raised:",
        "      fail(locate(raised))",
        "    else:",
        *[f"      {append}({value})" for append, value in zip(appends, body.outputs or ["None"], strict=True)],
    ]
    return body.compile(lines, len(head))


def generate_row_function(prepared: PreparedGraph, items: MapItems, options: CallOptions) -> Generated:
    """Generate `generated(new, run_context, *row)`, which returns the tuple of outputs of one row."""
    body = _make_body(prepared, items, options)
    head = [
        f"{'async ' if options.is_async else ''}def generated({', '.join(['new', 'run_context', *body.params])}):",
        "  try:",
    ]
    lines = [
        *head,
        *[f"    {line}" for line in body.lines],
        "  except BaseException as raised:",
        "    raise locate(raised)",
        f"  return ({' '.join(f'{value},' for value in body.outputs)})",
    ]
    return body.compile(lines, len(head))


@dataclass(frozen=True, slots=True)
class _Body:
    """The part of a function that computes one row.  `paths`: per line, the nested graphs and the node it calls."""

    graph_name: str | None
    params: list[str]
    lines: list[str]
    paths: list[tuple[Node, ...]]
    outputs: list[str]
    namespace: dict[str, Any]

    def compile(self, lines: Sequence[str], head_length: int) -> Generated:
        """Compile a function whose body begins after so many lines."""
        by_line = dict(enumerate(self.paths, head_length + 1))
        self.namespace["locate"] = partial(_locate, by_line)
        made: Generated = compile_function(lines, self.graph_name, self.namespace)
        return made


def _locate(paths: Mapping[int, tuple[Node, ...]], raised: BaseException) -> BaseException:
    """Return the failure of a node, with a note of it; a cancellation of the task is returned as it is.

    Raises exceptions that end the process.
    """
    if is_cancellation(raised) and node_calls.is_in_task() and is_task_cancelled():
        return raised
    error = to_node_failure(raised)
    traceback = raw_attribute(raised, "__traceback__")  # begins with the frame of the generated function
    for node in () if traceback is None else reversed(paths.get(traceback.tb_lineno, ())):
        nesting.note_node_location(error, node)
    return error


def _make_body(prepared: PreparedGraph, items: MapItems, options: CallOptions) -> _Body:
    straight = find_straight_graph(prepared.compiled, prepared.input_names, lambda node: True)
    if straight is None:
        return _make_machine_body(prepared, items, options)
    lines = _RowLines(straight, {}, options)
    for one, value in items.shared.items():
        c = straight.find_cell(one)
        if c is not None and one in items.cloned:
            lines.add(f"{lines.cell(c)} = {lines.define(f'c{c}', partial(clone_value, one, value))}()")
        elif c is not None:
            lines.define(f"v{c}", value)
    lines.write_all()
    params = [straight.find_cell(one) for one in items.params]
    return _Body(
        prepared.compiled.graph.name,
        [f"x{k}" if c is None else lines.cell(c) for k, c in enumerate(params)],
        [text for text, _ in lines.written] or ["pass"],
        [path for _, path in lines.written],
        [lines.cell(c) for _, c in straight.output_cells],
        lines.namespace,
    )


def _make_machine_body(prepared: PreparedGraph, items: MapItems, options: CallOptions) -> _Body:
    params = [f"x{k}" for k in range(len(items.params))]
    outputs = [f"y{k}" for k in range(len(prepared.outputs))]
    run = node_calls.run_machine_async if options.is_async else node_calls.run_machine
    targets = "".join(f"{name}, " for name in outputs)
    return _Body(
        prepared.compiled.graph.name,
        params,
        [
            f"{targets}{'= ' if outputs else ''}{'await ' if options.is_async else ''}"
            f"run(({''.join(f'{name}, ' for name in params)}), run_context)"
        ],
        [()],
        outputs,
        {"run": partial(run, prepared, items, options.node_cache)},
    )


class _RowLines(CallLines):
    """Lines of a generated function, awaited or not, with those of the graphs nested in it."""

    def __init__(
        self,
        straight: StraightGraph,
        namespace: dict[str, Any],
        options: CallOptions,
        prefix: str = "",
        path: tuple[Node, ...] = (),
    ) -> None:
        super().__init__(straight, namespace, prefix)
        self.options, self.path = options, path
        self.written: list[tuple[str, tuple[Node, ...]]] = []
        """(line, path to the node it calls)"""

    def add(self, line: str, *node: Node) -> None:
        self.written.append((line, (*self.path, *node)))

    def write_all(self) -> None:
        """Write the lines of all nodes."""
        for i in self.straight.node_order:
            node = self.straight.compiled.nodes[i]
            if isinstance(node, GraphNode) and node.map_config is None and node.explicit_runner is None:
                inner = self._lay_out_nested(node, i)
                if inner is not None:
                    self._write_nested(node, i, inner)
                    continue
            self.add(self.write(i), node)

    def _lay_out_nested(self, node: GraphNode, i: int) -> StraightGraph | None:
        given = [node.param(name) for name, _ in self.arguments(i)]
        prepared = prepare_nested(node.graph, given, node.inner_selection)
        return find_straight_graph(prepared.compiled, prepared.input_names, lambda node: True)

    def _write_nested(self, node: GraphNode, i: int, straight: StraightGraph) -> None:
        """Write the lines of a nested graph, whose inputs and outputs are cells of this one under other names."""
        inner = _RowLines(straight, self.namespace, self.options, f"{self.prefix}n{i}_", (*self.path, node))
        for name, text in self.arguments(i):
            c = straight.find_cell(node.param(name))
            if c is not None and text.endswith(")"):
                inner.add(f"{inner.cell(c)} = {text}")
            elif c is not None:
                inner.cell_names[c] = text
        inner.write_all()
        self.written += inner.written
        outer = self.straight.output_cells_of(i)
        self.cell_names.update(zip(outer, [inner.cell(c) for _, c in straight.output_cells], strict=True))

    def is_plain_call(self, node: FunctionNode[..., Any]) -> bool:
        """Return True for a function without retry, cache and time-out that needs neither loop nor thread."""
        if node.is_async or node.timeout is not None or (node.retry is not None and node.retry.max_attempts > 1):
            return False
        if node.cache and self.options.node_cache is not None:
            return False
        return super().is_plain_call(node) and (not self.options.is_async or node_calls.is_context_free(node.func))

    def write_plain_call(self, i: int, node: FunctionNode[..., Any], parts: Sequence[str]) -> str:
        text = super().write_plain_call(i, node, parts)
        if not self.options.checked:
            return text
        return f"{self.define(f'r{i}', self.straight.compiled.calls[i].resolve_returned)}({text})"

    def write_other_call(self, i: int, values: Sequence[tuple[str, str]]) -> str:
        node, before = self.straight.compiled.nodes[i], "await " if self.options.is_async else ""
        names = [name for name, _ in values]
        if isinstance(node, GraphNode) and node.map_config is None and node.explicit_runner is None:
            function = self.define(f"f{i}", self._generate_nested(node, names))
            return f"{before}{function}({', '.join(['new', 'run_context', *[text for _, text in values]])})"
        function = self.define(f"f{i}", self._make_caller(i, names))
        return f"{before}{function}(new, run_context, {{{', '.join(f'{name!r}: {value}' for name, value in values)}}})"

    def _make_caller(self, i: int, given: Sequence[str]) -> Callable[..., Any]:
        compiled, options = self.straight.compiled, self.options
        node = compiled.nodes[i]
        if not isinstance(node, GraphNode):
            call = node_calls.call_function_node_async if options.is_async else node_calls.call_function_node
            return partial(call, compiled, i, options.node_cache)
        config = node.map_config
        if config is None or node.explicit_runner is not None:
            call_nested = node_calls.call_nested_node_async if options.is_async else node_calls.call_nested_node
            return partial(call_nested, node, i)
        names = [*config.params, *[name for name in given if name not in config.params]]
        run_item = self._generate_nested(node, names)
        call_mapped = node_calls.call_mapped_node_async if options.is_async else node_calls.call_mapped_node
        return partial(call_mapped, node, run_item, tuple(names))

    def _generate_nested(self, node: GraphNode, names: Sequence[str]) -> Generated:
        """Generate the function of a nested graph, whose parameters are those inputs."""
        inner = tuple([node.param(name) for name in names])
        prepared = prepare_nested(node.graph, inner, node.inner_selection)
        return generate_row_function(prepared, MapItems(inner, (), {}), self.options)
