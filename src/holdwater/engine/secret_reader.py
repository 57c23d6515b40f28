"""Secrets of a database, read for the task functions of its runners."""

from __future__ import annotations

from collections.abc import Callable

from holdwater.engine.secret_keys import SecretKeys
from holdwater.errors import SecretNotFound
from holdwater.model.ports.store import Store
from holdwater.model.secrets import check_field_name, check_secret_name


class SecretReader:
    """A `SecretSource`.  Nothing is kept: a secret that was changed is the new one from then on.  Thread-safe."""

    def __init__(self, store: Store, get_keys: Callable[[], SecretKeys] = SecretKeys.from_environment) -> None:
        self._store, self._get_keys = store, get_keys

    def read_secret(self, name: str, field: str) -> str:
        """Return the text of a field.  Raises SecretNotFound, SecretsUnavailable, InvalidArgument, StoreUnavailable."""
        check_field_name(field)
        keys = self._get_keys()
        found = self._store.get_secret(check_secret_name(name))
        if found is None:
            raise SecretNotFound(f"there is no secret {name!r}", hint=f"holdwater secrets set {name}")
        fields = keys.unseal(self._store.secret_scope(), found)
        if field not in fields:
            raise SecretNotFound(
                f"secret {name!r} has no field {field!r}", hint=f"its fields are {', '.join(found.field_names)}"
            )
        return fields[field]
