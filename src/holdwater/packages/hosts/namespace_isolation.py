"""Hosts in namespaces of Linux: own processes, a read-only view of the files, own /tmp, and no network if wanted."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from holdwater.errors import IsolationUnavailable
from holdwater.packages.hosts.isolation_trial import try_program
from holdwater.packages.installing.installed import InstalledRelease
from holdwater.packages.installing.interpreters import default_interpreter
from holdwater.packages.settings import PackageSettings

HIDDEN: Final = ("/tmp", "/var/tmp", "/dev/shm", "/run")
"""folders of which a host has empty ones of its own"""
NAME_SERVER_FOLDER: Final = "/run/systemd/resolve"
"""seen by hosts with a network"""
_TRIAL: Final = (
    "import json, sys; sys.path.append(sys.argv[1]); from holdwater.packages.host import capabilities, namespace; "
    "namespace.enter(json.loads(sys.argv[2])); capabilities.drop_capabilities()"
)


class NamespaceIsolation:
    """Namespaces made by the program `unshare`.

    Raises IsolationUnavailable if there is none, or the kernel does not allow it.
    """

    supervisor_depth = 2

    def __init__(self, settings: PackageSettings, home: Path, hostlib: Path) -> None:
        tool = shutil.which("unshare")
        if sys.platform != "linux" or tool is None:
            raise IsolationUnavailable(
                "isolation 'namespace' needs Linux and the program unshare",
                hint="install util-linux, or use isolation 'process'",
            )
        self._tool = tool
        self._settings, self._home, self._hostlib = settings, home.resolve(), hostlib.resolve()
        python = default_interpreter(settings)
        for network in (True, False):
            trial = json.dumps(self._mounts(python, [], network=network))
            try_program(
                [*self._unshare(network=network), python, "-I", "-S", "-c", _TRIAL, str(self._hostlib), trial],
                "isolation 'namespace' is not possible here",
                "the kernel must allow it: kernel.unprivileged_userns_clone, user.max_user_namespaces, or the profile "
                "of the container; isolation 'process' needs nothing",
            )

    def prepare_home(self, folder: Path) -> str:
        """Make nothing: /tmp is the host's own."""
        return HIDDEN[0]

    def config(self, installed: InstalledRelease) -> dict[str, Any]:
        """Return the folders a host sees."""
        environment = Path(installed.python).parent.parent
        kept = [installed.folder, *([environment] if (environment / "pyvenv.cfg").is_file() else [])]
        network = installed.manifest.execution.network
        return {"namespace": self._mounts(installed.python, kept, network=network)}

    def wrapper(self, installed: InstalledRelease) -> list[str]:
        """Return the command that makes the namespaces."""
        return self._unshare(network=installed.manifest.execution.network)

    def _unshare(self, *, network: bool) -> list[str]:
        flags = ["--fork", "--kill-child", "--pid", "--mount", "--ipc", "--uts"]
        if os.geteuid():
            flags += ["--user", "--map-root-user"]
        if not network:
            flags += ["--net"]
        return [self._tool, *flags, "--"]

    def _mounts(self, python: str, kept: list[Path], *, network: bool) -> dict[str, Any]:
        interpreter = Path(python).resolve().parent.parent
        folders = [self._hostlib, interpreter, *[folder.resolve() for folder in kept]]
        return {
            "hidden": [*HIDDEN, str(self._home)],
            "kept": [*map(str, folders), *([NAME_SERVER_FOLDER] if network else [])],
            "size_mb": self._settings.max_file_write_mb,
        }
