"""What every store must do with layouts of drawings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdwater.errors import InvalidArgument
from holdwater.model.ports.drawings import MAX_LAYOUT_BYTES
from holdwater.model.ports.store import Store
from holdwater.model.time import Micros
from holdwater.storage.memory import drawings as memory
from holdwater.storage.postgres import drawings as postgres
from holdwater.storage.sqlite import drawings as sqlite
from tests.storage.conformance import StoreLocation


class DrawingConformance:
    """Subclass it as `Test...`."""

    @pytest.fixture
    def store(self, place: StoreLocation) -> Iterator[Store]:
        yield place.open()
        place.close()

    def test_a_layout_is_kept_for_its_structure_and_format(self, store: Store) -> None:
        assert store.get_layout("s1", 1) is None
        store.put_layout("s1", 1, '{"a": "é"}', Micros(5))
        store.put_layout("s2", 1, "{}", Micros(5))
        assert store.get_layout("s1", 1) == '{"a": "é"}'
        assert store.get_layout("s2", 1) == "{}"
        assert store.get_layout("s1", 2) is None

    def test_what_is_kept_stays_until_another_format_comes(self, store: Store) -> None:
        store.put_layout("s1", 1, "first", Micros(5))
        store.put_layout("s1", 1, "second", Micros(6))
        assert store.get_layout("s1", 1) == "first"
        store.put_layout("s1", 2, "third", Micros(7))
        assert (store.get_layout("s1", 1), store.get_layout("s1", 2)) == (None, "third")

    def test_the_oldest_beyond_the_limit_are_deleted(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (memory, postgres, sqlite):
            monkeypatch.setattr(module, "MAX_LAYOUTS_BYTES", 1000)
        for i in range(5):
            store.put_layout(f"s{i}", 1, "é" * 150, Micros(i))  # 300 bytes each
        assert [store.get_layout(f"s{i}", 1) is None for i in range(5)] == [True, True, False, False, False]

    def test_a_layout_that_is_too_large_is_refused(self, store: Store) -> None:
        with pytest.raises(InvalidArgument, match="4,000,000"):
            store.put_layout("s1", 1, "x" * (MAX_LAYOUT_BYTES + 1), Micros(5))
        assert store.get_layout("s1", 1) is None
