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

from holdwater import __version__

_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
_PYTHON: Final = f"{platform.python_implementation()} {platform.python_version()}"


def top_of(module: object) -> str:
    """The top-level package of a module; of what is no name (some compiled classes have a descriptor there) none."""
    return module.partition(".")[0] if isinstance(module, str) else ""


def release_of(module: str | None, home: str) -> str | None:
    """The release that tells one state of the module from another; None if its code has to be read.

    `home`: the top-level package of the reader, which is read even where it is installed.
    """
    if not module or module == "__main__":
        return None
    top = top_of(module)
    return None if top == home else _release(module, top)


@cache
def _release(module: str, top: str) -> str | None:
    if top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return _PYTHON
    if top == "holdwater":
        return f"holdwater {__version__}"
    file = _file_of(module)
    if file is None or not _INSTALLED.intersection(Path(file).parts):
        return None
    return _version_of(top) or _state_of(file)


def _file_of(module: str) -> str | None:
    found = sys.modules.get(module)
    if found is not None:
        file = getattr(found, "__file__", None)
        return file if file is not None else next(iter(getattr(found, "__path__", ())), None)
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # not there, or made by hand
        return None
    return None if spec is None else spec.origin or next(iter(spec.submodule_search_locations or ()), None)


def _version_of(top: str) -> str | None:
    from importlib import metadata  # takes longer to import than all of this room

    try:
        return f"{top} {metadata.version(top)}"
    except metadata.PackageNotFoundError:
        names = _distributions().get(top)
        return ", ".join([f"{name} {metadata.version(name)}" for name in sorted(set(names))]) if names else None


@cache
def _distributions() -> dict[str, list[str]]:
    from importlib import metadata

    return {top: list(names) for top, names in metadata.packages_distributions().items()}


def _state_of(file: str) -> str:
    """Of a module that lies among the installed ones and belongs to none of them."""
    state = os.stat(file)
    return f"{file} {state.st_size} {state.st_mtime_ns}"
