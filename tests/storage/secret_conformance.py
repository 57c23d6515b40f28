"""What every store must do with secrets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from holdwater.model.ports.store import Store
from holdwater.model.secrets import SealedSecret
from holdwater.model.time import Micros
from tests.storage.conformance import StoreLocation

SECRET = SealedSecret(
    "smtp", "id-1", ("password", "user"), b"\0sealed", "k1", Micros(5), "cli:alice", Micros(5), "cli:alice"
)


class SecretConformance:
    """Subclass it as `Test...`."""

    @pytest.fixture
    def store(self, place: StoreLocation) -> Iterator[Store]:
        yield place.open()
        place.close()

    def test_a_secret_is_read_as_it_was_written(self, store: Store) -> None:
        assert (store.get_secret("smtp"), store.list_secrets()) == (None, [])
        assert store.insert_secret(SECRET)
        assert store.get_secret("smtp") == SECRET
        assert not store.insert_secret(replace(SECRET, sealed=b"another")), "there is one of its name"
        other = replace(SECRET, name="api", field_names=())
        assert store.insert_secret(other)
        assert store.list_secrets() == [other, SECRET]

    def test_a_secret_is_replaced_unless_it_has_changed(self, store: Store) -> None:
        store.insert_secret(SECRET)
        new = replace(
            SECRET, field_names=("value",), sealed=b"new", key_id="k2", updated_at=Micros(9), updated_by="api"
        )
        assert not store.update_secret(new, b"another")
        assert store.get_secret("smtp") == SECRET
        assert store.update_secret(new, SECRET.sealed)
        assert store.get_secret("smtp") == new
        assert not store.update_secret(replace(new, name="unknown"), b"new")

    def test_a_secret_is_deleted(self, store: Store) -> None:
        store.insert_secret(SECRET)
        assert store.delete_secret("smtp")
        assert not store.delete_secret("smtp")
        assert store.get_secret("smtp") is None

    def test_nothing_shows_what_is_sealed(self) -> None:
        assert "sealed" not in repr(SECRET)
