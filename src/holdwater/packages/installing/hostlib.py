"""The copy of this library that hosts import: nothing else of this process's site-packages is on their path."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zoneinfo
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from holdwater.errors import ConfigError

MODULES: Final = ("holdwater", "cloudpickle", "cronsim")
"""the library, and what it imports where functions of tasks run"""
TIME_ZONES: Final = "tzdata"
"""copied where the system has no time zones"""
LEFT_OUT: Final = frozenset(
    {"holdwater/cli", "holdwater/daemon", "holdwater/demo", "holdwater/server", "holdwater/service"}
)
"""programs around the library, which no function of a task uses"""
_IMPORTED: Final = (
    "holdwater.packages.host.main", "holdwater.tasks", "holdwater.steps", "holdwater.graphs", "cronsim", "cloudpickle",
)  # fmt: skip
_COMPILE_SECONDS: Final = 120.0
_BYTECODE: Final = "__pycache__"
_DIGEST_CHARS: Final = 16
_FOLDER_MODE: Final = 0o755
_FILE_MODE: Final = 0o644


@cache
def prepare_hostlib(home: Path) -> Path:
    """Return the folder of the copy below `home`, `hostlib/VERSION-DIGEST`; it is made once, and appears complete.

    Raises OSError; ConfigError if a module of it cannot be found as files.
    """
    names = MODULES if any(map(os.path.isdir, zoneinfo.TZPATH)) else (*MODULES, TIME_ZONES)
    folders = {name: _find_module(name) for name in names}
    version = sys.modules["holdwater"].__version__
    target = home / "hostlib" / f"{version}-{_digest(folders)}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".copy-", dir=target.parent))
    try:
        for name, folder in folders.items():
            _copy(name, folder, made)
        made.chmod(_FOLDER_MODE)
        _compile(made)
        os.rename(made, target)
    except OSError:
        if not target.is_dir():  # another process was faster
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return target


def _compile(folder: Path) -> None:
    """Have the modules that every host imports compiled: hosts write nothing here.  Raises ConfigError."""
    program = f"import sys; sys.path.append(sys.argv[1]); import {', '.join(_IMPORTED)}"
    interpreter = getattr(sys, "_base_executable", None) or sys.executable
    done = subprocess.run(
        [interpreter, "-I", "-S", "-c", program, str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        umask=0o022,
        timeout=_COMPILE_SECONDS,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise ConfigError(f"the copy of the library for hosts cannot be imported by {interpreter}: {said[-1000:]}")


def _find_module(name: str) -> Path:
    found = find_spec(name)
    folders = list(found.submodule_search_locations or []) if found is not None else []
    if not folders or not Path(folders[0]).is_dir():
        raise ConfigError(
            f"module {name!r} is not there as files, so that it could be copied for the hosts of packages"
        )
    return Path(folders[0])


def _iter_folders(name: str, root: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """Iterate over the folders of a module: path below the copy, path, and names of files, without bytecode."""
    for place, folders, files in os.walk(root):
        below = f"{name}{place[len(str(root)) :]}"
        folders[:] = sorted([one for one in folders if one != _BYTECODE and f"{below}/{one}" not in LEFT_OUT])
        yield below, Path(place), sorted([one for one in files if not one.endswith((".pyc", ".so"))])


def _digest(modules: dict[str, Path]) -> str:
    found = hashlib.sha256()
    for name, root in modules.items():
        for below, folder, files in _iter_folders(name, root):
            for file in files:
                data = (folder / file).read_bytes()
                found.update(f"{below}/{file} {len(data)}\n".encode())
                found.update(data)
    return found.hexdigest()[:_DIGEST_CHARS]


def _copy(name: str, root: Path, target: Path) -> None:
    """Copy a module with the bytecode that is there, which stays valid: it knows the time of its source."""
    for below, folder, files in _iter_folders(name, root):
        made = target / below
        _make_folder(made)
        stems = {file.removesuffix(".py") for file in files}
        for file in files:
            _copy_file(folder / file, made / file)
        bytecode = folder / _BYTECODE
        compiled = os.listdir(bytecode) if bytecode.is_dir() else []
        if compiled:
            _make_folder(made / _BYTECODE)
        for file in compiled:
            if file.endswith(".pyc") and file.partition(".")[0] in stems:
                _copy_file(bytecode / file, made / _BYTECODE / file)


def _make_folder(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(_FOLDER_MODE)  # whatever the umask is


def _copy_file(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    found = source.stat()
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
    target.chmod(_FILE_MODE)
