"""Which releases a process may remove from a database that other processes use, too, on folders of their own.

A release whose file is not there is removed by the home that has registered it, or by a process that has seen this file
before: others have not looked where it is.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from holdwater.errors import ConfigError
from holdwater.model.releases import ReleaseRow
from holdwater.packages.registries.registry import RegistryListing

ID_NAME: Final = "home.id"
_ID_BYTES: Final = 8


def read_home_id(home: Path) -> str:
    """Return the id of a home, 16 hex digits, which is made once; it stays when the folder is moved.

    Raises OSError; ConfigError if its file has something else.
    """
    path = home / ID_NAME
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        draft = home / f".{ID_NAME}.{secrets.token_hex(_ID_BYTES)}"
        try:
            draft.write_text(secrets.token_hex(_ID_BYTES) + "\n", encoding="ascii")
            with suppress(FileExistsError):  # another process was faster
                path.hardlink_to(draft)
        finally:
            draft.unlink(missing_ok=True)
    text = path.read_bytes()[:100].strip()
    if len(text) != 2 * _ID_BYTES or not text.isalnum():
        raise ConfigError(
            f"{path} has no id of a home", hint="remove it; packages that are gone are removed by request"
        )
    return text.decode("ascii")


@dataclass(slots=True)
class Ownership:
    """The files of releases that this process has seen."""

    _seen: dict[str, str] = field(default_factory=dict)

    def note_listed(self, listing: RegistryListing) -> None:
        """Take note of what a registry has."""
        self._seen |= {entry.release: entry.source for entry in listing.entries}

    def may_remove(self, row: ReleaseRow, author: str) -> bool:
        """Return True if a release is to be removed by a registry that does not have it."""
        return not row.source or row.registered_by == author or self._seen.get(row.release) == row.source
