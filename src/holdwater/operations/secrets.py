"""Secrets of a database: written, listed and encrypted anew.  Their texts are for task functions alone.

They are encrypted with the keys of this process (`HOLDWATER_SECRETS_KEY`), where no others are given.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from holdwater.engine.secret_keys import SecretKeys
from holdwater.errors import InvalidArgument, SecretExists, SecretNotFound
from holdwater.model.provenance import check_author
from holdwater.model.secrets import SealedSecret, check_fields, check_secret_name
from holdwater.model.suggestions import did_you_mean
from holdwater.model.time import Micros
from holdwater.operations.databases import Database

MAX_SECRETS: Final = 1_000
"""secrets of one database"""
MAX_WRITE_ATTEMPTS: Final = 10
"""of a secret that other processes write at the same time"""


@dataclass(frozen=True, slots=True)
class SecretInfo:
    """All of a secret but its texts.  `field_names`: sorted.  `key_id`: tells the key it is encrypted with."""

    name: str
    id: str
    field_names: tuple[str, ...]
    key_id: str
    created_at: Micros
    created_by: str
    updated_at: Micros
    updated_by: str


def list_secrets(database: Database) -> tuple[SecretInfo, ...]:
    """List secrets by name; no key is needed.  Raises StoreUnavailable."""
    return tuple([_to_info(secret) for secret in database.store.list_secrets()])


def get_secret_info(database: Database, name: str) -> SecretInfo:
    """Read what there is to know of a secret; no key is needed.  Raises SecretNotFound, StoreUnavailable."""
    return _to_info(_find(database, name))


def create_secret(
    database: Database, name: str, fields: Mapping[str, str], *, by: str = "", keys: SecretKeys | None = None
) -> SecretInfo:
    """Write a new secret.

    Raises SecretExists, InvalidArgument, SecretsUnavailable, ConfigError, StoreReadOnly, StoreUnavailable.
    """
    made = _seal(database, check_secret_name(name), fields, by, keys)
    known = [secret.name for secret in database.store.list_secrets()]
    if name not in known and len(known) >= MAX_SECRETS:
        raise InvalidArgument(f"a database has at most {MAX_SECRETS:,} secrets", hint="holdwater secrets remove NAME")
    if not database.store.insert_secret(made):
        raise SecretExists(f"there is a secret {name!r} already", hint="replace its texts: holdwater secrets set")
    return _to_info(made)


def replace_secret(
    database: Database, name: str, fields: Mapping[str, str], *, by: str = "", keys: SecretKeys | None = None
) -> SecretInfo:
    """Write other texts in place of those of a secret; fields that are not given are gone.

    Raises SecretNotFound, InvalidArgument, SecretsUnavailable, ConfigError, StoreReadOnly, StoreUnavailable.
    """
    made = _seal(database, check_secret_name(name), fields, by, keys)
    for _ in range(MAX_WRITE_ATTEMPTS):
        known = _find(database, name)
        new = replace(made, id=known.id, created_at=known.created_at, created_by=known.created_by)
        if database.store.update_secret(new, known.sealed):
            return _to_info(new)
    raise _written_at_once(name)


def put_secret(
    database: Database, name: str, fields: Mapping[str, str], *, by: str = "", keys: SecretKeys | None = None
) -> SecretInfo:
    """Create a secret, or replace the texts of the one of this name.

    Raises InvalidArgument, SecretsUnavailable, ConfigError, StoreReadOnly, StoreUnavailable.
    """
    for _ in range(MAX_WRITE_ATTEMPTS):
        try:
            return create_secret(database, name, fields, by=by, keys=keys)
        except SecretExists:
            pass
        try:
            return replace_secret(database, name, fields, by=by, keys=keys)
        except SecretNotFound:  # it was removed in between
            pass
    raise _written_at_once(name)


def remove_secret(database: Database, name: str) -> None:
    """Remove a secret.  Raises SecretNotFound, StoreReadOnly, StoreUnavailable."""
    if not database.store.delete_secret(name):
        raise _not_found(database, name)


def rotate_secrets(database: Database, *, keys: SecretKeys | None = None) -> int:
    """Encrypt with the first key what is encrypted with the second; returns the number of secrets.

    It can be repeated, and stops at one that none of the keys decrypts.  Raises SecretsUnavailable, ConfigError,
    StoreReadOnly, StoreUnavailable.
    """
    keys, store = keys or SecretKeys.from_environment(), database.store
    scope, count = store.secret_scope(), 0
    for secret in store.list_secrets():
        if secret.key_id == keys.first_id:
            continue
        sealed = keys.seal(scope, secret.name, keys.unseal(scope, secret))
        # one that was written or removed in between has the first key by now, or is gone
        count += store.update_secret(replace(secret, sealed=sealed, key_id=keys.first_id), secret.sealed)
    return count


def _seal(database: Database, name: str, fields: Mapping[str, str], by: str, keys: SecretKeys | None) -> SealedSecret:
    given, author, now = check_fields(fields), check_author(by), database.clock.now()
    keys = keys or SecretKeys.from_environment()
    sealed = keys.seal(database.store.secret_scope(), name, given)
    field_names = tuple(sorted(given))
    return SealedSecret(name, str(uuid.uuid4()), field_names, sealed, keys.first_id, now, author, now, author)


def _find(database: Database, name: str) -> SealedSecret:
    found = database.store.get_secret(name)
    if found is None:
        raise _not_found(database, name)
    return found


def _not_found(database: Database, name: str) -> SecretNotFound:
    known = [secret.name for secret in database.store.list_secrets()]
    return SecretNotFound(f"there is no secret {name!r:.200}", hint=did_you_mean(name, known))


def _written_at_once(name: str) -> SecretExists:
    return SecretExists(f"secret {name!r} is being written by other processes all the time", hint="try again")


def _to_info(secret: SealedSecret) -> SecretInfo:
    return SecretInfo(
        secret.name,
        secret.id,
        secret.field_names,
        secret.key_id,
        secret.created_at,
        secret.created_by,
        secret.updated_at,
        secret.updated_by,
    )
