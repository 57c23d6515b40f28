"""The text of a key, `hw_ID_SECRET_CHECK`, and what is stored of it: the id, and the SHA-256 of the whole.

The id is for people, the checksum for scanners of source code and logs, which can tell a key from a look-alike offline.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from typing import Final

ID_CHARS: Final = 12
ID_PATTERN: Final = "[0-9a-z]{12}"
MIN_GIVEN_CHARS: Final = 32
MAX_GIVEN_CHARS: Final = 200
"""of a key that is not made here"""
SECRET_BYTES: Final = 32
_ID_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_CHECK_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK_CHARS: Final = 6
_KEY: Final = re.compile(f"(hw_({ID_PATTERN})_[A-Za-z0-9_-]{{43}})_([0-9A-Za-z]{{6}})", re.ASCII)


def new_key_id() -> str:
    """Create an id."""
    return "".join([secrets.choice(_ID_ALPHABET) for _ in range(ID_CHARS)])


def new_key(key_id: str) -> str:
    """Create a key with an id."""
    body = f"hw_{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
    return f"{body}_{_checksum(body)}"


def has_valid_checksum(key: str) -> bool:
    """Return True for a text of the form of a key whose checksum is right."""
    found = _KEY.fullmatch(key)
    return found is not None and _checksum(found[1]) == found[3]


def is_usable_key(key: str) -> bool:
    """Return True for a text that may be given as a key: 32 to 200 printable characters, no space at either end."""
    return MIN_GIVEN_CHARS <= len(key) <= MAX_GIVEN_CHARS and key.isprintable() and key == key.strip()


def digest_of(secret: str | bytes) -> bytes:
    """Return what is stored in the place of a key, a session's id or a ticket."""
    data = secret.encode(errors="surrogatepass") if isinstance(secret, str) else secret
    return hashlib.sha256(data).digest()


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = []
    for _ in range(_CHECK_CHARS):
        number, digit = divmod(number, len(_CHECK_ALPHABET))
        digits.append(_CHECK_ALPHABET[digit])
    return "".join(reversed(digits))
