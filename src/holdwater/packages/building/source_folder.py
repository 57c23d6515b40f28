"""The folder of a package as its author has it: the files that go into its archive."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from holdwater.errors import PackageBuildError
from holdwater.packages.archives.writing import FileContent
from holdwater.packages.manifests.own_manifest import FILE_NAME
from holdwater.packages.settings import ArchiveLimits

MODULE_FOLDERS: Final = ("workflow", "vendor")
SINGLE_FILES: Final = (FILE_NAME, "LICENSE", "README.md")
_LEFT_OUT_FOLDERS: Final = ("__pycache__",)
_LEFT_OUT_SUFFIXES: Final = (".pyc", ".pyo", "~")
_WHEEL_FOLDER: Final = "vendor/wheels"


def collect_sources(folder: Path, limits: ArchiveLimits) -> dict[str, FileContent]:
    """Read the files of a package: its manifest, `workflow/` and `vendor/`, by path.

    Left out are hidden files, compiled Python and copies of editors, and wheels, which follow from the requirements.
    Raises PackageBuildError for a folder that is no package, links and special files, and what exceeds the limits.
    """
    if not (folder / FILE_NAME).is_file():
        raise PackageBuildError(
            f"{folder} is no package: it has no {FILE_NAME}", hint="`holdwater package new NAME` makes one"
        )
    found: dict[str, FileContent] = {}
    total = 0
    for path in _iter_paths(folder):
        name = path.relative_to(folder).as_posix()
        size = path.stat().st_size
        total += size
        if size > limits.max_file_bytes or total > limits.max_unpacked_bytes or len(found) >= limits.max_entries:
            raise PackageBuildError(
                f"the package is too large at {name}: a file has at most {limits.max_file_bytes:,} bytes, all files "
                f"{limits.max_unpacked_bytes:,} bytes, and there are at most {limits.max_entries:,}"
            )
        found[name] = FileContent(path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))
    return found


def _iter_paths(folder: Path) -> Iterator[Path]:
    for name in SINGLE_FILES:
        if os.path.lexists(folder / name):
            yield _checked(folder, folder / name)
    for name in MODULE_FOLDERS:
        if (folder / name).is_dir():
            yield from _iter_tree(folder, folder / name)


def _iter_tree(root: Path, folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        name = entry.relative_to(root).as_posix()
        if entry.name.startswith(".") or entry.name.endswith(_LEFT_OUT_SUFFIXES):
            continue
        if entry.is_dir() and not entry.is_symlink():
            if entry.name not in _LEFT_OUT_FOLDERS and name != _WHEEL_FOLDER:
                yield from _iter_tree(root, entry)
        else:
            yield _checked(root, entry)


def _checked(root: Path, path: Path) -> Path:
    if not stat.S_ISREG(path.lstat().st_mode):
        name = path.relative_to(root).as_posix()
        raise PackageBuildError(f"{name} is a link or a special file", hint="put the file itself there")
    return path
