"""The codec: what goes in comes out, exactly, or is refused with the place named."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import enum
import json
import math
import pathlib
import sys
import types
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdwater.errors import DecodingError, EncodingError
from holdwater.model import codec
from holdwater.model.values import StoredValue


class Colour(enum.Enum):
    RED = 1
    GREEN = "g"


class Bits(enum.IntEnum):
    ONE = 1


@dataclasses.dataclass(frozen=True)
class Point:
    x: Any
    y: Any = 0


@dataclasses.dataclass
class Guarded:
    """Its constructor must not run when it is read back."""

    n: Any
    made: ClassVar[int] = 0

    def __post_init__(self) -> None:
        Guarded.made += 1


def is_exactly_equal(a: Any, b: Any) -> bool:
    """Equal, and of one type all the way down; 0.0 and -0.0 differ, and so do two orders of a dictionary."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return math.copysign(1, a) == math.copysign(1, b) and a == b
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(is_exactly_equal, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(is_exactly_equal(x, y) for x, y in zip(a.items(), b.items(), strict=True))
    if isinstance(a, (set, frozenset)):
        return a == b and sorted(map(repr, a)) == sorted(map(repr, b))
    if isinstance(a, (dt.datetime, dt.time)):
        return a == b and (a.fold, a.utcoffset()) == (b.fold, b.utcoffset())
    if dataclasses.is_dataclass(a):
        return is_exactly_equal(vars(a), vars(b))
    if isinstance(a, Decimal):
        return bool(a.as_tuple() == b.as_tuple())
    return bool(a == b)


OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda m: dt.timezone(dt.timedelta(minutes=m)))
FOLDS = st.integers(0, 1)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec=None), max_size=8)  # surrogates too
)
HASHABLE = (
    SCALARS
    | st.datetimes(timezones=st.none() | OFFSETS).map(lambda d: d)
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.uuids()
    | st.binary(max_size=8)
    | st.sampled_from([*Colour, *Bits])
    | st.sampled_from(["a", "a/b", "/a b", "."]).map(pathlib.Path)
)
KEYS = st.sampled_from(["a", "b", "$t", "v", "", "\ud800"])


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.dictionaries(HASHABLE, inner, max_size=2)
        | st.sets(HASHABLE, max_size=3)
        | st.frozensets(HASHABLE, max_size=3)
        | st.builds(Point, inner, inner)
        | st.builds(Guarded, inner)
    )


VALUES = st.recursive(HASHABLE, containers, max_leaves=10)


@given(VALUES)
def test_round_trip(value: Any) -> None:
    text = codec.encode(value)
    json.loads(text, parse_constant=pytest.fail)
    assert is_exactly_equal(codec.decode(text), value)
    assert codec.encode(codec.decode(text)) == text


@given(VALUES)
def test_stored_round_trip_both_ways(value: Any) -> None:
    stored = StoredValue.encode(value)
    again = StoredValue.from_tree(json.loads(stored.text))
    assert again == stored
    assert again.text == stored.text
    for one in (stored, again):
        assert is_exactly_equal(one.copy(), value)
        assert one.is_unchanged(one.copy())
        assert one.is_unchanged(value)


@given(VALUES, VALUES)
def test_stored_values_are_equal_when_their_texts_are(a: Any, b: Any) -> None:
    same = codec.encode(a) == codec.encode(b)
    for left in (StoredValue.encode(a), StoredValue.from_tree(json.loads(codec.encode(a)))):
        for right in (StoredValue.encode(b), StoredValue.from_tree(json.loads(codec.encode(b)))):
            assert (left == right) is same
        assert left.is_unchanged(b) is same


@pytest.mark.parametrize(
    "value",
    [
        Decimal("NaN"), Decimal("-Infinity"), Decimal("1E+400"), Decimal("0.10"), -0.0, 1e308, 5e-324, 2**200, True, "",
        dt.datetime(2024, 10, 27, 2, 30, fold=1), dt.time(2, 30, tzinfo=dt.UTC), dt.timedelta.max, dt.timedelta.min,
        {"$t": "enum", "c": "os:system", "v": "x"}, {"$t": {"$t": 1}}, [{"$t": None}], {1: {None: (1,)}}, {(1, 2): 3},
        UUID(int=0), b"\x00\xff", pathlib.Path(), Colour.GREEN, Bits.ONE, Point(Point(1), [Point(2)]), "\ud800",
        {1, 1.5}, {frozenset({1}), 2}, (), [], {}, set(),
    ],
)  # fmt: skip
def test_corners(value: Any) -> None:
    back = codec.decode(codec.encode(value))
    assert is_exactly_equal(back, value) or (isinstance(value, Decimal) and value.is_nan() and back.is_nan())


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ([1, object()], "[1]"),
        ({"a": {"b": [0, object()]}}, "a.b[1]"),
        (object(), ""),
        ({"f": len}, "f"),
        ({"a": [{"b": object}]}, "a[0].b"),
        (Point(1, {"z": object()}), "y.z"),
        ({"c": (1, object())}, "c[1]"),
        (memoryview(b"x"), ""),
        ({"g": iter([])}, "g"),
    ],
)
def test_what_cannot_be_stored_names_its_place(value: Any, path: str) -> None:
    with pytest.raises(EncodingError) as caught:
        codec.encode(value)
    assert caught.value.path == path
    assert f" at {path} " in str(caught.value) if path else " at " not in str(caught.value)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)


def test_a_local_class_is_refused() -> None:
    @dataclasses.dataclass
    class Local:
        n: int

    class Hue(enum.Enum):
        RED = 1

    for value in (Local(1), Hue.RED, [Local(1)]):
        with pytest.raises(EncodingError, match="local class") as caught:
            codec.encode(value)
        assert "top level" in caught.value.hint


def test_cycles_and_depth_are_refused_and_never_overflow() -> None:
    loop: list[Any] = []
    loop.append(loop)
    ring: dict[str, Any] = {}
    ring["x"] = (ring,)
    deep: Any = 0
    for _ in range(100_000):
        deep = [deep]
    tuples: Any = 0
    for _ in range(codec.MAX_DEPTH + 2):
        tuples = (tuples,)
    for value in (loop, ring, deep, tuples):
        with pytest.raises(EncodingError, match=r"cannot store|deep"):
            codec.encode(value)
    while isinstance(deep, list) and deep:  # or freeing it would recurse
        deep = deep.pop()


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: {"k": x}, lambda x: (x,)])
def test_depth_below_the_limit_is_fine(wrap: Any) -> None:
    value: Any = 1
    for _ in range(codec.MAX_DEPTH):
        value = wrap(value)
    assert is_exactly_equal(codec.decode(codec.encode(value)), value)


class ForbiddenClass:
    """A class nobody should get hold of through a stored text."""

    def __class_getitem__(cls, item: Any) -> Any:
        raise AssertionError("called")


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "nope", '"\\ud8"',
        '{"$t":"nope","v":1}', '{"$t":1}', '{"$t":["enum"]}', '{"$t":"set"}',
        '{"$t":"enum","c":"os:system","v":"x"}', '{"$t":"enum","c":"os","v":"x"}', '{"$t":"enum","v":"x"}',
        '{"$t":"dataclass","c":"subprocess:Popen","v":{"args":"x"}}', '{"$t":"dataclass","c":"builtins:eval","v":{}}',
        '{"$t":"pydantic","c":"builtins:dict","v":{}}', f'{{"$t":"enum","c":"{__name__}:Trap","v":"x"}}',
        f'{{"$t":"enum","c":"{__name__}:Colour","v":"BLUE"}}', f'{{"$t":"enum","c":"{__name__}:Colour.RED","v":"RED"}}',
        f'{{"$t":"enum","c":"{__name__}:Point","v":"x"}}',
        '{"$t":"enum","c":"not.imported.anywhere:X","v":"x"}', '{"$t":"datetime","v":"yesterday"}',
        '{"$t":"datetime","v":5}', '{"$t":"uuid","v":"x"}', '{"$t":"bytes","v":"zz"}', '{"$t":"decimal","v":"x"}',
        '{"$t":"timedelta","v":[1,2,3,4,5,6,7,8]}', '{"$t":"set","v":[[]]}', '{"$t":"dict","v":[[[],1]]}',
        '{"$t":"dict","v":[1]}', '{"$t":"path","v":3}', "[" * 100_000,
    ],
)  # fmt: skip
def test_tampered_texts_are_refused(text: str) -> None:
    codec.decode(codec.encode({1}))  # so that our own modules are there
    before = set(sys.modules)
    with pytest.raises(DecodingError) as caught:
        codec.decode(text)
    assert isinstance(caught.value, ValueError)
    assert set(sys.modules) == before  # nothing was imported


def test_no_constructor_runs_when_a_dataclass_is_read() -> None:
    text = codec.encode(Guarded(1))
    made = Guarded.made
    assert codec.decode(text) == Guarded(1)
    assert Guarded.made == made + 1  # the one in the line above


def test_a_class_that_is_gone_says_what_to_import() -> None:
    module = types.ModuleType("gone_module")
    exec("import enum\nclass E(enum.Enum):\n    A = 1\n", module.__dict__)
    sys.modules["gone_module"] = module
    try:
        text = codec.encode(module.E.A)
        assert codec.decode(text) is module.E.A
    finally:
        del sys.modules["gone_module"]
    with pytest.raises(DecodingError, match="import gone_module"):
        codec.decode(text)


def test_every_reader_has_its_own_copy() -> None:
    for value in ([1, [2]], {"a": [1]}, ([1],), Point([1])):
        stored = StoredValue.encode(value)
        first, second = stored.copy(), stored.copy()
        inner = copy.deepcopy(second)
        (first[0] if isinstance(first, tuple) else first["a"] if isinstance(first, dict) else
         first.x if isinstance(first, Point) else first).append(9)  # fmt: skip
        assert is_exactly_equal(second, inner)
        assert is_exactly_equal(stored.copy(), inner)
        assert not stored.is_unchanged(first)


def test_scalars_of_other_types_are_other_values() -> None:
    ones = [1, 1.0, True, "1", [1], [1.0], (1,)]
    for i, a in enumerate(ones):
        for k, b in enumerate(ones):
            assert (StoredValue.encode(a) == StoredValue.encode(b)) is (i == k)
            assert StoredValue.encode(a).is_unchanged(b) is (i == k)
    assert StoredValue.encode(1) != 1


@pytest.mark.parametrize("value", ["x" * 1000, ["x" * 1000], {"a": "x" * 1000}])
def test_size_is_known_without_encoding_again(value: Any) -> None:
    assert 1000 <= StoredValue.encode(value).size_bytes <= 1010
