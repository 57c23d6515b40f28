"""Rooms for code that was written for other libraries: their names, translated into Holdwater's.

    from holdwater.compat import install

    install()                       # or, without touching the script: python -m holdwater.compat SCRIPT [ARGS]
    import cloaca                   # is holdwater.compat.cloaca from here on

Modules of the originals that have no file here are in the table of `holdwater.compat.module_paths`.

A room is aliases and argument translation.  What would need another behaviour than Holdwater's raises, and says what to
use instead.  Nothing else in Holdwater knows that the rooms exist.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from typing import Final

from holdwater.compat.module_paths import build_modules
from holdwater.errors import ConfigError

SHIMS: Final = {name: f"holdwater.compat.{name}" for name in ("cloaca", "hypergraph", "spine")}
"""The original's name -> the module that stands in for it."""


def install(*names: str, force: bool = False) -> tuple[str, ...]:
    """Let `import NAME` find Holdwater's room, in this process, for these originals (none named: for all).

    An original that can be imported is left in its place; `force` replaces it, for the imports that come after.
    Returns the names that lead to a room now.  Raises ConfigError for a name that has no room.
    """
    for name in names:
        if name not in SHIMS:
            raise ConfigError(f"there is no room for {name!r}", hint=f"there is one for {', '.join(SHIMS)}")
    chosen = [name for name in names or SHIMS if force or not _is_original_importable(name)]
    for name in chosen:
        _alias_modules(name, SHIMS[name])
    return tuple(chosen)


def _alias_modules(name: str, shim: str) -> None:
    """Make the name, and the names of modules below it, those of the room, and of nothing else any more."""
    for known in [known for known in sys.modules if known.startswith(f"{name}.")]:
        del sys.modules[known]
    sys.modules[name] = module = importlib.import_module(shim)
    for below in pkgutil.walk_packages(module.__path__, f"{shim}."):
        sys.modules[name + below.name[len(shim) :]] = importlib.import_module(below.name)
    sys.modules.update(build_modules(name))


def _is_original_importable(name: str) -> bool:
    """Whether the original itself is there.  A mere folder of its name is not it."""
    known = sys.modules.get(name)
    if known is not None:
        return known is not sys.modules.get(SHIMS[name])
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None
