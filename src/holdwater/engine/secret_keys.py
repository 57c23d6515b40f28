"""The keys that secrets are encrypted with: AES-256-GCM, bound to the database and the name of the secret.

`HOLDWATER_SECRETS_KEY` has one key, or two while secrets are encrypted anew: the first encrypts, both decrypt.  A key
is 32 bytes in base64 or in hex digits; `file:PATH` stands for a file with keys in the same form.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from holdwater.errors import ConfigError, SecretsUnavailable
from holdwater.model.secrets import SealedSecret

VARIABLE: Final = "HOLDWATER_SECRETS_KEY"
KEY_BYTES: Final = 32
MAX_KEYS: Final = 2
MAX_KEY_FILE_BYTES: Final = 4_096
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
_FORMAT: Final = b"\x01"
_FILE_PREFIX: Final = "file:"
_HEX_KEY: Final = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)
_HINT: Final = (
    "make one with `holdwater secrets keygen`, and give it to every process that reads or writes secrets; those of"
    " `holdwater serve` are read and written by the server alone"
)


class SecretKeys:
    """Keys, the first of which encrypts.  Nothing shows them."""

    __slots__ = ("_keys",)

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._keys: Final = {_key_id(key): key for key in keys}

    @classmethod
    def parse(cls, text: str) -> SecretKeys:
        """Read one or two keys, separated by commas or white space.  Raises ConfigError, which shows none of it."""
        words = text.replace(",", " ").split()
        if not 1 <= len(words) <= MAX_KEYS:
            raise ConfigError(f"{VARIABLE} has one key, or two, and not {len(words)}", hint=_HINT)
        return cls(tuple([_parse_key(word) for word in words]))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> SecretKeys:
        """Read the keys of this process.  Raises SecretsUnavailable without any, ConfigError for what is none."""
        text = environ.get(VARIABLE, "").strip()
        if not text:
            raise SecretsUnavailable(f"secrets need a key, and {VARIABLE} is not set", hint=_HINT)
        return cls.parse(_read_file(Path(text.removeprefix(_FILE_PREFIX))) if text.startswith(_FILE_PREFIX) else text)

    @property
    def first_id(self) -> str:
        """Id of the key that encrypts."""
        return next(iter(self._keys))

    def seal(self, scope: str, name: str, fields: Mapping[str, str]) -> bytes:
        """Encrypt a secret.  `scope`: of its database (see `SecretStore.secret_scope`).  Raises SecretsUnavailable."""
        nonce = os.urandom(NONCE_BYTES)
        text = json.dumps(dict(fields), separators=(",", ":")).encode()
        sealed: bytes = _cipher(self._keys[self.first_id]).encrypt(nonce, text, _bound_to(scope, name))
        return _FORMAT + nonce + sealed

    def unseal(self, scope: str, secret: SealedSecret) -> dict[str, str]:
        """Decrypt a secret.  Raises SecretsUnavailable for one of another key, database or name, and a changed one."""
        key = self._keys.get(secret.key_id)
        if key is None:
            raise SecretsUnavailable(
                f"secret {secret.name!r} is encrypted with the key {secret.key_id}, which is not in {VARIABLE}",
                hint="give both keys, the new one first, until `holdwater secrets rotate` has been run",
            )
        from cryptography.exceptions import InvalidTag

        data = secret.sealed
        body = data[len(_FORMAT) :]
        try:
            if data[: len(_FORMAT)] != _FORMAT or len(body) < NONCE_BYTES + TAG_BYTES:
                raise InvalidTag
            plain = _cipher(key).decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], _bound_to(scope, secret.name))
        except InvalidTag:
            raise SecretsUnavailable(
                f"secret {secret.name!r} was written for another tenant or name, or was changed in the database",
                hint="set it again: holdwater secrets set",
            ) from None
        fields: dict[str, str] = json.loads(plain)
        return fields

    def __repr__(self) -> str:
        return f"SecretKeys(ids={list(self._keys)})"


def generate_key() -> str:
    """Make a new key, in base64."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def _parse_key(word: str) -> bytes:
    if _HEX_KEY.fullmatch(word):
        return bytes.fromhex(word)
    try:
        key = base64.b64decode(word.replace("-", "+").replace("_", "/") + "=" * (-len(word) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(f"a key in {VARIABLE} is not {KEY_BYTES} bytes in base64 or hex digits", hint=_HINT)
    return key


def _read_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_KEY_FILE_BYTES).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{VARIABLE} names the file {path}, which cannot be read: {getattr(error, 'strerror', 'it is no text')}"
        ) from None


def _key_id(key: bytes) -> str:
    """Return what tells a key from others, and nothing about it."""
    return hashlib.sha256(b"holdwater secrets key id" + key).hexdigest()[:16]


def _bound_to(scope: str, name: str) -> bytes:
    return f"holdwater secret\0{scope}\0{name}".encode()


def _cipher(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ModuleNotFoundError as error:
        raise SecretsUnavailable(
            f"secrets need the library {error.name}, which is not installed", hint="pip install 'holdwater[secrets]'"
        ) from None
    return AESGCM(key)
