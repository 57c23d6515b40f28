"""The separation of hosts from this machine: a process of its own, another user, or namespaces of Linux."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from holdwater.packages.hosts.namespace_isolation import NamespaceIsolation
from holdwater.packages.hosts.user_isolation import UserIsolation
from holdwater.packages.installing.installed import InstalledRelease
from holdwater.packages.settings import PackageSettings


class IsolationMethod(Protocol):
    """One way to separate hosts.

    `supervisor_depth`: number of processes between the command that is started and its host.
    """

    supervisor_depth: int

    def prepare_home(self, folder: Path) -> str:
        """Make the folder that is the home of one host; returns its path as the host sees it.  Raises OSError."""
        ...

    def config(self, installed: InstalledRelease) -> dict[str, Any]:
        """Return the part of the configuration of a host that this method reads on the far side."""
        ...

    def wrapper(self, installed: InstalledRelease) -> list[str]:
        """Return the command in front of the interpreter."""
        ...


class ProcessIsolation:
    """A process of its own, of the user of this one."""

    supervisor_depth = 1

    def prepare_home(self, folder: Path) -> str:
        """Make the folder."""
        folder.mkdir(mode=0o700)
        return str(folder)

    def config(self, installed: InstalledRelease) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def wrapper(self, installed: InstalledRelease) -> list[str]:
        """Return no command."""
        return []


def choose_isolation(settings: PackageSettings, home: Path, hostlib: Path) -> IsolationMethod:
    """Choose the method of these settings, tried here.  Raises IsolationUnavailable naming what is missing."""
    if settings.isolation == "user":
        return UserIsolation(settings, hostlib)
    if settings.isolation == "namespace":
        return NamespaceIsolation(settings, home, hostlib)
    return ProcessIsolation()
