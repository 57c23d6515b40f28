"""What is recorded, as plain JSON for programs and as text for people: without tags, whatever classes are here."""

from __future__ import annotations

import datetime as dt
import enum
import importlib
import json
import math
import pathlib
import re
import uuid
from collections import Counter, deque
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st

from holdwater import Context
from holdwater.errors import EncodingError
from holdwater.model import codec
from holdwater.model.value_types import reader
from holdwater.model.value_types.display import to_display_text
from holdwater.model.value_types.plain_json import to_plain_json
from tests.model import sample_values
from tests.model.test_value_types import VALUES
from tests.suite.effort import property_test

BERLIN = ZoneInfo("Europe/Berlin")
LATER = dt.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN)


def to_tree(value: Any) -> Any:
    return json.loads(codec.encode(value))


@pytest.mark.parametrize(
    ("value", "plain", "text"),
    [
        (1, 1, "1"), (True, True, "True"), (None, None, "None"), ("a'b\n", "a'b\n", '"a\'b\\n"'), (1.5, 1.5, "1.5"),
        (math.nan, "NaN", "nan"), (-math.inf, "-Infinity", "-inf"), ([1, "a"], [1, "a"], "[1, 'a']"),
        ({"a": {"b": None}}, {"a": {"b": None}}, "{'a': {'b': None}}"), ((1,), [1], "(1,)"), ((), [], "()"),
        (set(), [], "set()"),
        ({2, 1}, [1, 2], "{1, 2}"), (frozenset({1}), [1], "frozenset({1})"), (deque([1], 3), [1], "deque([1])"),
        ({1: "a", (2, 3): "b"}, {"1": "a", "[2,3]": "b"}, "{1: 'a', (2, 3): 'b'}"),
        ({1: 0, "1": 2}, [[1, 0], ["1", 2]], "{1: 0, '1': 2}"),
        (Counter("aa"), {"a": 2}, "Counter({'a': 2})"), ({"$t": 1}, {"$t": 1}, "{'$t': 1}"),
        (2 + 1j, "(2+1j)", "(2.0+1.0j)"),
        (Decimal("0.10"), "0.10", "Decimal('0.10')"), (Fraction(1, 3), "1/3", "Fraction('1/3')"),
        (b"a\0", "YQA=", "b'a\\x00'"),
        (uuid.UUID(int=1), str(uuid.UUID(int=1)), f"UUID('{uuid.UUID(int=1)}')"),
        (pathlib.PurePosixPath("/a"), "/a", "PurePosixPath('/a')"),
        (re.compile("a+"), "a+", "re.compile('a+')"), (range(3), "range(0, 3, 1)", "range(0, 3, 1)"),
        (2**3000, 2**3000, hex(2**3000)),
        (dt.date(2026, 7, 1), "2026-07-01", "2026-07-01"),
        (dt.datetime(2026, 7, 1, 9), "2026-07-01T09:00:00", "2026-07-01 09:00:00"),
        (dt.datetime(2026, 7, 1, 9, tzinfo=BERLIN), "2026-07-01T09:00:00+02:00", "2026-07-01 09:00:00+02:00"),
        (LATER, "2026-10-25T02:30:00+01:00", "2026-10-25 02:30:00+01:00"),
        (dt.time(9), "09:00:00", "09:00:00"), (dt.timedelta(days=1, hours=1), "P1DT3600S", "1 day, 1:00:00"),
        (-dt.timedelta(seconds=0.5), "-PT0.5S", "-1 day, 23:59:59.500000"), (dt.timedelta(), "PT0S", "0:00:00"),
        (BERLIN, "Europe/Berlin", "Europe/Berlin"), (sample_values.Colour.RED, "RED", "Colour.RED"),
        (sample_values.Right(3), "READ|WRITE", "Right.READ|Right.WRITE"),
        (sample_values.Bit(9), "A|8", "Bit.A|Bit(8)"), (sample_values.Plain(1), {"n": 1, "m": []}, "Plain(n=1, m=[])"),
        (sample_values.Point(1), {"x": 1, "y": 0}, "Point(x=1, y=0)"),
        (sample_values.Frozen({"$t": 1}), {"n": {"$t": 1}}, "Frozen(n={'$t': 1})"),
        (sample_values.Money(1), [1, "EUR"], "tests.money([1, 'EUR'])"),
    ],
)  # fmt: skip
def test_plain_and_text(value: Any, plain: Any, text: str) -> None:
    assert to_plain_json(to_tree(value)) == plain
    assert to_display_text(to_tree(value)) == text


def test_values_of_libraries() -> None:
    pytest.importorskip("pandas")
    np, pd = importlib.import_module("numpy"), importlib.import_module("pandas")
    square = np.asfortranarray(np.arange(6).reshape(2, 3))
    days = pd.date_range("2026-07-01", periods=2, tz="Europe/Berlin")
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None], "t": days})
    hidden = pd.Series([1, None], dtype="Int64", name="n")
    for value, plain, text in (
        (np.float32(1.5), 1.5, "1.5"),
        (np.str_("x"), "x", "'x'"),
        (np.datetime64("2026-01-01"), "2026-01-01", "2026-01-01"),
        (square, [[0, 1, 2], [3, 4, 5]], "array of 2×3 <i8 [[0, 1, 2], [3, 4, 5]]"),
        (np.array([1.5, np.nan]), [1.5, "NaN"], "array of 2 <f8 [1.5, nan]"),
        (np.array(["é", "ab"]), ["é", "ab"], "array of 2 <U2 ['é', 'ab']"),
        (np.arange(10**4), list(range(10**4)), "array of 10000 <i8"),
        (days[0].as_unit("s"), "2026-07-01T00:00:00+02:00", "2026-07-01 00:00:00+02:00"),
        (pd.NaT, None, "None"),
        (hidden, {"name": "n", "index": [0, 1], "data": [1, None]}, "Series of 2 rows named 'n'"),
        (
            frame,
            {
                "columns": ["a", "b", "t"],
                "index": [0, 1],
                "data": [[1, "x", "2026-07-01T00:00:00.000000+02:00"], [2, None, "2026-07-02T00:00:00.000000+02:00"]],
            },
            "DataFrame of 2 rows and 3 columns ['a', 'b', 't']",
        ),
    ):  # fmt: skip
        assert to_plain_json(to_tree(value)) == plain
        assert to_display_text(to_tree(value), 100) == text
    for value in importlib.import_module("tests.model.sample_classes").KEPT:
        assert "$t" not in json.dumps(to_plain_json(to_tree(value)))
        assert "$t" not in to_display_text(to_tree(value), 200)


def has_tag_as_key(value: Any) -> bool:
    """Whether the value itself has a key of that name."""
    return "'$t'" in to_display_text(to_tree(value))


@property_test(VALUES, st.integers(5, 60), quick_examples=40, long_examples=2000)
def test_no_tag_is_shown_and_no_class_needed(value: Any, limit: int) -> None:
    try:
        recorded = to_tree(value)
    except EncodingError:
        return
    elsewhere = json.loads(re.sub(r'"c": ?"[^"]*:', '"c":"not.imported.anywhere:', json.dumps(recorded)))
    for shown in (recorded, elsewhere):
        plain = json.dumps(to_plain_json(shown), allow_nan=False)
        assert has_tag_as_key(value) or "$t" not in plain
        short = to_display_text(shown, limit)
        assert len(short) <= limit
        assert short.rstrip("…") == to_display_text(shown)[: len(short.rstrip("…"))] or "array" in short
    assert to_plain_json(recorded) == to_plain_json(elsewhere)


def test_a_long_value_is_not_looked_at_beyond_what_is_shown() -> None:
    seen: list[int] = []

    def items() -> Any:
        for k in range(10**6):
            seen.append(k)
            yield k

    big = {"$t": "set", "v": type("Lazily", (list,), {"__iter__": lambda self: items()})([1])}
    assert to_display_text(big, 50).endswith("…")
    assert len(seen) < 100
    assert to_display_text("x" * 10**6, 20) == "'" + "x" * 18 + "…"


@pytest.mark.parametrize(
    "tree", [{"$t": "unheard"}, {"$t": 5}, {"$t": "enum"}, {"$t": "numpy"}, {"$t": "pandas", "k": "x"}, {"$t": "set"}]
)
def test_what_this_version_does_not_know_is_shown_all_the_same(tree: Any) -> None:
    assert to_display_text(tree, 80).startswith("<") or to_display_text(tree)
    assert "$t" not in to_display_text(tree)


def test_the_repr_of_a_context_has_no_tags() -> None:
    shown = repr(Context({"at": dt.date(2026, 1, 1), "colour": sample_values.Colour.RED, "n": [1]}))
    assert shown == "Context({'at': 2026-01-01, 'colour': Colour.RED, 'n': [1]})"


def test_members_of_the_enum_module_itself() -> None:
    assert to_display_text(to_tree(enum.FlagBoundary.KEEP)) == "FlagBoundary.KEEP"


READERS = [*reader._READERS, "unknown", 5, None, ["tuple"]]
JUNK = st.sampled_from(
    [None, 1, -1, 2**70, 1.5, "", "x", "<f8", "[ns]", [], [1], [[1]], {}, {"$t": "numpy"}, "AAAA", True, {"a": 1}]
)
tagged_junk = st.builds(
    lambda tag, fields: {"$t": tag, **fields},
    st.sampled_from(READERS),
    st.dictionaries(
        st.sampled_from(["v", "c", "n", "d", "s", "o", "k", "u", "z", "m", "codes", "x"]), JUNK, max_size=5
    ),
)


@property_test(tagged_junk, quick_examples=200, long_examples=20_000)
def test_a_tree_that_nobody_wrote_is_shown_all_the_same(tree: Any) -> None:
    """Workers send trees that their runner keeps without reading them."""
    shown = to_plain_json({"odd": tree, "fine": [1]})
    assert shown["fine"] == [1]
    assert json.dumps(shown)
    assert to_display_text(["before", tree])[:9] == "['before'"
