"""Stored values as trees for people."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import uuid
from typing import Any

import pytest

from holdwater.model.values import StoredValue
from holdwater.server.value_tree import (
    MAX_LINES,
    MAX_TEXT_CHARACTERS,
    OPEN_LINES,
    ValueNode,
    build_tree,
    compare_values,
    describe_tree,
    show_value,
)


@dataclasses.dataclass
class Address:
    street: str
    zip: int


def stored(value: Any) -> StoredValue:
    return StoredValue.from_tree(StoredValue.encode(value).tree)


def root_of(value: Any, *, whole: bool = False) -> ValueNode:
    root = show_value("x", stored(value), whole=whole).root
    assert root is not None
    return root


@pytest.mark.parametrize(
    ("value", "kind", "type_", "text"),
    [
        (None, "word", "", "null"),
        (True, "word", "", "true"),
        (7, "number", "", "7"),
        (1.5, "number", "", "1.5"),
        ("a\nb", "text", "", "a\nb"),
        (decimal.Decimal("1.50"), "other", "", "Decimal('1.50')"),
        (b"\x00", "other", "", "b'\\x00'"),
        (dt.date(2026, 11, 30), "other", "date", "2026-11-30"),
        (uuid.UUID(int=1), "other", "", "UUID('00000000-0000-0000-0000-000000000001')"),
    ],
)
def test_scalars(value: Any, kind: str, type_: str, text: str) -> None:
    node = root_of(value)
    assert (node.kind, node.type, node.text, node.children) == (kind, type_, text, ())


def test_containers_name_their_types() -> None:
    node = root_of({"a": [1, 2], "b": (3,), "c": {4}, "d": Address("Main", 5), "e": {1: "x"}})
    assert node.type == "dict · 5"
    assert [(child.key, child.type) for child in node.children] == [
        ("a", "list · 2"), ("b", "tuple · 1"), ("c", "set · 1"), ("d", "Address · 2"), ("e", "dict · 1"),
    ]  # fmt: skip
    assert [(field.key, field.text) for field in node.children[3].children] == [("street", "Main"), ("zip", "5")]
    assert [child.key for child in node.children[2].children] == [""]
    assert node.children[4].children[0].key == "1"


def test_short_values_begin_open_and_long_ones_closed() -> None:
    short, long = root_of({"a": [1, 2]}), root_of({"a": list(range(OPEN_LINES + 1))})
    assert short.children[0].is_open
    assert long.is_open
    assert not long.children[0].is_open


def test_a_large_value_is_shown_on_request() -> None:
    value = stored([{"id": k, "text": "x" * 80} for k in range(20_000)])
    shown = show_value("large", value)
    assert (shown.root, shown.summary) == (None, "list of 20,000")
    whole = show_value("large", value, whole=True).root
    assert whole is not None
    assert whole.left_out + len(whole.children) == 20_000
    assert count_lines(whole) <= MAX_LINES + 1


def count_lines(node: ValueNode) -> int:
    return 1 + sum(count_lines(child) for child in node.children)


def test_a_long_text_is_cut() -> None:
    node = root_of("x" * (MAX_TEXT_CHARACTERS + 10))
    assert (len(node.text), node.left_out) == (MAX_TEXT_CHARACTERS, 10)
    assert describe_tree("x" * 1000) == "text of 1,000 characters"


def test_deep_and_unknown_values_are_shown_all_the_same() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    node = build_tree(StoredValue.encode(deep).tree)
    depth = 0
    while node.children:
        node, depth = node.children[0], depth + 1
    assert (depth, node.left_out) == (60, 1)
    assert build_tree({"$t": "from the future", "v": 1}).kind == "other"
    assert build_tree({"$t": "tuple"}).kind == "other"


def test_changes() -> None:
    before = {"a": stored(1), "b": stored([1]), "c": stored(3)}
    after = {"b": stored([1]), "c": stored(4), "d": stored(5)}
    assert compare_values(before, after) == {"b": "", "c": "changed", "d": "added", "a": "removed"}
