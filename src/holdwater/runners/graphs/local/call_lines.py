"""Lines of generated functions, one per node of a graph without decisions.

Names in them: v cells, f functions, m factories of values, s splitters of return values; `new` copies the current
context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any

from holdwater.graphs.nodes.function import FunctionNode
from holdwater.runners.graphs.local.context_free import is_context_free

if TYPE_CHECKING:
    from holdwater.runners.graphs.local.straight_graph import StraightGraph


class CallLines:
    """The lines of one function.  `namespace`: its global names, which the lines add to.

    `prefix`: of all names, for a graph within the function of another.  `cell_names`: cells that have another name.
    Subclasses choose how functions are called, and what calls nodes that are more than a function.
    """

    def __init__(self, straight: StraightGraph, namespace: dict[str, Any], prefix: str = "") -> None:
        self.straight, self.namespace, self.prefix = straight, namespace, prefix
        self.cell_names: dict[int, str] = {}
        self.namespace.update({f"{prefix}v{c}": value for c, value in straight.bound_cells.items()})

    def cell(self, c: int) -> str:
        """Return the name of a cell."""
        return self.cell_names.get(c) or f"{self.prefix}v{c}"

    def define(self, name: str, value: Any) -> str:
        """Add a global name; returns it with the prefix."""
        self.namespace[self.prefix + name] = value
        return self.prefix + name

    def arguments(self, i: int) -> list[tuple[str, str]]:
        """Return (input, text of its value) of a node."""
        node, (wired, fresh) = self.straight.compiled.nodes[i], self.straight.split_arguments(i)
        values = [(name, self.cell(c)) for name, c in wired]
        return values + [(name, f"{self.define(f'm{i}_{node.inputs.index(name)}', value)}()") for name, value in fresh]

    def write(self, i: int) -> str:
        """Write the line of a node."""
        compiled = self.straight.compiled
        call, node, out = compiled.calls[i], compiled.nodes[i], compiled.compiled_plan.write_cells[i]
        values = self.arguments(i)
        if not isinstance(node, FunctionNode) or not self.is_plain_call(node):
            text = self.write_other_call(i, values)
        else:
            function = self.define(f"f{i}", _collect_into_list(node.func) if node.is_generator else node.func)
            if is_positional(node, *self.straight.split_arguments(i)):
                given = [value for _, value in values]
            else:
                given = [f"{node.param(name)}={value}" for name, value in values]
            text = self.write_plain_call(i, node, [function, *given])
            if len(node.data_outputs) < 2:
                return f"{self.cell(out[0])} = {text}" if node.data_outputs else text
            text = f"{self.define(f's{i}', call.output_values)}({text})"
        targets = ", ".join(self.cell(c) for c in out)
        return f"{targets}, = {text}" if out else text

    def is_plain_call(self, node: FunctionNode[..., Any]) -> bool:
        """Return True for a function that can be called by a line itself."""
        return node.context_param is None and not hasattr(node.func, "__wrapped__")

    def write_plain_call(self, i: int, node: FunctionNode[..., Any], parts: Sequence[str]) -> str:
        """Write the call of a function, given the texts of function and arguments."""
        if is_context_free(node.func):
            return f"{parts[0]}({', '.join(parts[1:])})"
        return f"new().run({', '.join(parts)})"

    def write_other_call(self, i: int, values: Sequence[tuple[str, str]]) -> str:
        """Write any other call, which returns one value per output, given (input, text of its value)."""
        caller = self.define(f"f{i}", self.make_caller(i))
        return f"{caller}({{{', '.join(f'{name!r}: {value}' for name, value in values)}}}, run_context)"

    def make_caller(self, i: int) -> Callable[..., Any]:
        """Return the function that such a line calls with inputs by name and the context of the run."""
        raise NotImplementedError


def compile_function(lines: Iterable[str], graph_name: str | None, namespace: dict[str, Any]) -> Any:
    """Compile generated lines, which define one function named `make` or `generated`; returns it."""
    # tracebacks are shown without frames of files whose names begin so
    exec(compile("\n".join(lines), f"<map over graph {graph_name or ''}>", "exec"), namespace)
    return namespace.get("make") or namespace["generated"]


def is_positional(
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


def _collect_into_list(func: Callable[..., Any]) -> Callable[..., list[Any]]:
    """Wrap a generator function as one that returns the list of its values."""
    return lambda *args, **kwargs: [*func(*args, **kwargs)]
