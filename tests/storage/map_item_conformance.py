"""What every store must do with items of maps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from holdwater.errors import StoreError
from holdwater.model.map_items import ItemCounts, ItemHead, MapItemRow
from holdwater.model.ports.store import Store
from holdwater.model.time import Micros
from tests.storage.conformance import StoreLocation
from tests.storage.factories import new_run_update


def item(index: int, status: Any = "completed", digest: str = "d", **fields: Any) -> MapItemRow:
    given = {"outputs": f'{{"y":{index}}}'} if status == "completed" else {"error": f"ValueError: {index}"}
    return MapItemRow("r1", index, digest, status, Micros(5), **{**given, **fields})


class MapItemConformance:
    """Subclass it as `Test...`."""

    @pytest.fixture
    def store(self, place: StoreLocation) -> Iterator[Store]:
        store = place.open()
        store.commit([new_run_update("r1"), new_run_update("r2")])
        yield store
        place.close()

    def test_rows_come_back_in_order_and_page_by_page(self, store: Store) -> None:
        rows = [item(k, "failed" if k % 3 == 2 else "completed") for k in range(7)]
        store.write_map_items(rows[4:])
        store.write_map_items(rows[:4])
        assert store.read_map_items("r1", 0, 100) == rows
        assert store.read_map_items("r1", 2, 3) == rows[2:5]
        assert store.list_item_heads("r1", 5, 100) == [ItemHead(5, "d", "failed"), ItemHead(6, "d", "completed")]
        assert store.list_failed_items("r1", 3, 10) == [rows[5]]
        assert store.count_map_items("r1") == ItemCounts(5, 2)
        assert store.count_map_items("r2") == ItemCounts()
        assert store.read_map_items("r1", 0, -1) == []
        assert len(store.read_map_items("r1", 0, 1 << 62)) == 7

    def test_a_page_has_a_thousand_rows_at_most(self, store: Store) -> None:
        store.write_map_items([item(k) for k in range(1002)])
        assert len(store.read_map_items("r1", 0, 2000)) == len(store.list_item_heads("r1", 1, 2000)) == 1000

    def test_an_item_that_was_executed_twice_stays_completed(self, store: Store) -> None:
        store.write_map_items([item(0), item(1)])
        store.write_map_items([item(0, "failed"), item(1, "failed", digest="other")])
        assert [head.status for head in store.list_item_heads("r1", 0, 9)] == ["completed", "failed"]
        store.write_map_items([item(1, digest="other")])
        assert store.count_map_items("r1") == ItemCounts(2, 0)
        assert store.list_failed_items("r1", 0, 9) == []

    def test_rows_behind_the_end_of_a_shorter_map_are_deleted(self, store: Store) -> None:
        store.write_map_items([item(k, "failed") for k in range(5)])
        store.delete_map_items("r1", 3)
        store.delete_map_items("r2", 0)
        assert [row.index for row in store.list_failed_items("r1", 0, 9)] == [0, 1, 2]

    def test_texts_no_database_stores_are_escaped(self, store: Store) -> None:
        store.write_map_items([item(0, "failed", error="bad \ud800", inputs='{"x":"\\ud800"}')])
        (row,) = store.read_map_items("r1", 0, 1)
        assert row.error in ("bad \\ud800", "bad \ud800")
        assert row.inputs == '{"x":"\\ud800"}'

    def test_items_need_the_run_of_their_map_and_go_with_it(self, store: Store) -> None:
        store.commit([new_run_update("gone", status="completed", finished_at=Micros(2))])
        store.write_map_items([MapItemRow("gone", 0, "d", "completed", Micros(1), "{}")])
        assert store.prune(Micros(10), (), 10).pruned_count == 1
        assert store.read_map_items("gone", 0, 9) == []
        if not store.url.startswith("sqlite"):  # a foreign key of SQLite would have to be checked by every connection
            with pytest.raises(StoreError):
                store.write_map_items([MapItemRow("unknown", 0, "d", "completed", Micros(1), "{}")])
