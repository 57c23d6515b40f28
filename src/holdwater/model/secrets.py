"""Secrets: texts by field under a name, which a store has sealed and a task function asks for by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from holdwater.errors import InvalidArgument
from holdwater.model import validation
from holdwater.model.time import Micros

DEFAULT_FIELD: Final = "value"
"""of a secret that is one text"""
MAX_FIELDS: Final = 32
MAX_FIELD_NAME_CHARS: Final = 63
MAX_SECRET_BYTES: Final = 65_536
"""of all values of a secret, in UTF-8"""
SECRET_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}", re.ASCII)
_FIELD_NAME: Final = re.compile(rf"[A-Za-z_][A-Za-z0-9_.-]{{0,{MAX_FIELD_NAME_CHARS - 1}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret of a database.  `field_names`: sorted.

    `sealed`: nonce, ciphertext and tag of AES-256-GCM over a JSON object of texts by field.  `key_id`: tells the key it
    is encrypted with.
    """

    name: str
    id: str
    field_names: tuple[str, ...]
    sealed: bytes = field(repr=False)
    key_id: str
    created_at: Micros
    created_by: str
    updated_at: Micros
    updated_by: str


class SecretSource(Protocol):
    """Reads secrets for task functions."""

    def read_secret(self, name: str, field: str) -> str:
        """Return the text of a field.  Raises SecretNotFound, SecretsUnavailable, InvalidArgument, StoreUnavailable."""
        ...


def check_secret_name(name: Any) -> str:
    """Check the name of a secret.  Raises InvalidArgument."""
    if not isinstance(name, str) or not SECRET_NAME.fullmatch(name):
        raise InvalidArgument(
            f"{validation.shorten_repr(name)} is no name of a secret",
            hint="a name has 1 to 63 characters of A-Z a-z 0-9 _ . - and begins with a letter",
        )
    return name


def check_field_name(name: Any) -> str:
    """Check the name of a field.  Raises InvalidArgument."""
    if not isinstance(name, str) or not _FIELD_NAME.fullmatch(name):
        raise InvalidArgument(
            f"{validation.shorten_repr(name)} is no name of a field of a secret",
            hint=f"it has 1 to {MAX_FIELD_NAME_CHARS} characters of A-Z a-z 0-9 _ . - and begins with a letter or _",
        )
    return name


def check_fields(fields: Any) -> dict[str, str]:
    """Check the texts of a secret by field; no message shows one.  Raises InvalidArgument."""
    if not isinstance(fields, Mapping) or not fields:
        raise InvalidArgument("a secret has texts by field, and at least one of them", hint='as {"password": "..."}')
    if len(fields) > MAX_FIELDS:
        raise InvalidArgument(f"a secret has at most {MAX_FIELDS} fields, not {len(fields):,}")
    size_bytes = 0
    for name, value in fields.items():
        check_field_name(name)
        if not isinstance(value, str):
            raise InvalidArgument(f"field {name!r} of the secret is a {type(value).__name__}, and not a text")
        try:
            size_bytes += len(value.encode())
        except UnicodeEncodeError:
            raise InvalidArgument(f"field {name!r} of the secret has lone surrogates, which are no text") from None
    if size_bytes > MAX_SECRET_BYTES:
        raise InvalidArgument(f"a secret has at most {MAX_SECRET_BYTES:,} bytes, not {size_bytes:,}")
    return dict(fields)
