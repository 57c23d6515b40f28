"""Hosts as another user, who has no rights here: started by root, with a supervisor that stays root."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any, Final

from holdwater.errors import IsolationUnavailable
from holdwater.packages.hosts.isolation_trial import try_program
from holdwater.packages.installing.installed import InstalledRelease
from holdwater.packages.installing.interpreters import known_interpreters
from holdwater.packages.settings import PackageSettings

_TRIAL: Final = "import sys; sys.path.append(sys.argv[1]); import holdwater.packages.host.start"


class UserIsolation:
    """The user of `settings.user`.

    Raises IsolationUnavailable if this process is not root's, there is no such user, or that one may not read an
    interpreter or the copy of this library.
    """

    supervisor_depth = 1

    def __init__(self, settings: PackageSettings, hostlib: Path) -> None:
        if os.geteuid():
            raise IsolationUnavailable(
                "isolation 'user' starts processes of another user, which only root may",
                hint="run this as root, or use isolation 'namespace'",
            )
        try:
            found = pwd.getpwnam(settings.user)
        except KeyError as error:
            raise IsolationUnavailable(
                f"isolation 'user': there is no user {settings.user!r} on this machine",
                hint="make one for hosts alone: useradd --system --no-create-home holdwater-host",
            ) from error
        if not found.pw_uid:
            raise IsolationUnavailable("isolation 'user' with the user root separates nothing")
        self._uid, self._gid = found.pw_uid, found.pw_gid
        for python in known_interpreters(settings).values():
            try_program(
                [python, "-I", "-S", "-c", _TRIAL, str(hostlib)],
                f"isolation 'user': user {settings.user!r} cannot start {python} with {hostlib}",
                "every folder above both must be open to that user (chmod o+x), and the files must be readable",
                user=self._uid,
                group=self._gid,
            )

    def prepare_home(self, folder: Path) -> str:
        """Make the folder, and give it to the user."""
        folder.mkdir(mode=0o700)
        os.chown(folder, self._uid, self._gid)
        return str(folder)

    def config(self, installed: InstalledRelease) -> dict[str, Any]:
        """Return the user, as numbers."""
        return {"user": [self._uid, self._gid]}

    def wrapper(self, installed: InstalledRelease) -> list[str]:
        """Return no command: the process becomes that user by itself."""
        return []
