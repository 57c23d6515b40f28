"""Classes of users by name: `module:qualified.name`.

Nothing is imported because of stored data, and no attribute hook of a module runs: a class is found if its module is
there, under the name it had.  The script that a process was started with counts under the name by which others import
it, so that a run of `python flow.py` goes on in `holdwater run flow.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import PurePath
from types import ModuleType
from typing import Any, Final

from holdwater.errors import DecodingError
from holdwater.model.value_types.tag import NotStorable

_MAIN_MODULES: Final = ("__main__", "__mp_main__")
_peer_main_name: Final[ContextVar[str | None]] = ContextVar("holdwater_classes_elsewhere", default=None)
_peer_modules: Final[set[str]] = set()
"""modules of which this process has got classes by value: they are those of another process"""


@contextmanager
def resolve_on_peer(peer_main_name: str) -> Iterator[None]:
    """Write names of classes without looking them up: the process that takes the values back has them, and looks.

    `peer_main_name`: that process's `main_name()`.
    """
    before = _peer_main_name.set(peer_main_name)
    try:
        yield
    finally:
        _peer_main_name.reset(before)


def add_peer_class(kind: type) -> None:
    """Make a class of another process known under its name, also over an earlier one: it was defined again."""
    home = sys.modules.get(kind.__module__)
    if home is None:
        home = sys.modules[kind.__module__] = ModuleType(kind.__module__)
        _peer_modules.add(kind.__module__)
    setattr(home, kind.__name__, kind)


def main_name() -> str:
    """The name under which others import what this process runs as its script; `__main__` if there is none."""
    elsewhere = _peer_main_name.get()
    if elsewhere is not None:
        return elsewhere
    main = sys.modules.get("__main__")
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        return str(spec.name)
    return _file_stem(file) if file else "__main__"


@lru_cache(maxsize=8)
def _file_stem(file: str) -> str:
    return PurePath(file).stem


def class_path(kind: type) -> str:
    """The name under which every process that has the module finds the class.  Raises Refused if there is none."""
    path = kind.__qualname__
    if "<locals>" in path:
        raise NotStorable(
            f"is of the local class {path}, which no other process could find",
            "move the class to the top level of a module",
        )
    if kind.__module__ in _MAIN_MODULES:
        name = f"{main_name()}:{path}"
        if _peer_main_name.get() is not None or find_class(name) is kind:
            return name
    name = f"{kind.__module__}:{path}"
    found = find_class(name)
    if found is kind and _peer_main_name.get() is not None and _is_only_here(kind.__module__):
        raise NotStorable(
            f"is of the class {name}, whose module was made in this process, and no other process could find it",
            "move the class to the top level of a module that can be imported",
        )
    if found is not kind and _peer_main_name.get() is None:
        raise NotStorable(
            f"is of the class {path}, but {name.replace(':', '.')} is "
            + ("not there" if found is None else "another class now"),
            "give the class a name of its own at the top level of its module"
            if found is None
            else "make the value again from the class as it is now",
        )
    return name


def _is_only_here(module: str) -> bool:
    """Return True for a module that no import has loaded, and that is not another process's."""
    return getattr(sys.modules.get(module), "__spec__", None) is None and module not in _peer_modules


def find_class(name: str) -> type | None:
    """The class of this name; None if this process has none."""
    module, _, path = name.partition(":")
    home: Any = _find_module(module)
    found: Any = _namespace(home).get(path)  # a parametrized pydantic model may have dots in its brackets
    if found is None:
        for part in path.split("."):
            home = _namespace(home).get(part)
        found = home
    return found if isinstance(found, type) else None


def _find_module(module: str) -> Any:
    home = sys.modules.get(module)
    return sys.modules.get("__main__") if home is None and module == main_name() else home


def _namespace(home: Any) -> Any:
    return getattr(home, "__dict__", {})


def resolve_stored_class(tree: dict[str, Any], check: Callable[[type], bool]) -> Any:
    """The class a stored value is of, if it is of the right sort.  Raises DecodingError."""
    name = str(tree["c"])
    module = name.partition(":")[0]
    if _find_module(module) is None:
        raise DecodingError(
            f"stored value is of class {name}, whose module is not imported here",
            hint=f"import {module} before the run is read",
        )
    found = find_class(name)
    if found is None or not check(found):
        raise DecodingError(
            f"stored value is of class {name}, which is not a class of that kind any more",
            hint="bring the class back under that name, at least as an alias of the new one",
        )
    return found
