"""The home of a server: its folders and files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdwater.service.home_lock import usable_home

LOCK_NAME: Final = "server.lock"
LOG_NAME: Final = "holdwater-server.log"


@dataclass(frozen=True, slots=True)
class ServerHome:
    """Places below the home folder of a server."""

    folder: Path

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def lock(self) -> Path:
        return self.folder / LOCK_NAME

    def create(self) -> None:
        """Create the folders that are not there, for this user alone.  Raises ServerError."""
        with usable_home(self.folder, "server"):
            for folder in (self.folder, self.logs):
                folder.mkdir(mode=0o700, parents=folder is self.folder, exist_ok=True)
