"""Signatures of files by a secret key of their directory (HMAC-SHA256)."""

from __future__ import annotations

import hmac
import os
import secrets
import sys
from pathlib import Path
from typing import Final

from holdwater.errors import CacheUnavailable

KEY_FILE: Final = "key"
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 32


def load_or_create_key(directory: Path) -> bytes:
    """Read the key, creating it if there is none; of several processes that create one, the first wins.

    Raises CacheUnavailable for a directory that cannot be used, and for a key other users can read or write.
    """
    path = directory / KEY_FILE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _create_key(path)
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        try:
            _check_permissions(path, os.fstat(descriptor))
            key = os.read(descriptor, KEY_BYTES + 1)
        finally:
            os.close(descriptor)
    except CacheUnavailable:
        raise
    except OSError as error:
        raise CacheUnavailable(
            f"{directory} cannot be used as a cache: {error.strerror or error}",
            hint="name a directory this user can write, or use MemoryCache",
        ) from error
    if len(key) != KEY_BYTES:
        raise CacheUnavailable(f"{path} is no key: it is not {KEY_BYTES} bytes long", hint=f"delete {directory}")
    return key


def _create_key(path: Path) -> None:
    """Write the key to a temporary file and link it to its path: it is never seen half-written or replaced."""
    draft = path.with_name(temporary_name(KEY_FILE))
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        try:
            os.write(descriptor, secrets.token_bytes(KEY_BYTES))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            os.link(draft, path)
        except FileExistsError:  # another process was first
            return
    finally:
        draft.unlink()


def _check_permissions(path: Path, state: os.stat_result) -> None:
    """Refuse a key that other users can read: forged entries would execute code (pickle).  Raises CacheUnavailable."""
    if sys.platform == "win32":
        return
    if state.st_uid not in (os.geteuid(), 0):
        raise CacheUnavailable(f"{path} belongs to another user, who could forge entries", hint="use another directory")
    if state.st_mode & 0o077:
        raise CacheUnavailable(
            f"{path} can be read or written by other users (mode {state.st_mode & 0o777:o}), who could forge entries",
            hint=f"delete {path.parent}; if no other user had access, chmod 600 {path} is enough",
        )


def temporary_name(name: str) -> str:
    return f".{name}.{os.getpid()}.{secrets.token_hex(4)}.tmp"


def sign(key: bytes, name: str, content: bytes) -> bytes:
    """Sign content under a name; the signature is not valid for the same content under another name."""
    return hmac.digest(key, name.encode("utf-8", "surrogatepass") + b"\0" + content, "sha256")


def verify(key: bytes, name: str, content: bytes, signature: bytes) -> bool:
    return hmac.compare_digest(sign(key, name, content), signature)
