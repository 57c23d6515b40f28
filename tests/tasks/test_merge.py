"""The three-way merge of two values, case by case and as laws."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdwater.tasks.merge import ABSENT, three_way_merge

INTS = {"$t": "dict", "v": [[1, "a"]]}
CASES: list[tuple[str, Any, Any, Any, Any]] = [
    ("only the first changed", 1, 2, 1, 2),
    ("only the second changed", 1, 1, 2, 2),
    ("both changed a scalar: the later", 1, 2, 3, 3),
    ("two new scalars: the later", ABSENT, 2, 3, 3),
    ("removed here, untouched there", 1, ABSENT, 1, ABSENT),
    ("untouched here, removed there", 1, 1, ABSENT, ABSENT),
    ("removed here, changed there: the later", 1, ABSENT, 2, 2),
    ("changed here, removed there: the later", 1, 2, ABSENT, ABSENT),
    ("both appended", [0], [0, 1], [0, 2], [0, 1, 2]),
    ("both appended the same", [0], [0, 1], [0, 1], [0, 1, 1]),
    ("both appended to nothing", [], [1], [2], [1, 2]),
    ("duplicates that were meant stay", [0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 1, 0]),
    ("lists without a base: union", ABSENT, [1, 2], [2, 3], [1, 2, 3]),
    ("lists that do not extend the base: union", [1, 2], [2], [1, 2, 3], [2, 1, 3]),
    ("the union knows 1, 1.0 and True apart", ABSENT, [1], [1.0, True, 1], [1, 1.0, True]),
    ("a change of type only is a change", 1, True, 1, True),
    ("dictionaries by key", {"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 3}, {"a": 2, "b": 3}),
    ("keys added on both sides", {}, {"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
    ("dictionaries without a base", ABSENT, {"a": 1, "c": 1}, {"b": 2, "c": 3}, {"a": 1, "c": 3, "b": 2}),
    ("a key removed here, another there", {"a": 1, "b": 1, "c": 1}, {"b": 1, "c": 1}, {"a": 1, "c": 1}, {"c": 1}),
    ("deep", {"x": {"l": [0]}}, {"x": {"l": [0, 1]}}, {"x": {"l": [0, 2], "k": 1}}, {"x": {"l": [0, 1, 2], "k": 1}}),
    ("other types: the later", [0], [1], {"a": 1}, {"a": 1}),
    ("a tagged value is one value", ABSENT, {"$t": "tuple", "v": [1]}, {"$t": "tuple", "v": [2]},
     {"$t": "tuple", "v": [2]}),
    ("keys that are no strings", {"$t": "dict", "v": []}, INTS, {"$t": "dict", "v": [[2, "b"]]},
     {"$t": "dict", "v": [[1, "a"], [2, "b"]]}),
    ("plain here, other keys there", {}, {"k": 0}, INTS, {"$t": "dict", "v": [["k", 0], [1, "a"]]}),
    ("other keys inside", {"d": INTS}, {"d": {"$t": "dict", "v": [[1, {"p": 1}]]}},
     {"d": {"$t": "dict", "v": [[1, {"q": 2}]]}}, {"d": {"$t": "dict", "v": [[1, {"p": 1, "q": 2}]]}}),
]  # fmt: skip


def is_identical(a: Any, b: Any) -> bool:
    return repr(a) == repr(b)


@pytest.mark.parametrize(("base", "first", "second", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_cases(base: Any, first: Any, second: Any, expected: Any) -> None:
    before = copy.deepcopy((base, first, second)) if ABSENT not in (base, first, second) else None
    assert is_identical(three_way_merge(base, first, second), expected)
    if before is not None:
        assert is_identical((base, first, second), before)


TREES = st.recursive(
    st.integers(0, 3) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(TREES, TREES)
def test_a_side_that_did_nothing_has_no_say(base: Any, changed: Any) -> None:
    assert is_identical(three_way_merge(base, changed, base), changed)
    assert is_identical(three_way_merge(base, base, changed), changed)


@given(*[st.dictionaries(st.sampled_from("abcd"), TREES) for _ in range(3)])
def test_keys_only_one_side_touched_come_from_that_side(base: Any, first: Any, second: Any) -> None:
    merged = three_way_merge(base, first, second)
    for key in {**base, **first, **second}:
        old, a, b = (repr(side.get(key, ABSENT)) for side in (base, first, second))
        if a == old or b == old:
            assert repr(merged.get(key, ABSENT)) == (b if a == old else a)


@given(st.lists(st.integers()), st.lists(st.integers()), st.lists(st.integers()))
def test_two_tails_are_both_kept(base: list[int], first: list[int], second: list[int]) -> None:
    assert three_way_merge(base, base + first, base + second) == base + first + second


def test_nesting_does_not_recurse() -> None:
    base: Any = {}
    first: Any = {"a": 1}
    second: Any = {"b": 2}
    for _ in range(900):
        base, first, second = {"x": base}, {"x": first}, {"x": second}
    merged = three_way_merge(base, first, second)
    for _ in range(900):
        merged = merged["x"]
    assert merged == {"a": 1, "b": 2}
