"""The first key of a server: that of its administrator, in a file that its owner alone can read."""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdwater.errors import ConfigError
from holdwater.server.control import statements as sql
from holdwater.server.control.audit import AuditFacts, AuditLog
from holdwater.server.control.database import ControlDatabase
from holdwater.server.control.key_text import (
    MAX_GIVEN_CHARS,
    MIN_GIVEN_CHARS,
    digest_of,
    is_usable_key,
    new_key,
    new_key_id,
)
from holdwater.server.control.keys import ApiKey, KeyStore

FILE_NAME: Final = "bootstrap-key"
KEY_NAME: Final = "bootstrap-admin"
_AUTHOR: Final = "server"
logger = logging.getLogger("holdwater.server")


@dataclass(frozen=True, slots=True)
class BootstrapKey:
    """The first key was made.  `path`: of the file with its text."""

    key_id: str
    path: Path


def bootstrap(control: ControlDatabase, home: Path, given_key: str | None = None) -> BootstrapKey | None:
    """Make the first key of a server, which may everything; None if there was a key before.

    `given_key`: its text, else it is made up.  It is in `bootstrap-key` of the home before it is accepted, and of
    several servers that start at a time one makes it.  Raises ConfigError, StoreUnavailable.
    """
    if given_key is not None and not is_usable_key(given_key):
        raise ConfigError(
            "the bootstrap key cannot be used",
            hint=f"it has {MIN_GIVEN_CHARS} to {MAX_GIVEN_CHARS} printable characters, and no space at its ends",
        )
    keys, key_id = KeyStore(control), new_key_id()
    text = given_key or new_key(key_id)
    with control.transaction() as connection:
        keys.lock(connection)
        if keys.has_any(connection):
            if given_key is not None and connection.execute(sql.FIND_KEY, (digest_of(text),)).fetchone() is None:
                logger.warning("the given bootstrap key is not used: this server has keys already")
            return None
        path = _write_secret(home / FILE_NAME, text)
        now = control.clock.now()
        keys.insert(connection, ApiKey(key_id, KEY_NAME, "admin", None, True, now, _AUTHOR), digest_of(text))
        AuditLog(control).record(connection, AuditFacts(_AUTHOR), "key.create", None, key_id)
    return BootstrapKey(key_id, path)


def _write_secret(path: Path, text: str) -> Path:
    """Write a file that its owner alone can read, whole or not at all, to stay.  Raises ConfigError."""
    new = path.with_name(f"{path.name}.new")
    try:
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ConfigError(f"the bootstrap key cannot be written to {path}: {error.strerror}") from error
    return path
