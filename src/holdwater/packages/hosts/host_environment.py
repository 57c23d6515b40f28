"""The environment of hosts: interpreter, path, variables, folders, limits, isolation."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from holdwater.packages.hosts.isolation import IsolationMethod, choose_isolation
from holdwater.packages.installing.hostlib import prepare_hostlib
from holdwater.packages.installing.installed import InstalledRelease
from holdwater.packages.manifests.manifest_data import manifest_to_data
from holdwater.packages.settings import PackageSettings
from holdwater.runtime.executors.processes.child_process import ProcessCommand

PASSED_ON: Final = ("PATH", "LANG", "TZ")
"""variables of the environment of this process that every host has"""
UNUSED_ADDRESSES_MB: Final = 512
"""addresses that a process reserves and does not use: of libraries, stacks and allocators; the limit counts them too"""
_PIECE_CHARS: Final = 65_536
"""of the configuration in one argument: Linux takes at most 128 KiB in each"""
_HOST_MAIN: Final = "holdwater.packages.host.main"
_CLOACINA_HOST_MAIN: Final = "holdwater.compat.package_host"
_START: Final = "import sys; sys.path.append(sys.argv.pop(1)); from holdwater.packages.host.start import main; main()"


@dataclass(frozen=True, slots=True)
class HostPlace:
    """A host that can be started: its command, and the folder that is its home alone."""

    command: ProcessCommand
    folder: Path

    def remove(self) -> None:
        """Remove the folder, however deep and full it is."""
        remove_tree(self.folder)


class HostEnvironment:
    """The places of the hosts of one pool.

    Raises IsolationUnavailable if this machine cannot do what `settings.isolation` says, OSError.
    """

    def __init__(self, settings: PackageSettings, home: Path) -> None:
        self._settings = settings
        self._hostlib = prepare_hostlib(settings.hostlib_home or home)
        self._isolation: IsolationMethod = choose_isolation(settings, home, self._hostlib)
        self._folder, self._lock_fd = _make_pool_folder(home / "hosts")
        self._numbers = itertools.count(1)

    @property
    def supervisor_depth(self) -> int:
        """The number of processes between the command that is started and its host."""
        return self._isolation.supervisor_depth

    def make_place(self, installed: InstalledRelease) -> HostPlace:
        """Make a place for one more host.  Raises OSError."""
        folder = self._folder / str(next(self._numbers))
        host_home = self._isolation.prepare_home(folder)
        config = json.dumps({**self._config(installed), **self._isolation.config(installed)})
        pieces = [config[start : start + _PIECE_CHARS] for start in range(0, len(config), _PIECE_CHARS)]
        interpreter = [installed.python, "-I", "-S", "-B", "-X", "utf8", "-c", _START, str(self._hostlib), *pieces]
        arguments = [*self._isolation.wrapper(installed), *interpreter]
        return HostPlace(ProcessCommand(arguments, self._environ(installed, host_home), "/"), folder)

    def close(self) -> None:
        """Remove the folders of all hosts, which have ended."""
        remove_tree(self._folder)
        os.close(self._lock_fd)

    def memory_mb(self, installed: InstalledRelease) -> int:
        """Return the limit of the memory of a host in MiB: of its package, or of the settings."""
        limit = installed.manifest.execution.memory_mb
        return self._settings.default_memory_mb if limit is None else limit

    def _config(self, installed: InstalledRelease) -> dict[str, Any]:
        manifest, settings = installed.manifest, self._settings
        sources = [str(path) for path in (installed.folder / "workflow", installed.folder / "vendor") if path.is_dir()]
        return {
            "entry": _HOST_MAIN if manifest.format == "holdwater" else _CLOACINA_HOST_MAIN,
            "manifest": manifest_to_data(replace(manifest, schedules=(), triggers=(), dependencies=())),  # not needed
            "root": str(installed.folder),
            "paths": sources,
            "site_folders": [*[str(path) for path in find_site_folders(installed)], *settings.site_folders],
            "is_concurrent": manifest.execution.bodies_per_host > 1,
            "limits": {
                "memory_mb": self.memory_mb(installed) + UNUSED_ADDRESSES_MB,
                "file_write_mb": settings.max_file_write_mb,
                "open_files": settings.max_open_files,
                "processes": settings.max_processes,
            },
        }

    def _environ(self, installed: InstalledRelease, host_home: str) -> dict[str, str]:
        allowed = self._settings.env_allow
        wanted = installed.manifest.execution.env
        names = (*PASSED_ON, *[name for name in wanted if allowed is None or name in allowed])
        given = {name: os.environ[name] for name in names if name in os.environ}
        return {**given, "HOME": host_home, "TMPDIR": host_home}


def find_site_folders(installed: InstalledRelease) -> list[Path]:
    """Find the folders of packages in the virtual environment of a release; none without one."""
    environment = Path(installed.python).parent.parent
    if not (environment / "pyvenv.cfg").is_file():
        return []
    return sorted(environment.glob("lib/python*/site-packages"))


def remove_tree(folder: Path) -> None:
    """Remove a folder that code of others has filled; one that is not there is no error."""
    tool = shutil.which("rm")
    if tool is None:
        shutil.rmtree(folder, ignore_errors=True)
        return
    with suppress(OSError):  # what is left is removed by the next pool of this home
        subprocess.run(
            [tool, "-rf", "--", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def _make_pool_folder(parent: Path) -> tuple[Path, int]:
    """Make the folder of a pool, which is locked as long as its process lives; remove those of others that ended."""
    parent.mkdir(parents=True, exist_ok=True)
    parent.chmod(0o755)
    for lock in parent.glob("*/lock"):
        with suppress(OSError), open(lock, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(lock.parent)
    made = Path(tempfile.mkdtemp(prefix="pool-", dir=parent))
    made.chmod(0o711)
    lock_fd = os.open(made / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock_fd, fcntl.LOCK_EX)
    return made, lock_fd
