"""The copy of this library that hosts import: nothing else of this process's site-packages is on their path."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from holdwater.errors import ConfigError

MODULES: Final = ("holdwater", "cloudpickle", "cronsim", "tzdata")
"""the library, and what it imports where functions of tasks run"""
_LEFT_OUT: Final = frozenset({"static", "templates", "__pycache__"})
_DIGEST_CHARS: Final = 16


@cache
def prepare_hostlib(home: Path) -> Path:
    """Return the folder of the copy below `home`, `hostlib/VERSION-DIGEST`; it is made once, and appears complete.

    Raises OSError; ConfigError if a module of it cannot be found as files.
    """
    folders = {name: _find_module(name) for name in MODULES}
    version = sys.modules["holdwater"].__version__
    target = home / "hostlib" / f"{version}-{_digest(folders)}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".copy-", dir=target.parent))
    try:
        for name, folder in folders.items():
            _copy(folder, made / name)
        made.chmod(0o755)
        os.rename(made, target)
    except OSError:
        if not target.is_dir():  # another process was faster
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return target


def _find_module(name: str) -> Path:
    found = find_spec(name)
    folders = list(found.submodule_search_locations or []) if found is not None else []
    if not folders or not Path(folders[0]).is_dir():
        raise ConfigError(
            f"module {name!r} is not there as files, so that it could be copied for the hosts of packages"
        )
    return Path(folders[0])


def _iter_files(folder: Path) -> Iterator[Path]:
    """Iterate over the files of a module, sorted, without pages and bytecode."""
    for place, names, files in os.walk(folder):
        names[:] = sorted([name for name in names if name not in _LEFT_OUT])
        yield from [Path(place, file) for file in sorted(files) if not file.endswith((".pyc", ".so"))]


def _digest(folders: dict[str, Path]) -> str:
    found = hashlib.sha256()
    for name, folder in folders.items():
        for path in _iter_files(folder):
            data = path.read_bytes()
            found.update(f"{name}/{path.relative_to(folder).as_posix()} {len(data)}\n".encode())
            found.update(data)
    return found.hexdigest()[:_DIGEST_CHARS]


def _copy(folder: Path, target: Path) -> None:
    """Copy a module with the bytecode that is there, which stays valid: it knows the time of its source."""
    for path in _iter_files(folder):
        copied = target / path.relative_to(folder)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copied)
        copied.chmod(0o644)
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            cache_folder = copied.parent / "__pycache__"
            cache_folder.mkdir(exist_ok=True)
            shutil.copyfile(compiled, cache_folder / compiled.name)
