"""The cache in memory: bounds, and values nobody else has."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from holdwater.caching import CacheBackend, MemoryCache
from holdwater.errors import ConfigError, Unstorable


def test_what_was_stored_comes_back() -> None:
    cache = MemoryCache()
    assert cache.get("a") == (False, None)
    cache.set("a", {"x": [1]})
    cache.set("none", None)
    assert cache.get("a") == (True, {"x": [1]})
    assert cache.get("none") == (True, None)
    assert len(cache) == 2
    cache.clear()
    assert cache.get("a") == (False, None)
    assert len(cache) == 0
    assert isinstance(cache, CacheBackend)


def test_the_ones_used_last_are_kept() -> None:
    cache = MemoryCache(max_size=2)
    cache.set("a", 1)
    cache.set("b", 2)
    cache.get("a")
    cache.set("c", 3)
    assert [cache.get(key)[0] for key in "abc"] == [True, False, True]
    assert cache.evicted == 1


def test_bytes_are_bounded() -> None:
    cache = MemoryCache(max_bytes=10_000)
    for n in range(100):
        cache.set(str(n), bytearray(900))
    assert 5 <= len(cache) <= 11
    assert cache.get("99")[0]
    cache.set("99", bytearray(10))
    for n in range(50):
        cache.set("same", bytearray(4000 + n))
    assert cache.get("same") == (True, bytearray(4049))


def test_a_value_larger_than_the_cache_is_rejected_and_the_old_one_removed() -> None:
    cache = MemoryCache(max_bytes=1000)
    cache.set("a", 1)
    with pytest.raises(Unstorable, match="max_bytes=1000"):
        cache.set("a", "x" * 2000)
    assert cache.get("a") == (False, None)
    with pytest.raises(Unstorable, match="cannot be told"):
        cache.set("a", lambda: 1)


@pytest.mark.parametrize("bound", [0, -1, 1.5, True])
def test_bounds_are_whole_numbers(bound: Any) -> None:
    with pytest.raises(ConfigError, match="max_entries"):
        MemoryCache(max_entries=bound)


class Local:
    def __init__(self) -> None:
        self.items: list[int] = []


def test_changing_a_result_changes_nothing_here() -> None:
    cache = MemoryCache()

    class Inner:
        def __init__(self) -> None:
            self.items: list[int] = []

    for value in (Local(), Inner()):
        cache.set("a", value)
        value.items.append(1)
        first = cache.get("a")[1]
        assert first.items == []
        assert type(first) is type(value)
        first.items.append(2)
        assert cache.get("a")[1].items == []


def test_what_cannot_be_copied_is_refused() -> None:
    with pytest.raises(Unstorable, match="lock"):
        MemoryCache().set("a", [threading.Lock()])


def test_many_threads() -> None:
    cache = MemoryCache(max_entries=8, max_bytes=100_000)
    failures: list[object] = []
    ready = threading.Barrier(8)

    def work(n: int) -> None:
        ready.wait()
        for k in range(300):
            cache.set(f"{(n + k) % 12}", [(n + k) % 12] * 10)
            found, value = cache.get(f"{k % 12}")
            if found and value != [k % 12] * 10:
                failures.append(value)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(cache) <= 8
