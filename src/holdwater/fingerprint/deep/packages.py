"""Which code is read, and which is known by its release.

The standard library and installed distributions are known by their version; all else is code that changes from one run
to the next and is read.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Final

_INSTALL_DIRECTORIES: Final = frozenset({"site-packages", "dist-packages"})
_PYTHON_RELEASE: Final = f"{platform.python_implementation()} {platform.python_version()}"


def top_level_package(module: object) -> str:
    """The top-level package of a module; of what is no name (some compiled classes have a descriptor there) none."""
    return module.partition(".")[0] if isinstance(module, str) else ""


def module_release(module: str | None, home: str) -> str | None:
    """The release that tells one state of the module from another; None if its code has to be read.

    `home`: the top-level package of the reader, which is read even where it is installed.
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
    except (ImportError, ValueError):  # not there, or made by hand
        return None
    return None if spec is None else spec.origin or next(iter(spec.submodule_search_locations or ()), None)


def _distribution_version(package: str) -> str | None:
    from importlib import metadata  # takes longer to import than all of this room

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
    """Of a module that lies among the installed ones and belongs to none of them."""
    state = os.stat(file)
    return f"{file} {state.st_size} {state.st_mtime_ns}"
