"""Packages of functions, classes and modules: installed ones are known by their release, others are read as code.

The standard library and installed distributions count by their version; all other code may change between two runs.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Final

_INSTALL_DIRECTORIES: Final = frozenset({"site-packages", "dist-packages"})
_PYTHON_RELEASE: Final = f"{sys.implementation.name} {sys.version.split()[0]}"


def top_level_package(module: object) -> str:
    """Return the top-level package of a module; "" for a `__module__` that is no text (of compiled classes)."""
    return module.partition(".")[0] if isinstance(module, str) else ""


def home_package(function: Callable[..., object]) -> str:
    """Return the top-level package a callable was written in."""
    inner: object = function
    while isinstance(inner, (partial, MethodType)):
        inner = inner.func if isinstance(inner, partial) else inner.__func__
    return top_level_package(getattr(inner, "__module__", None) or type(inner).__module__)


def module_name(target: FunctionType | type | ModuleType) -> str:
    """Return the name of a module, or of the module of a function or class."""
    if isinstance(target, ModuleType):
        return target.__name__
    if isinstance(target, FunctionType):
        return str(target.__globals__.get("__name__", ""))
    return target.__module__


def module_release(module: str | None, home: str) -> str | None:
    """Return the release that identifies the code of a module; None if the code itself has to be read.

    `home`: the top-level package of the reader, which is read even if it is installed.
    """
    if not module or module == "__main__":
        return None
    top = top_level_package(module)
    return None if top == home else _cached_release(module, top)


@cache
def _cached_release(module: str, package: str) -> str | None:
    if package in sys.stdlib_module_names or package in sys.builtin_module_names:
        return _PYTHON_RELEASE
    if package == "holdwater":
        return _distribution_version(package)
    file = _module_file(module)
    if file is None or not _INSTALL_DIRECTORIES.intersection(Path(file).parts):
        return None
    return _distribution_version(package) or _file_state(file)


def _module_file(module: str) -> str | None:
    found = sys.modules.get(module)
    if found is not None:
        file = getattr(found, "__file__", None)
        return file if file is not None else next(iter(getattr(found, "__path__", ())), None)
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # no such module, or one created by hand
        return None
    return None if spec is None else spec.origin or next(iter(spec.submodule_search_locations or ()), None)


def _distribution_version(package: str) -> str | None:
    from importlib import metadata  # its import takes longer than that of this whole package

    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        names = _distributions_by_package().get(package)
        return ", ".join([f"{name} {metadata.version(name)}" for name in sorted(set(names))]) if names else None


@cache
def _distributions_by_package() -> dict[str, list[str]]:
    from importlib import metadata

    return {top: list(names) for top, names in metadata.packages_distributions().items()}


def _file_state(file: str) -> str:
    """Return path, size and time of an installed file that belongs to no distribution."""
    state = os.stat(file)
    return f"{file} {state.st_size} {state.st_mtime_ns}"
