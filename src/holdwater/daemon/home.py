"""The home of a daemon: its folders."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdwater.service.home_lock import usable_home
from holdwater.service.settings import DATABASE_NAME

LOCK_NAME: Final = "daemon.lock"
SOCKET_NAME: Final = "daemon.sock"


@dataclass(frozen=True, slots=True)
class Home:
    """Places below the home folder of a daemon."""

    folder: Path

    @property
    def packages(self) -> Path:
        """The folder that is always watched."""
        return self.folder / "packages"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def socket(self) -> Path:
        return self.folder / SOCKET_NAME

    @property
    def lock(self) -> Path:
        return self.folder / LOCK_NAME

    @property
    def database_url(self) -> str:
        """The URL of the database where no other one is set."""
        return f"sqlite:///{self.folder / DATABASE_NAME}"

    def create(self) -> None:
        """Create the folders that are not there, for this user alone.  Raises DaemonError."""
        with usable_home(self.folder):
            for folder in (self.folder, self.packages, self.logs):
                folder.mkdir(mode=0o700, parents=folder is self.folder, exist_ok=True)

    def open_to_hosts(self) -> None:
        """Let other users pass through the home, to the files of packages, and no further.  Raises OSError."""
        self.folder.chmod(0o711)

    def create_database(self) -> None:
        """Create the file of the database, empty, so that no other user can read what is written to it.

        Raises OSError.
        """
        os.close(os.open(self.folder / DATABASE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
