"""What a driver sees: hits, misses with reasons, decisions, counters."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from holdwater import SyncRunner, graphs
from holdwater.caching import CacheStats, DiskCache, Hit, MemoryCache, Miss, NodeCache, why_miss
from tests.caching.nodes import FunctionNode, NestedNode, execute_cached, key_of


def double(x: int, by: int = 2) -> int:
    return x * by


def subtract(a: int, b: int) -> int:
    return a - b


def same_as_double(x: int, by: int = 2) -> int:
    return x * by


class BackendWithoutMissLog:
    """A backend that can do no more than it must."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str) -> tuple[bool, Any]:
        return key in self.values, self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        self.values[key] = value


class Broken:
    def get(self, key: str) -> tuple[bool, Any]:
        raise ConnectionError("gone")

    def set(self, key: str, value: Any) -> None:
        raise ConnectionError("gone")


@pytest.fixture(params=["memory", "disk", "plain"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> NodeCache:
    if request.param == "disk":
        return NodeCache(DiskCache(tmp_path / "cache"))
    return NodeCache(MemoryCache() if request.param == "memory" else BackendWithoutMissLog())


def test_a_miss_then_a_hit(cache: NodeCache) -> None:
    node = FunctionNode(double, name="double")
    found = cache.lookup(node, {"x": 2})
    assert isinstance(found, Miss)
    assert found.key is not None
    cache.store(found, 4)
    again = cache.lookup(node, {"x": 2})
    assert again == Hit(found.key.hex_digest, 4, None)
    assert len(found.key.hex_digest) == 64
    assert cache.stats == CacheStats(hits=1, misses=1, uncacheable=0, stored=1, unstorable=0, errors=0)


@pytest.mark.parametrize("decision", [None, (), ("a",), ("a", "END")])
def test_a_gate_is_stored_with_its_decision(cache: NodeCache, decision: tuple[str, ...] | None) -> None:
    node = FunctionNode(double, is_gate=True, targets=("a", "b"))
    miss = cache.lookup(node, {"x": 1})
    assert isinstance(miss, Miss)
    cache.store(miss, ["raw"], decision)
    hit = cache.lookup(node, {"x": 1})
    assert isinstance(hit, Hit)
    assert (hit.value, hit.decision) == (["raw"], decision)
    other = cache.lookup(FunctionNode(double, is_gate=True, targets=("b", "a")), {"x": 1})
    assert isinstance(other, Miss)
    assert other.reason == "node: the targets of node changed"


def test_reasons_name_the_inputs(cache: NodeCache) -> None:
    node = FunctionNode(double, name="double")
    assert execute_cached(cache, node, x=1, by=2) == "double: nothing is known of an execution before"
    assert execute_cached(cache, node, x=1, by=3) == "double: input by changed"
    assert execute_cached(cache, node, x=True, by=3) == "double: input x changed"
    assert execute_cached(cache, node, x=5, by=6) == "double: input by changed; input x changed"
    assert execute_cached(cache, node, x=5) == "double: input by is gone"
    assert execute_cached(cache, node, x=1, by=2) == "hit"


def test_the_nearest_is_the_one_with_most_inputs_in_common(cache: NodeCache) -> None:
    def three(a: int, b: int, c: int) -> int:
        return a + b + c

    node = FunctionNode(three)
    for values in ({"a": 1, "b": 1, "c": 1}, {"a": 2, "b": 2, "c": 2}):
        execute_cached(cache, node, **values)
    assert execute_cached(cache, node, a=1, b=1, c=3) == "node: input c changed"


def test_an_evicted_value_is_distinguished_from_one_never_seen() -> None:
    cache = NodeCache(MemoryCache(max_entries=1))
    node = FunctionNode(double)
    execute_cached(cache, node, x=1)
    execute_cached(cache, node, x=2)
    assert "evicted" in execute_cached(cache, node, x=1)


def test_an_unstorable_value_is_explained(caplog: pytest.LogCaptureFixture) -> None:
    cache = NodeCache(MemoryCache())
    node = FunctionNode(lambda: threading.Lock())
    execute_cached(cache, node)
    assert execute_cached(cache, node).startswith("node: its value could not be stored: the value cannot be copied: ")
    assert cache.stats.unstorable == 2
    assert "is not cached" in caplog.text


def test_the_name_of_the_node_is_no_part_of_the_key_but_names_of_inputs_are(cache: NodeCache) -> None:
    execute_cached(cache, FunctionNode(subtract, name="one"), a=2, b=1)
    assert execute_cached(cache, FunctionNode(subtract, name="two"), a=2, b=1) == "hit"
    swapped = FunctionNode(subtract, name="one", renames={"a": "b", "b": "a"})
    assert execute_cached(cache, swapped, a=2, b=1) != "hit"
    renamed = FunctionNode(subtract, name="one", renames={"a": "p", "b": "q"})
    assert execute_cached(cache, renamed, p=2, q=1) != "hit"


def test_what_is_never_cached(cache: NodeCache) -> None:
    for node, reason in (
        (FunctionNode(double, cache=False), "cache=True"),
        (FunctionNode(double, is_interrupt=True), "interrupt"),
        (NestedNode(), "nested graph"),
        (FunctionNode(double), "input x: "),
    ):
        miss = cache.lookup(node, {"x": threading.Lock()})
        assert isinstance(miss, Miss)
        assert miss.key is None
        assert reason in miss.reason
        cache.store(miss, 1)
        assert isinstance(cache.lookup(node, {"x": threading.Lock()}), Miss)
    assert cache.stats == CacheStats(hits=0, misses=0, uncacheable=8, stored=0, unstorable=0, errors=0)


def test_a_backend_that_fails_does_not_fail_the_run(caplog: pytest.LogCaptureFixture) -> None:
    cache = NodeCache(Broken())
    execute_cached(cache, FunctionNode(double), x=1)
    assert cache.stats == CacheStats(hits=0, misses=1, uncacheable=0, stored=0, unstorable=0, errors=2)
    assert [str(fault) for fault in cache.backend_errors] == ["gone", "gone"]
    assert "gone" in caplog.text


def test_a_foreign_value_under_the_key_is_a_miss() -> None:
    backend = BackendWithoutMissLog()
    cache = NodeCache(backend)
    execute_cached(cache, FunctionNode(double), x=1)
    backend.values = dict.fromkeys(backend.values, "something else")
    assert execute_cached(cache, FunctionNode(double), x=1) != "hit"
    assert len(cache.backend_errors) == 1


def test_why_miss_asks_without_counting(tmp_path: Path) -> None:
    backend = DiskCache(tmp_path)
    cache, node = NodeCache(backend), FunctionNode(double, name="double")
    assert why_miss(backend, node, {"x": 1}).outcome == "never seen"
    execute_cached(cache, node, x=1)
    assert why_miss(backend, node, {"x": 1}).outcome == "stored"
    told = why_miss(backend, node, {"x": 2})
    assert (told.outcome, [change.subject for change in told.causes]) == ("changed", ["x"])
    assert why_miss(backend, NestedNode(), {}).outcome == "uncacheable"
    assert (cache.stats.hits, cache.stats.misses) == (0, 1)


def test_why_miss_of_an_input_that_the_node_has_not() -> None:
    node = graphs.node(output_name="y", cache=True)(double)
    told = why_miss(MemoryCache(), node, {"z": 1})
    assert str(told) == "double: cannot be cached: double has no input 'z'"


def test_notes_hold_no_values(tmp_path: Path) -> None:
    cache = NodeCache(DiskCache(tmp_path))
    secret = "hush"

    def work(x: str, by: str = "quiet") -> str:
        return x + by + secret

    execute_cached(cache, FunctionNode(work), x="silence")
    noted = b"".join([path.read_bytes() for path in (tmp_path / "miss_log").rglob("*") if path.is_file()])
    assert b"closure variable secret" in noted
    for value in (b"hush", b"quiet", b"silence", *[text.hex().encode() for text in (b"hush", b"quiet", b"silence")]):
        assert value not in noted


def test_functions_of_equal_code_and_other_name_do_not_share() -> None:
    assert key_of(double, x=1) != key_of(same_as_double, x=1)


@pytest.mark.parametrize("value", [1, threading.Lock()])
def test_a_node_that_is_never_found_again_says_so_once(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    asks = graphs.node(lambda given: value, output_name="y", name="asks", cache=True)
    other = graphs.node(lambda given: value, output_name="z", name="other", cache=True)
    runner = SyncRunner(cache=MemoryCache())
    for _ in range(3):
        runner.run(graphs.Graph([asks, other]), {"given": threading.Lock() if value == 1 else 1})
    told = [record.getMessage() for record in caplog.records]
    assert [text.split(" returns")[0] for text in told] == ["what node asks", "what node other"]
    assert all("never found again" in text for text in told)
