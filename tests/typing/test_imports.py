"""Imports have no cycle, at module level, under `TYPE_CHECKING`, inside functions, or by a module's name in a string.

A package's `__init__` is a table of contents.  `from holdwater.steps import Step` counts as an import of the module
where `Step` is written, and what an `__init__` re-exports from modules below it (`__all__`, or the table it gives to
`lazily`) is not an import of its own.  Whatever else an `__init__` imports counts as in any other module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import holdwater

ROOT = Path(holdwater.__file__).parent

Imports = Mapping[str, frozenset[str]]
"""module -> the modules it imports"""


class Module:
    """One source file, parsed."""

    def __init__(self, name: str, text: str, *, package: bool) -> None:
        self.name = name
        self.is_package = package
        self.tree = ast.parse(text)

    @cached_property
    def public(self) -> frozenset[str]:
        """The names of `__all__`; those that it takes from elsewhere (`*other.__all__`) are left out."""
        for statement in self.tree.body:
            if isinstance(statement, ast.Assign) and _is_name(statement.targets[0], "__all__"):
                return frozenset(
                    node.value
                    for node in ast.walk(statement.value)
                    if isinstance(node, ast.Constant) and isinstance(node.value, str)
                )
        return frozenset()

    @cached_property
    def from_imports(self) -> list[tuple[str, str, str]]:
        """Every `from MODULE import NAME as BOUND` as (module, name, bound), wherever it stands."""
        return [
            (self._absolute(node), alias.name, alias.asname or alias.name)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        ]

    @cached_property
    def plain_imports(self) -> list[str]:
        """Every `import MODULE`, wherever it stands."""
        return [alias.name for node in ast.walk(self.tree) if isinstance(node, ast.Import) for alias in node.names]

    @cached_property
    def strings(self) -> list[str]:
        """Every string, except those of the table of an `__init__`."""
        tables = {
            id(node)
            for statement in self.tree.body
            if self.is_package and isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict)
            for node in ast.walk(statement)
        }
        return [
            node.value
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in tables
        ]

    @cached_property
    def homes(self) -> dict[str, str]:
        """For a package: re-exported name -> the module that the name is imported from."""
        if not self.is_package:
            return {}
        return {bound: module for module, _, bound in self.from_imports if bound in self.public}

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.is_package else self.name.split(".")[:-1]
        above = package[: len(package) - node.level + 1]
        return ".".join([*above, *([node.module] if node.module else [])])


class Tree:
    """The modules of one package, and what each imports."""

    def __init__(self, sources: Mapping[str, tuple[str, bool]]) -> None:
        self.modules = {name: Module(name, text, package=package) for name, (text, package) in sources.items()}

    def imports(self) -> Imports:
        return {name: frozenset(self._imported(module)) - {name} for name, module in self.modules.items()}

    def _imported(self, module: Module) -> Iterator[str]:
        yield from (name for name in [*module.plain_imports, *module.strings] if name in self.modules)
        for source, name, bound in module.from_imports:
            if source in self.modules:
                home = self.home(source, name)
                if bound not in module.homes or not home.startswith(f"{module.name}."):
                    yield home

    def home(self, source: str, name: str) -> str:
        """The module that `from source import name` gets the name from."""
        if f"{source}.{name}" in self.modules:
            return f"{source}.{name}"
        above = self.modules[source].homes.get(name)
        return source if above is None or above not in self.modules else self.home(above, name)


def read_sources(root: Path) -> dict[str, tuple[str, bool]]:
    """Module -> its text, and whether it is a package."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = [root.name, *path.relative_to(root).with_suffix("").parts]
        package = parts[-1] == "__init__"
        found[".".join(parts[:-1] if package else parts)] = (path.read_text(encoding="utf-8"), package)
    return found


def cycle(imports: Imports) -> list[str]:
    """One cycle of imports, its first module again at its end; empty if there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as found:
        names: list[str] = found.args[1]
        return names[::-1]
    return []


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def test_no_module_is_in_an_import_cycle() -> None:
    imports = Tree(read_sources(ROOT)).imports()
    assert "holdwater.kernel.compiled_plan" in imports["holdwater.kernel.machine"]
    found = cycle(imports)
    assert not found, "\n  imports ".join(found)


def sources(**texts: str) -> dict[str, tuple[str, bool]]:
    """A package `app`: name of a module, or of a package with a final underscore -> text."""
    below = {f"app.{name.rstrip('_').replace('__', '.')}": (text, name.endswith("_")) for name, text in texts.items()}
    return {"app": ("", True), **below}


@pytest.mark.parametrize(
    "text",
    [
        "import app.b",
        "from app import b",
        "from app.b import f",
        "from . import b",
        "from .b import f",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from app.b import f",
        "def g():\n    from app.b import f",
        "import_module('app.b')",
        "HOMES = {'app.b': ('f',)}",
        "from app.p import f",
        "from app.p.q import f",
    ],
)
def test_every_kind_of_import_counts(text: str) -> None:
    package = {
        "p_": "from app.b import f\n__all__ = ['f']",
        "p__q_": "from app.p import f\n__all__ = ['f']",
    }
    assert cycle(Tree(sources(a=text, b="from app.a import g", **package)).imports()) in (
        ["app.a", "app.b", "app.a"],
        ["app.b", "app.a", "app.b"],
    )


def test_what_a_package_reexports_is_no_import_of_its_own() -> None:
    package = "from app.p.one import f\nfrom app.p.two import g\n__all__ = ['f']\nHOMES = {'app.p.three': ('h',)}"
    below = {f"p__{name}": "" for name in ("one", "two", "three")}
    assert Tree(sources(p_=package, **below)).imports()["app.p"] == {"app.p.two"}
