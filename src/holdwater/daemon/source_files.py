"""The files of a module: itself, and all that it imports from where it lies, found without executing anything."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from holdwater.errors import PackageBuildError
from holdwater.packages.archives.writing import FileContent
from holdwater.packages.settings import ArchiveLimits

_LEFT_OUT: Final = frozenset({"__pycache__", "node_modules"})
"""names of folders with nothing of a package, beside hidden ones and virtual environments"""
_COMPILED: Final = (".pyc", ".pyo", ".so", ".pyd")


def collect_modules(root: Path, modules: Iterable[str], limits: ArchiveLimits) -> dict[str, FileContent]:
    """Collect the files of modules below a folder, and of all that they import from there, by path below it.

    Of a package all files are taken, of a module its file.  What is imported in another way than by a statement is not
    found.  Raises PackageBuildError for too many or too large files, OSError.
    """
    found: dict[str, FileContent] = {}
    size_bytes = 0
    todo, known = [module.partition(".")[0] for module in modules], set[str]()
    while todo:
        name = todo.pop()
        if name in known:
            continue
        known.add(name)
        for path in _iter_module_files(root, name):
            data = path.read_bytes()
            size_bytes += len(data)
            found[path.relative_to(root).as_posix()] = FileContent(data)
            if len(found) > limits.max_entries or size_bytes > limits.max_unpacked_bytes:
                raise PackageBuildError(
                    f"{root} has too much for a package: {len(found):,} files, {size_bytes:,} bytes until {path}",
                    hint="name a module in a folder of its own",
                )
            if path.suffix == ".py":
                todo += _imported_names(data)
    return found


def _iter_module_files(root: Path, name: str) -> Iterator[Path]:
    """Iterate over the files of a top-level module that lies in a folder; none if it lies elsewhere."""
    folder = root / name
    if folder.is_dir() and not _is_left_out(folder):
        yield from iter_files(folder)
    elif (file := root / f"{name}.py").is_file():
        yield file


def iter_files(folder: Path) -> Iterator[Path]:
    """Iterate over the files of a folder and those below, sorted, without hidden, compiled and generated ones."""
    for place, names, files in os.walk(folder):
        names[:] = sorted([name for name in names if not _is_left_out(Path(place, name))])
        for file in sorted(files):
            path = Path(place, file)
            if not file.startswith(".") and not file.endswith(_COMPILED) and path.is_file() and not path.is_symlink():
                yield path


def _is_left_out(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name in _LEFT_OUT or (folder / "pyvenv.cfg").exists()


def _imported_names(source: bytes) -> list[str]:
    """Return the top-level names that import statements of a module name; none of one that cannot be parsed."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # the host says so, with file and line
        return []
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.append(node.module.partition(".")[0])
    return names
