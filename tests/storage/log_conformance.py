"""What every store must do with logs.  Subclass it with a fixture `place`, as `StoreConformance`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Barrier

import pytest

from holdwater.errors import RunnerClosed
from holdwater.model import logs
from holdwater.model.logs import LogRow, LogStream
from holdwater.model.ports.store import Store
from holdwater.model.records import Notification
from holdwater.model.time import Micros
from tests.storage.conformance import StoreLocation
from tests.storage.factories import new_run_update


def log_row(run_id: str, text: str, node: int = 0, fence: int = 1, stream: LogStream = "stdout") -> LogRow:
    return LogRow(run_id, node, fence, Micros(7_000), stream, text)


def read_texts(store: Store, run_id: str) -> list[str]:
    return [row.text for row in store.read_logs(run_id)]


class LogConformance:
    """Subclass it as `Test...`."""

    @pytest.fixture
    def store(self, place: StoreLocation) -> Iterator[Store]:
        yield place.open()
        place.close()

    def test_lines_are_numbered_in_their_run_and_read_in_order(self, store: Store) -> None:
        store.commit([new_run_update("r1"), new_run_update("r2")])
        record = LogRow("r1", 1, 9, Micros(8_000), "log", "slow\nby far", "WARNING", "shop.orders")
        store.append_logs([log_row("r1", "a"), log_row("r2", "x"), record])
        store.append_logs([log_row("r2", "y"), log_row("r1", "")])
        assert store.read_logs("r1") == [
            LogRow("r1", 0, 1, Micros(7_000), "stdout", "a", None, None, 1),
            LogRow("r1", 1, 9, Micros(8_000), "log", "slow\nby far", "WARNING", "shop.orders", 2),
            LogRow("r1", 0, 1, Micros(7_000), "stdout", "", None, None, 3),
        ]
        assert [(row.text, row.line) for row in store.read_logs("r2")] == [("x", 1), ("y", 2)]
        assert store.read_logs("nothing") == []

    def test_pages_and_nodes(self, store: Store) -> None:
        store.commit([new_run_update("r1")])
        store.append_logs([log_row("r1", str(k), node=k % 3) for k in range(1, 31)])
        assert [row.line for row in store.read_logs("r1", 3, 4)] == [4, 5, 6, 7]
        assert [row.line for row in store.read_logs("r1", 4, 3, node=2)] == [5, 8, 11]
        assert store.read_logs("r1", 30) == []
        assert store.read_logs("r1", 0, 0) == []
        assert len(store.read_logs("r1", limit=1 << 40)) == 30

    def test_lines_of_unknown_runs_are_left_out(self, store: Store) -> None:
        store.commit([new_run_update("r1")])
        store.append_logs([log_row("gone", "a"), log_row("r1", "b")])
        store.append_logs([log_row("gone", "c")])
        store.append_logs([])
        assert read_texts(store, "gone") == []
        assert read_texts(store, "r1") == ["b"]

    def test_the_log_of_a_run_is_cut_at_its_limit(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(logs, "MAX_RUN_BYTES", 1_000)
        store.commit([new_run_update("r1"), new_run_update("r2")])
        store.append_logs([log_row("r1", "a" * 400) for _ in range(2)])
        store.append_logs([log_row("r1", "b" * 400, stream="stderr"), log_row("r1", "c"), log_row("r2", "d")])
        store.append_logs([log_row("r1", "e")])
        first, second, cut = store.read_logs("r1")
        assert (first.text, second.text) == ("a" * 400, "a" * 400)
        assert (cut.stream, cut.line) == ("notice", 3)
        assert "is cut here" in cut.text
        assert read_texts(store, "r2") == ["d"]

    @pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "\x1b[31mred", "\r", "é" * 1000, "\U0001f600", "'; --"])
    def test_whatever_a_line_holds_is_stored(self, store: Store, text: str) -> None:
        store.commit([new_run_update("r1")])
        store.append_logs([LogRow("r1", 0, 1, Micros(1), "log", text, text, text)])
        (row,) = store.read_logs("r1")
        shown = text.replace("\0", r"\x00").replace("\ud800", r"\ud800")
        assert (row.text, row.level, row.logger) == (shown, shown[:200], shown[:200])

    def test_logs_are_deleted_with_their_run(self, store: Store) -> None:
        old, kept = new_run_update("r1", finished_at=5, status="completed"), new_run_update("r2")
        store.commit([old, kept])
        store.append_logs([log_row("r1", "a"), log_row("r2", "b")])
        assert store.prune(Micros(10), (), 10).pruned_count == 1
        assert read_texts(store, "r1") == []
        assert read_texts(store, "r2") == ["b"]
        store.append_logs([log_row("r1", "late")])
        assert read_texts(store, "r1") == []
        store.commit([new_run_update("r1")])  # a run of the same id begins with an empty log
        store.append_logs([log_row("r1", "new")])
        assert [(row.text, row.line) for row in store.read_logs("r1")] == [("new", 1)]

    def test_several_writers_of_one_run(self, place: StoreLocation) -> None:
        stores = [place.open() for _ in range(2 if place.shared else 1)] * 2
        stores[0].commit([new_run_update("r1"), new_run_update("r2")])
        together = Barrier(len(stores))

        def write(number: int) -> None:
            together.wait()
            for k in range(20):
                ids = ("r1", "r2") if (k + number) % 2 else ("r2", "r1")
                stores[number].append_logs([log_row(run_id, f"{number} {k}") for run_id in ids])

        with ThreadPoolExecutor(len(stores)) as pool:
            list(pool.map(write, range(len(stores))))
        for run_id in ("r1", "r2"):
            rows = stores[0].read_logs(run_id)
            assert [row.line for row in rows] == list(range(1, 20 * len(stores) + 1))
            for number in range(len(stores)):
                mine = [row.text for row in rows if row.text.startswith(f"{number} ")]
                assert mine == [f"{number} {k}" for k in range(20)]

    def test_other_stores_are_told_of_lines_in_followed_runs(self, place: StoreLocation) -> None:
        if not place.shared:
            pytest.skip("no other store sees this one")
        writer, reader = place.open(), place.open()
        told: SimpleQueue[Notification] = SimpleQueue()
        if not reader.listen(told.put):
            pytest.skip("no channel")
        writer.commit([new_run_update("r1")])
        writer.append_logs([log_row("r1", "a")])
        writer.append_logs([log_row("r1", "b")], ["r1"])
        while "r1" not in told.get(timeout=20).progressed_runs:
            pass
        assert read_texts(reader, "r1") == ["a", "b"]

    def test_a_closed_store_refuses(self, place: StoreLocation) -> None:
        store = place.open()
        store.close()
        with pytest.raises(RunnerClosed):
            store.append_logs([log_row("r1", "a")])
        with pytest.raises(RunnerClosed):
            store.read_logs("r1")
