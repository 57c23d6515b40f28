"""Compatibility shims: the names of other libraries, translated into Holdwater's.

    from holdwater.compat import install

    install()                       # or, without changing the script: python -m holdwater.compat SCRIPT [ARGS]
    import cloaca                   # is holdwater.compat.cloaca from here on

Modules of the originals that have no file here are in the table of `holdwater.compat.module_paths`.

A shim consists of aliases and argument translation.  Names that would need another behaviour raise NotInThisVersion
with a hint.  No other package of Holdwater imports the shims.
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
"""name of the original -> module that replaces it"""


def install(*names: str, force: bool = False) -> tuple[str, ...]:
    """Make `import NAME` import Holdwater's shim, in this process, for these originals (none named: for all).

    An original that can be imported is not replaced unless `force` is set, which affects later imports only.
    Returns the names that are shims now.  Raises ConfigError for a name without a shim.
    """
    for name in names:
        if name not in SHIMS:
            raise ConfigError(f"there is no shim for {name!r}", hint=f"there is one for {', '.join(SHIMS)}")
    chosen = [name for name in names or SHIMS if force or not _is_original_importable(name)]
    for name in chosen:
        _alias_modules(name, SHIMS[name])
    return tuple(chosen)


def _alias_modules(name: str, shim: str) -> None:
    """Point the name and the names of its submodules to the shim, and remove those of the original's submodules."""
    for known in [known for known in sys.modules if known.startswith(f"{name}.")]:
        del sys.modules[known]
    sys.modules[name] = module = importlib.import_module(shim)
    for below in pkgutil.walk_packages(module.__path__, f"{shim}."):
        sys.modules[name + below.name[len(shim) :]] = importlib.import_module(below.name)
    sys.modules.update(build_modules(name))


def _is_original_importable(name: str) -> bool:
    """Return True if the original is installed; a folder of its name without code (namespace package) is not it."""
    known = sys.modules.get(name)
    if known is not None:
        return known is not sys.modules.get(SHIMS[name])
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None
