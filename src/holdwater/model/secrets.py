"""Secrets as a store has them: sealed."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdwater.model.time import Micros


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
