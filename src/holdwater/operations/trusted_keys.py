"""The keys whose signatures of packages a database accepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from holdwater.errors import TrustError
from holdwater.model.releases import TrustedKey
from holdwater.model.suggestions import did_you_mean
from holdwater.model.time import Micros
from holdwater.operations.databases import Database

MIN_FINGERPRINT_CHARS: Final = 8
"""a beginning of a fingerprint that is shorter names no key"""


def list_trusted_keys(database: Database) -> list[TrustedKey]:
    """List the trusted keys, revoked ones included, by name.  Raises StoreError."""
    return sorted(database.store.list_trusted_keys(), key=lambda key: (key.name, key.fingerprint))


def trust_key(database: Database, key: TrustedKey) -> TrustedKey:
    """Accept the signatures of a key from now on.  Raises TrustError if it was revoked, StoreError."""
    for known in list_trusted_keys(database):
        if known.fingerprint == key.fingerprint and known.revoked_at is not None:
            raise TrustError(f"key {known.name!r} ({known.fingerprint[:16]}) was revoked", code="key_revoked")
    added = replace(key, added_at=database.clock.now())
    database.store.put_trusted_key(added)
    return added


def revoke_key(database: Database, wanted: str, at: Micros | None = None) -> TrustedKey:
    """Accept no more signatures of a key, by its name or the beginning of its fingerprint.

    Releases that are registered go on.  Raises TrustError if there is no such key, or several; StoreError.
    """
    key = find_trusted_key(database, wanted)
    if key.revoked_at is not None:
        return key
    revoked = replace(key, revoked_at=database.clock.now() if at is None else at)
    database.store.put_trusted_key(revoked)
    return revoked


def find_trusted_key(database: Database, wanted: str) -> TrustedKey:
    """Find a key by its name or the beginning of its fingerprint.  Raises TrustError, StoreError."""
    return choose_trusted_key(list_trusted_keys(database), wanted)


def choose_trusted_key(keys: Sequence[TrustedKey], wanted: str) -> TrustedKey:
    """Choose a key by its name or the beginning of its fingerprint.  Raises TrustError."""
    by_text = len(wanted) >= MIN_FINGERPRINT_CHARS
    found = [key for key in keys if key.name == wanted or (by_text and key.fingerprint.startswith(wanted))]
    if len(found) == 1:
        return found[0]
    if found:
        raise TrustError(
            f"several keys are named {wanted!r}", hint=f"name one by its fingerprint: {found[0].fingerprint[:16]}"
        )
    raise TrustError(
        f"there is no trusted key {wanted!r}",
        code="signature_not_found",
        hint=did_you_mean(wanted, [key.name for key in keys]),
    )
