"""No class of ours stores under a name that a class it inherits from has for itself: a standard library adds such names
in any version, and what then breaks is that library, far from the cause."""

from __future__ import annotations

import ast
import enum
import functools
import importlib
import inspect
import pkgutil
import textwrap
import threading
from collections.abc import Iterator

import pytest

import holdwater
from holdwater.compat.hypergraph.results import RunResult

Inherited = tuple[type, type, str]

ON_PURPOSE = {(RunResult, dict, "values")}
"""documented there: the outputs, and callable"""

OF_OTHER_VERSIONS: dict[type, set[str]] = {
    threading.Thread: {"_handle", "_os_thread_handle", "_context_param", "_tstate_lock", "_is_stopped", "_ident"},
    enum.Enum: {"_hashable_values_", "_unhashable_values_map_", "_add_alias_", "_add_value_alias_", "_sort_order_"},
}
"""names that 3.11 to 3.14 have, not each of them all"""


def classes() -> Iterator[type]:
    seen: set[type] = set()
    for found in pkgutil.walk_packages(holdwater.__path__, "holdwater."):
        if not found.name.endswith("__main__"):
            module = importlib.import_module(found.name)
            seen |= {c for c in vars(module).values() if inspect.isclass(c) and c.__module__.startswith("holdwater.")}
    yield from sorted(seen, key=lambda c: (c.__module__, c.__qualname__))


def source_of(cls: type) -> ast.ClassDef | None:
    """None: it is written in C, or made by a call of `type`."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError):
        return None
    return next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == cls.__name__), None)


@functools.cache
def written(cls: type) -> tuple[set[str], set[str]]:
    """(methods, data): what the source of a class defines, and stores in `self`; without a source, what it has."""
    methods: set[str] = set()
    data: set[str] = set()
    tree = source_of(cls)
    if tree is None:
        methods = {name for name, value in vars(cls).items() if callable(value)}
        return methods, {*vars(cls)} - methods
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                is_data = any("property" in ast.unparse(d) for d in node.decorator_list)
                (data if is_data else methods).add(name)
            case ast.AnnAssign(target=ast.Name(id=name)):
                data.add(name)
            case ast.Assign(targets=targets):
                data.update(t.id for t in targets if isinstance(t, ast.Name))
    for found in ast.walk(tree):
        match found:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                data.add(name)
    return methods, data


@functools.cache
def owned(cls: type) -> set[str]:
    """The names a class we did not write has for itself, here or in another version of its library."""
    methods, data = written(cls)
    return {*vars(cls), *methods, *data, *OF_OTHER_VERSIONS.get(cls, ())}


def collisions(cls: type) -> list[Inherited]:
    """A public method may be overridden; anything else that both have is a collision."""
    methods, data = written(cls)
    private = {name for name in methods if name.startswith("_")}
    return [
        (cls, base, name)
        for base in cls.__mro__[1:]
        if not base.__module__.startswith("holdwater.") and base is not object
        for name in sorted((data | private) & owned(base))
        if not (name.startswith("__") and name.endswith("__"))
    ]


def test_no_class_stores_under_a_name_of_a_library() -> None:
    found = [hit for cls in classes() for hit in collisions(cls)]
    assert set(found) == ON_PURPOSE


class Handled(threading.Thread):
    def __init__(self) -> None:
        super().__init__()
        self._handle = self


class Renamed(threading.Thread):
    name = "another"


class Bootstrapped(threading.Thread):
    def _bootstrap(self) -> None: ...


class Row(tuple[int, int]):
    @property
    def index(self) -> int:  # type: ignore[override]
        return self[0]


class Told(OSError):
    def __init__(self) -> None:
        self.filename = "x"


class Overriding(threading.Thread):
    def run(self) -> None:
        self._holdwater = self


@pytest.mark.parametrize(
    ("cls", "names"),
    [
        (Handled, ["_handle"]),
        (Renamed, ["name"]),
        (Bootstrapped, ["_bootstrap"]),
        (Row, ["index"]),
        (Told, ["filename"]),
        (Overriding, []),
    ],
)
def test_the_test_sees(cls: type, names: list[str]) -> None:
    assert [name for _, _, name in collisions(cls)] == names


def test_every_class_was_looked_at() -> None:
    """A guard of the search itself: classes of every package are found."""
    packages = {c.__module__.split(".")[1] for c in classes()}
    assert packages >= {"model", "kernel", "runtime", "storage", "cli", "graphs", "steps", "tasks"}
