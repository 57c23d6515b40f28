"""Names of a package that are imported when they are first used (PEP 562), so that the package itself costs nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

ExportTable = Mapping[str, Sequence[str]]
"""module, in full or (`.name`) below the package -> names that live in it"""


def lazy_module(package: str, exports: ExportTable) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package."""
    home = {name: module for module, names in exports.items() for name in names}

    def get(name: str) -> object:
        module = home.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found: object = getattr(import_module(module, package), name)
        setattr(sys.modules[package], name, found)
        return found

    def names() -> list[str]:
        public = getattr(sys.modules[package], "__all__", None)
        return sorted(home) if public is None else list(public)

    return get, names
