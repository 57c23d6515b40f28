"""Rules for the files of a package: none is executed unasked, hides a module of others, or is not what is read."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable
from typing import Final

from holdwater.packages.archives.path_rules import refuse

SOURCE_FOLDERS: Final = ("workflow", "vendor")
WHEEL_FOLDER: Final = "vendor/wheels/"
RESERVED_MODULES: Final = frozenset({"cloaca", "holdwater"})
_UNASKED_MODULES: Final = frozenset({"sitecustomize", "usercustomize"})
_STANDARD_MODULES: Final = frozenset(name.casefold() for name in sys.stdlib_module_names)
_COMPILED: Final = re.compile(r"\.(so(\.[0-9.]+)?|pyd|dll|dylib)\Z", re.IGNORECASE)
_BYTECODE: Final = re.compile(r"(\A|/)__pycache__/|\.py[co]\Z", re.IGNORECASE)
_MODULE_SUFFIXES: Final = (".py", ".pyw")


def check_contents(paths: Iterable[str]) -> None:
    """Check the files of a package, by paths relative to its folder.  Raises ArchiveError."""
    for path in paths:
        _check_file(path)


def _check_file(path: str) -> None:
    if path.startswith(WHEEL_FOLDER):
        if "/" in path.removeprefix(WHEEL_FOLDER) or not path.endswith(".whl"):
            raise refuse(path, f"{WHEEL_FOLDER} has wheels only")
        return
    if path.casefold().endswith(".whl"):
        raise refuse(path, f"wheels are in {WHEEL_FOLDER}")
    if _COMPILED.search(path):
        raise refuse(path, "a compiled library outside of a wheel", hint="name its project in [requires] dependencies")
    if _BYTECODE.search(path):
        raise refuse(path, "compiled Python, which need not be what its source says", hint="build without __pycache__")
    check_unasked(path)
    top, _, below = path.partition("/")
    if top not in SOURCE_FOLDERS and top.casefold() in SOURCE_FOLDERS:
        raise refuse(path, f"the folder {top.casefold()!r} is written in small letters")
    if top in SOURCE_FOLDERS:
        check_module_name(path, below)


def check_unasked(path: str, allowed: Collection[str] = ()) -> None:
    """Refuse files that Python executes by itself when it starts.  Raises ArchiveError."""
    if path not in allowed and path.casefold().endswith(".pth"):
        raise refuse(path, "a .pth file, which Python executes when it starts")
    for segment in path.split("/"):
        if segment.partition(".")[0].casefold() in _UNASKED_MODULES:
            raise refuse(path, "a module that Python imports by itself when it starts")


def check_module_name(path: str, module_path: str) -> None:
    """Refuse a top-level module with the name of one of Python or of this engine.

    `module_path`: the path below the folder that is searched for modules.  Raises ArchiveError.
    """
    top, is_below, _ = module_path.partition("/")
    if not path.casefold().endswith(_MODULE_SUFFIXES):
        return
    name = (top if is_below else top.rpartition(".")[0]).casefold()
    if name in _STANDARD_MODULES:
        raise refuse(path, f"the top-level module {name!r} has the name of one of Python's standard library")
    if name in RESERVED_MODULES:
        raise refuse(path, f"the top-level module {name!r} has the name of one of the engine")
