"""JSON of a process that is not trusted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import strategies as st

from holdwater.errors import BadAnswer
from holdwater.model.strict_json import parse_untrusted_json
from tests.suite.effort import property_test

trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


def depth(tree: Any) -> int:
    if type(tree) is dict:
        return 1 + max(map(depth, tree.values()), default=0)
    return 1 + max(map(depth, tree), default=0) if type(tree) is list else 0


@property_test(trees, st.integers(0, 6), quick_examples=60, long_examples=2000)
def test_it_reads_what_is_flat_enough(tree: Any, limit: int) -> None:
    text = json.dumps(tree).encode("ascii")
    if depth(tree) > limit:
        with pytest.raises(BadAnswer, match=f"more than {limit} levels"):
            parse_untrusted_json(text, "it", limit)
    else:
        assert parse_untrusted_json(text, "it", limit) == tree


@pytest.mark.parametrize(
    "text",
    ["", "nul", "[1", "1 2", "NaN", "[Infinity]", "-1e999", "9" * 5_000, "[" * 100_000, '"\\', "'x'", '"\x01"', "[1,]"],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(BadAnswer, match="it is "):
        parse_untrusted_json(text.encode(), "it")


def test_other_encodings_are_refused() -> None:
    for data in ('"ü"'.encode(), "1".encode("utf-16"), b"\xff"):
        with pytest.raises(BadAnswer, match="strict JSON"):
            parse_untrusted_json(data, "it")


def test_brackets_in_texts_are_no_levels() -> None:
    text = json.dumps(["[[[[", '\\"[[[[', "]]\\", {"{{{{": 1}])
    assert parse_untrusted_json(text.encode(), "it", 2) == json.loads(text)


def test_quotes_and_backslashes_cost_linear_time() -> None:
    """A search that began again at each quote would take hours, and the test its time-out."""
    text = json.dumps(['\\"' * 500_000, *[[]] * 200])
    assert parse_untrusted_json(text.encode(), "it", 2) == json.loads(text)
