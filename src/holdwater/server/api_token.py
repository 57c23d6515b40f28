"""The token of programs, in a file only its owner can read."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from holdwater.errors import ConfigError
from holdwater.server.sessions import MAX_TOKEN_CHARS, MIN_TOKEN_CHARS


def read_or_create_token(path: Path) -> str:
    """Read the token in a file; a file that does not exist is created with a new one.  Raises ConfigError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_token(path)
    except OSError as error:
        raise ConfigError(f"the token cannot be written to {path}: {error.strerror}") from error
    token = secrets.token_urlsafe(32)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{token}\n")
    return token


def _read_token(path: Path) -> str:
    try:
        with path.open(encoding="ascii") as file:
            mode = os.fstat(file.fileno()).st_mode
            token = file.read(MAX_TOKEN_CHARS + 2).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the token in {path} cannot be read: {error}") from error
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"other users can read the token in {path}", hint=f"chmod 600 {path}")
    if not MIN_TOKEN_CHARS <= len(token) <= MAX_TOKEN_CHARS or not token.isprintable() or " " in token:
        raise ConfigError(
            f"{path} has no token: it is one line of {MIN_TOKEN_CHARS} to {MAX_TOKEN_CHARS} printable characters",
            hint="delete the file, and a new token is written to it",
        )
    return token
