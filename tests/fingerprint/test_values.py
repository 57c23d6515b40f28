"""Inputs: equal ones have one key, different ones never."""

from __future__ import annotations

import datetime as dt
import math
import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.caching.nodes import key_of


def identity(x: Any) -> Any:
    return x


class Colour(Enum):
    RED = 1


class Number(IntEnum):
    ONE = 1


@dataclass
class Point:
    x: Any
    y: Any = None


@dataclass(frozen=True, slots=True)
class Slotted:
    x: int


class Pair(NamedTuple):
    a: int
    b: int


class MyList(list[int]):
    pass


class MySet(set[str]):
    pass


class MyStr(str):
    pass


ALL_DIFFERENT: list[Any] = [
    None, True, 1, 1.0, Decimal(1), Fraction(1), 1 + 0j, "1", b"1", bytearray(b"1"), Number.ONE, Colour.RED,
    0, False, 0.0, -0.0, math.nan, math.inf, -1, 255, -256, 2**64, -(2**64),
    "", b"", [], (), {}, set(), frozenset(), OrderedDict(), defaultdict(list), defaultdict(int), Counter(), deque(),
    [1], [True], [1.0], (1,), {1}, frozenset({1}), ["1"], [[1]], [[1], []], [[1, []]], [(1,)], [1, 1],
    {"a": 1}, {"a": 1.0}, {"a": [1]}, {"a": {"b": 1}}, {("a",): 1}, {1: "a"}, {True: "a"}, [("a", 1)],
    OrderedDict(a=1, b=2), OrderedDict(b=2, a=1), {"a": 1, "b": 2}, Counter("ab"), Counter("aab"),
    MyList([1]), MySet({"a"}), {"a"}, MyStr("1"), Pair(1, 2), Pair(2, 1), (1, 2), range(2), range(3), slice(1), ...,
    Point(1), Point(True), Point(1, 2), Slotted(1), Slotted(2),
    dt.date(2024, 1, 1), dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")),
    dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    dt.timedelta(1), UUID(int=1), Path("a"), PurePosixPath("b"), int, str, len, math.sin, Point, [].append,
    "a\0b", "\ud800",
    "x" * 64, "x" * 65, b"x" * 65, ["x" * 65], KeyError("a"), KeyError("b"), ["a", "b"], ["ab"], ["a,b"],
]  # fmt: skip


def test_no_two_of_these_have_the_same_key() -> None:
    keys: dict[str, Any] = {}
    for value in ALL_DIFFERENT:
        key = key_of(identity, x=value)
        assert key not in keys, (value, keys[key])
        keys[key] = value


def test_sharing_and_order_make_no_difference() -> None:
    shared = [1, [2]]
    assert key_of(identity, x=[shared, shared]) == key_of(identity, x=[[1, [2]], [1, [2]]])
    assert key_of(identity, x={"a": 1, "b": [2]}) == key_of(identity, x={"b": [2], "a": 1})
    assert key_of(identity, x={"a": 1, "b": 2}) == key_of(identity, x={"b": 2, "a": 1})
    interned, built = "word", "".join(["wo", "rd"])
    assert key_of(identity, x=[interned, interned]) == key_of(identity, x=[interned, built])


def test_values_that_contain_themselves() -> None:
    def loop(n: int) -> list[Any]:
        made: list[Any] = [n]
        made.append([made, made])
        return made

    assert key_of(identity, x=loop(1)) == key_of(identity, x=loop(1))
    assert key_of(identity, x=loop(1)) != key_of(identity, x=loop(2))


def test_deep_and_shared_values_take_linear_time() -> None:
    deep: Any = [None]
    for _ in range(20_000):
        deep = [deep]
    wide: Any = [object()]
    for _ in range(200):
        wide = [wide, wide]
    assert key_of(identity, x=deep) != key_of(identity, x=wide)


def test_the_class_of_an_instance_counts() -> None:
    def made(n: int) -> Any:
        class Thing:
            def value(self) -> int:
                return n

        return Thing()

    assert key_of(identity, x=made(1)) == key_of(identity, x=made(1))
    assert key_of(identity, x=made(1)) != key_of(identity, x=made(2))


def test_a_function_as_input_counts_by_its_code() -> None:
    def adder(n: int) -> Any:
        return lambda x: x + n

    assert key_of(identity, x=adder(1)) == key_of(identity, x=adder(1))
    assert key_of(identity, x=adder(1)) != key_of(identity, x=adder(2))
    one, two = adder(1), adder(2)
    assert key_of(identity, x={"a": one, "b": two}) != key_of(identity, x={"a": two, "b": one})


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(PLAIN, PLAIN)
def test_keys_are_equal_exactly_when_the_typed_values_are(one: Any, other: Any) -> None:
    assert (key_of(identity, x=one) == key_of(identity, x=other)) == (typed(one) == typed(other))


def typed(value: Any) -> Any:
    """Equal only for values of the same types."""
    if isinstance(value, dict):
        return ("dict", {key: typed(inner) for key, inner in value.items()})
    if isinstance(value, (list, tuple)):
        return (type(value), [typed(inner) for inner in value])
    return (type(value), repr(value))


STABLE = """
from collections import Counter, defaultdict
from tests.caching.nodes import key_of
from tests.fingerprint.test_values import Colour, MySet, Point, identity

words = {"alpha", "beta", "gamma", "delta", ("e", 1), None, Colour.RED}
values = [words, frozenset(words), MySet("abcdef"), {"s": words}, Point(words), Counter("hello")]
values.append(defaultdict(set, a=words))
print([key_of(identity, x=value) for value in values])
"""


def test_keys_are_the_same_in_every_process() -> None:
    root = Path(__file__).parents[2]
    printed = {
        subprocess.run(
            [sys.executable, "-c", STABLE], cwd=root, env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(printed) == 1
    assert len(printed.pop()) > 7 * 64


def test_arrays_and_frames() -> None:
    numpy = pytest.importorskip("numpy")
    values = [
        numpy.array([1, 0], "i4"), numpy.array([1], "i8"), numpy.array([[1, 0]], "i4"),
        numpy.float64(1), numpy.int64(1),
        numpy.array([1], object), numpy.array(["a"], object), numpy.array([1], ">i8"), numpy.dtype("i8"),
        numpy.array(["2024-01-01"], "datetime64[D]"),
    ]  # fmt: skip
    assert len({key_of(identity, x=value) for value in values}) == len(values)
    grid = numpy.arange(6).reshape(2, 3)
    assert key_of(identity, x=grid.T) == key_of(identity, x=grid.T.copy())
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    rebuilt = pandas.DataFrame({"a": [1, 2]})
    rebuilt["b"] = ["x", "y"]
    assert key_of(identity, x=frame) == key_of(identity, x=rebuilt)
    others = [
        frame, frame[["b", "a"]], frame.astype({"a": "float64"}), frame.set_index("a"),
        frame.rename(columns={"a": "c"}),
        frame.iloc[:1], frame["a"], frame["b"], frame["a"].rename("c"), frame.index, frame.columns,
        frame["b"].astype("category"), pandas.Series([1, None], dtype="Int64"), pandas.Series([1, 2], dtype="Int64"),
        pandas.Series(pandas.to_datetime(["2024-01-01"])), pandas.Series(pandas.to_datetime(["2024-01-01"], utc=True)),
        pandas.MultiIndex.from_tuples([(1, 2)], names=["p", "q"]), pandas.MultiIndex.from_tuples([(1, 2)]),
    ]  # fmt: skip
    assert len({key_of(identity, x=value) for value in others}) == len(others)


def test_pydantic_models() -> None:
    pydantic = pytest.importorskip("pydantic")

    def model(limit: int) -> Any:
        return pydantic.create_model("Model", a=(int, ...), b=(int, pydantic.Field(default=1, le=limit)))

    loose = model(10)
    assert key_of(identity, x=loose(a=1)) == key_of(identity, x=model(10)(a=1))
    assert key_of(identity, x=loose(a=1)) != key_of(identity, x=loose(a=2))
    assert key_of(identity, x=loose(a=1)) != key_of(identity, x=model(5)(a=1))

    def checked(mode: Any) -> Any:
        class Checked(pydantic.BaseModel):  # type: ignore[misc, name-defined, unused-ignore]
            a: int

            @pydantic.field_validator("a", mode=mode)  # type: ignore[untyped-decorator, unused-ignore]
            @classmethod
            def check(cls, value: Any) -> Any:
                return value

        return Checked(a=1)

    assert key_of(identity, x=checked("after")) == key_of(identity, x=checked("after"))
    assert key_of(identity, x=checked("after")) != key_of(identity, x=checked("before"))
