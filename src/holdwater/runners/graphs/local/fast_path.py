"""The short way through a graph in which there is nothing to decide: functions and nested graphs, each called once.

Two forms of one thing.  For a single run a table of rows, which costs nothing to make; for the items of a map a
generated function, one line per node.  Everything else takes the machine.  The order of calls is the machine's, so that
an error leaves the same behind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from holdwater.errors import GraphConfigError, NodeReturnError
from holdwater.graphs.node_call import PENDING, perform
from holdwater.graphs.nodes.function import FunctionNode
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.model.cancellation import failure_of
from holdwater.model.context_isolation import copier
from holdwater.model.error_report import held
from holdwater.runners.graphs.local import nesting
from holdwater.runners.graphs.local.run_context import Ending

if TYPE_CHECKING:
    from holdwater.graphs.compile import Compiled
    from holdwater.graphs.map_items import Items
    from holdwater.graphs.nodes.base import Node
    from holdwater.kernel import Layout
    from holdwater.runners.graphs.local.run_context import Setting

T = TypeVar("T")

_UNSET: Final[Any] = type("Unset", (), {"__repr__": lambda self: "<not computed>"})()
_LINES_BEFORE: Final = 3
"""the line of the first node in a generated function"""
GENERATED_FROM: Final = 8
"""items of a map from which on a function is generated; for fewer the table is quicker"""

_Cells = list[Any]
_General = Callable[[_Cells, "Setting"], None]


class _Row(NamedTuple):
    """`kind`: the number of arguments for a function called with 1 or 2 cells by position, 3 for more or none, 0 for
    everything else.
    """

    kind: int
    call: Callable[..., Any]
    cells: Any
    out: int


def straightened(compiled: Compiled, given: frozenset[str]) -> Straight | None:
    """None if the graph decides anything, or waits, or runs only in part with these inputs."""
    layout = compiled.layout
    if any(loop is not None for loop in layout.loops) or not given.isdisjoint(layout.plan.aliases):
        return None
    there = {layout.cell[name] for name in given if name in compiled.known}
    for node, reads, needed, rule in zip(compiled.nodes, layout.reads, layout.needed, layout.tests, strict=True):
        if rule is not None or not _is_plain(node) or any(len(cells) != 1 for cells in reads):
            return None
        if any(cells[0] not in there and cells[0] not in layout.written for cells in needed):
            return None
    if any(len(cells) != 1 for _, cells in (*compiled.outputs, *compiled.partial)):
        return None
    return Straight(compiled, given)


def _is_plain(node: object) -> bool:
    if isinstance(node, GraphNode):
        return _makes_everything(node)
    return isinstance(node, FunctionNode) and not node.is_async and node.retry is None and node.timeout is None


def _makes_everything(node: GraphNode) -> bool:
    """Whether the nested graph has all its outputs in the end, whatever it is given and whoever runs it."""
    todo = [node]
    while todo:
        node = todo.pop()
        if node.map_config is None:
            inner = node.graph
            if node.explicit_runner is not None or inner.has_gates or inner.has_cycles or inner.has_interrupts:
                return False
            todo += [one for one in inner.nodes.values() if isinstance(one, GraphNode)]
    return True


class Straight:
    """A graph as a list of calls, for given inputs of certain names."""

    def __init__(self, compiled: Compiled, given: frozenset[str]) -> None:
        self.compiled = compiled
        layout = compiled.layout
        self._given = tuple((layout.cell[name], name) for name in layout.plan.inputs if name in given)
        self._scratch = len(layout.cell)
        self._outputs = tuple((name, cells[0]) for name, cells in compiled.outputs)
        self._partial = tuple((name, cells[0]) for name, cells in compiled.partial)
        bound = compiled.graph.bound
        self._bound = compiled.graph.bound_values
        self._there = layout.written | {c for c, _ in self._given}
        self._template: _Cells = [_UNSET] * (len(layout.cell) + 1)
        for name, value in bound.items():
            if name in compiled.known and layout.cell[name] not in layout.written:
                self._template[layout.cell[name]] = value
                self._there |= {layout.cell[name]}
        self._order = tuple(_issue_order(layout))
        self._rows = tuple(map(self._row, self._order))
        self._looked = False
        self._mapper = lru_cache(maxsize=8)(self._generate)

    def run(self, given: dict[str, Any], setting: Setting) -> Ending:
        """One run, in this thread."""
        v, new = self._template.copy(), copier()
        for c, name in self._given:
            v[c] = given[name]
        try:
            for kind, call, cells, out in self._rows:
                if kind == 1:
                    v[out] = new().run(call, v[cells])
                elif kind == 2:
                    v[out] = new().run(call, v[cells[0]], v[cells[1]])
                elif kind == 3:
                    v[out] = new().run(call, *[v[c] for c in cells])
                else:
                    call(v, setting)
        except BaseException as raised:  # noqa: BLE001 - what is no failure is raised again
            error = failure_of(raised)
            nesting.located_at(error, self._node_of(call, cells, out))
            return self._stopped(v, self._refused(v) or error)
        if not self._looked:  # what a function returned once it returns always
            refused = self._refused(v)
            if refused is not None:
                return self._stopped(v, refused)
            self._looked = True
        return Ending({name: v[c] for name, c in self._outputs})

    def _stopped(self, v: _Cells, error: BaseException) -> Ending:
        return Ending({name: v[c] for name, c in self._partial if v[c] is not _UNSET}, error)

    def _refused(self, v: _Cells) -> NodeReturnError | None:
        """A plain function must not have returned a coroutine; a generator may be its value."""
        layout = self.compiled.layout
        for i in () if PENDING.isdisjoint(map(type, v)) else self._order:
            for c in layout.out[i]:
                try:
                    self.compiled.calls[i].settled(v[c])
                except NodeReturnError as error:
                    nesting.located_at(error, self.compiled.nodes[i])
                    return error
        return None

    def each(
        self,
        items: Items,
        setting: Setting,
        done: Callable[[dict[str, Any]], T],
        failed: Callable[[Ending], T] | None,
    ) -> list[T]:
        """What `done` makes of the outputs of each item, and `failed` of its failure; None: the first one is raised."""
        rows, shared = items.rows, items.shared
        same = [shared[name] for _, name in self._given if name in shared]
        one = self._mapper(items.params)(done, setting, copier(), *same)
        # the generated function does not look at what nodes return
        first = self.run(items.inputs(rows[0]), setting).of_item(0)
        if first.error is not None and failed is None:
            raise first.error
        results = [done(first.outputs) if first.error is None or failed is None else failed(first)]
        if failed is None:
            to_do = iter(rows[1:])
            try:
                return [*results, *[one(*row) for row in to_do]]
            except BaseException as raised:  # what is no failure is raised again
                end = self._failed(raised, one, len(rows) - len([*to_do]) - 1)
                if end.error is raised:
                    raise
                assert end.error is not None
                raise end.error from raised
        for index, row in enumerate(rows[1:], 1):
            try:
                results.append(one(*row))
            except BaseException as raised:  # noqa: BLE001 - kept in the place of the item's result, if it is a failure
                results.append(failed(self._failed(raised, one, index)))
        return results

    def _failed(self, raised: BaseException, one: Callable[..., Any], index: int) -> Ending:
        """The ending of an item, with the outputs it had: the generated function's local variables.

        Raises what is no failure.
        """
        tb, left, error = held(raised, "__traceback__"), dict[str, Any](), failure_of(raised)
        while tb is not None and tb.tb_frame.f_code is not one.__code__:
            tb = tb.tb_next
        if tb is not None:
            found = tb.tb_frame.f_locals
            left = {name: found[f"v{c}"] for name, c in self._partial if f"v{c}" in found}
            place = tb.tb_lineno - _LINES_BEFORE
            if place < len(self._order):
                nesting.located_at(error, self.compiled.nodes[self._order[place]])
        return Ending(left, error).of_item(index)

    def _node_of(self, call: Any, cells: Any, out: int) -> Node:
        """The node of a row, for an error: rows are found again, so that good runs need not carry their nodes along."""
        rows = zip(self._order, self._rows)
        i = next(i for i, row in rows if row.call is call and row.cells is cells and row.out == out)
        return self.compiled.nodes[i]

    # -- the table

    def _arguments(self, i: int) -> tuple[list[tuple[str, int]], list[tuple[str, Callable[[], Any]]]]:
        """Inputs that come from cells; and the others, whose values are made anew for each call."""
        call, reads = self.compiled.calls[i], self.compiled.layout.reads[i]
        cells = [(name, c) for name, (c,) in zip(call.node.inputs, reads) if c in self._there]
        known = {name for name, _ in cells}
        return cells, [
            (name, value)
            for name, value in call.spares
            if name not in known and (name in self._bound or not _as_good(call.node, name))
        ]

    def _row(self, i: int) -> _Row:
        compiled = self.compiled
        call, node, out = compiled.calls[i], compiled.nodes[i], compiled.layout.out[i]
        wired, fresh = self._arguments(i)
        if isinstance(node, FunctionNode) and _by_position(node, wired, fresh) and len(node.data_outputs) < 2:
            cells = [c for _, c in wired]
            target = out[0] if node.data_outputs else self._scratch
            kind = len(cells) if 0 < len(cells) < 3 else 3
            return _Row(kind, node.func, cells[0] if kind == 1 else cells, target)
        if isinstance(node, GraphNode):
            return _Row(0, _nested_row(compiled, i, wired, fresh, out), (), 0)

        def general(v: _Cells, setting: Setting) -> None:
            inputs = {name: v[c] for name, c in wired}
            inputs.update([(name, value()) for name, value in fresh])
            for c, value in zip(out, perform(call, inputs, None, None).values, strict=True):
                v[c] = value

        return _Row(0, general, (), 0)

    # -- the generated function

    def _generate(self, params: tuple[str, ...]) -> Callable[..., Callable[..., Any]]:
        """`make(done, setting, new, *shared)` -> `one(*row)`.

        Names: v cells, f functions, m makers of fresh values, new copies the running context.
        """
        env: dict[str, Any] = {}
        cell = self.compiled.layout.cell
        for c, value in enumerate(self._template):
            if value is not _UNSET:
                env[f"v{c}"] = value
        shared = [f"v{c}" for c, name in self._given if name not in params]
        lines = [f"def make({', '.join(['done', 'setting', 'new', *shared])}):"]
        # A mapped input that no node reads has no cell.
        mapped = [f"v{cell[name]}" if name in self.compiled.known else f"x{k}" for k, name in enumerate(params)]
        lines.append(f"  def one({', '.join(mapped)}):")
        lines += [f"    {self._line(i, env)}" for i in self._order]
        outputs = ", ".join(f"{name!r}: v{c}" for name, c in self._outputs)
        lines += [f"    return done({{{outputs}}})", "  return one"]
        name = f"<map over graph {self.compiled.graph.name or ''}>"
        exec(compile("\n".join(lines), name, "exec"), env)
        make: Callable[..., Callable[..., Any]] = env["make"]
        return make

    def _line(self, i: int, env: dict[str, Any]) -> str:
        compiled = self.compiled
        call, node, out = compiled.calls[i], compiled.nodes[i], compiled.layout.out[i]
        wired, fresh = self._arguments(i)
        for name, value in fresh:
            env[f"m{i}_{node.inputs.index(name)}"] = value
        values = [(name, f"v{c}") for name, c in wired]
        values += [(name, f"m{i}_{node.inputs.index(name)}()") for name, _ in fresh]
        if isinstance(node, FunctionNode) and node.context_param is None and not hasattr(node.func, "__wrapped__"):
            env[f"f{i}"] = _listing(node.func) if node.is_generator else node.func
            if _by_position(node, wired, fresh):
                given = [value for _, value in values]
            else:
                given = [f"{node.param(name)}={value}" for name, value in values]
            text = f"new().run({', '.join([f'f{i}', *given])})"
            if len(node.data_outputs) < 2:
                return f"v{out[0]} = {text}" if node.data_outputs else text
            env[f"s{i}"] = call.values
            text = f"s{i}({text})"
        else:
            env[f"f{i}"] = _caller(compiled, i)
            text = f"f{i}({{{', '.join(f'{name!r}: {value}' for name, value in values)}}}, setting)"
        targets = ", ".join(f"v{c}" for c in out)
        return f"{targets}, = {text}" if out else text


def _nested_row(
    compiled: Compiled,
    i: int,
    wired: Sequence[tuple[str, int]],
    fresh: Sequence[tuple[str, Callable[[], Any]]],
    out: Sequence[int],
) -> _General:
    values_of = _caller(compiled, i)

    def nested(v: _Cells, setting: Setting) -> None:
        inputs = {name: v[c] for name, c in wired}
        inputs.update([(name, value()) for name, value in fresh])
        for c, value in zip(out, values_of(inputs, setting), strict=True):
            v[c] = value

    return nested


def _caller(compiled: Compiled, i: int) -> Callable[[dict[str, Any], Setting], tuple[Any, ...]]:
    call, node = compiled.calls[i], compiled.nodes[i]
    if isinstance(node, GraphNode):
        return lambda inputs, setting: nesting.perform_nested(node, i, inputs, setting).values
    return lambda inputs, setting: perform(call, inputs, None, None).values


def _listing(func: Callable[..., Any]) -> Callable[..., list[Any]]:
    """A generator function as one that returns what it yields."""
    return lambda *args, **kwargs: [*func(*args, **kwargs)]


def _as_good(node: Node, name: str) -> bool:
    """Whether the function's own default will do, because a copy of it would be the same object."""
    try:
        return isinstance(node, FunctionNode) and node.fresh_default_for(name) is node.get_default_for(name)
    except GraphConfigError:  # raised by the call that needs it
        return False


def _by_position(
    node: FunctionNode[..., Any], wired: Sequence[tuple[str, int]], fresh: Iterable[tuple[str, object]]
) -> bool:
    """Whether calling with the cells in their order is the same as calling by keyword."""
    func = node.func
    if type(func) is not FunctionType or hasattr(func, "__wrapped__") or node.is_generator or node.context_param:
        return False
    code = func.__code__
    names = code.co_varnames[: code.co_argcount]
    return not [*fresh] and [node.param(name) for name, _ in wired] == list(names[: len(wired)])


def _issue_order(layout: Layout) -> Iterator[int]:
    """The nodes as a machine issues them when each is done at once."""
    need = list(layout.need)
    queue = deque(layout.roots)
    while queue:
        u = queue.popleft()
        yield layout.members[u][0]
        for v in layout.next[u]:
            need[v] -= 1
            if not need[v]:
                queue.append(v)
