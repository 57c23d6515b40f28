"""The separation of hosts from this machine: a process of its own, another user, or namespaces of Linux."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from holdwater.packages.installed import InstalledRelease
from holdwater.packages.manifest import ExecutionLimits
from holdwater.packages.settings import PackageSettings


class IsolationMethod(Protocol):
    """One way to separate hosts."""

    @property
    def supervisor_depth(self) -> int:
        """The number of processes between the command that is started and its host."""
        ...

    def give_folder(self, folder: Path) -> None:
        """Give a host the folder that is its home alone.  Raises OSError."""
        ...

    def config(self, installed: InstalledRelease, folder: Path) -> dict[str, Any]:
        """Return the part of the configuration of a host that this method reads on the far side."""
        ...

    def wrapper(self, execution: ExecutionLimits) -> list[str]:
        """Return the command in front of the interpreter."""
        ...


class ProcessIsolation:
    """A process of its own, of the user of this one."""

    supervisor_depth = 1

    def give_folder(self, folder: Path) -> None:
        """Do nothing: it has it."""

    def config(self, installed: InstalledRelease, folder: Path) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def wrapper(self, execution: ExecutionLimits) -> list[str]:
        """Return no command."""
        return []


def choose_isolation(settings: PackageSettings, home: Path, hostlib: Path) -> IsolationMethod:
    """Choose the method of these settings, tried here.  Raises IsolationUnavailable naming what is missing."""
    return ProcessIsolation()
