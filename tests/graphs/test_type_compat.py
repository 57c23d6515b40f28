"""Which annotation fits which, and which value is of one."""

from __future__ import annotations

import collections
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    ForwardRef,
    Generic,
    Literal,
    NamedTuple,
    Never,
    NewType,
    NotRequired,
    Optional,
    Protocol,
    TypedDict,
    TypeVar,
    Union,
)

import pytest

from holdwater.graphs.type_compat import format_type, is_assignable, is_instance

T = TypeVar("T")
UserId = NewType("UserId", int)
AdminId = NewType("AdminId", UserId)


class Base: ...


class Derived(Base): ...


class Box(Generic[T]): ...


class Ints(list[int]): ...


class Point(NamedTuple):
    x: int
    y: int


class Row(TypedDict):
    name: str
    size: NotRequired[int]


class LongRow(Row):
    extra: bool


class Sized(Protocol):
    def size(self) -> int: ...


ASSIGNABLE: list[tuple[Any, Any]] = [
    (int, int),
    (int, object),
    (int, Any),
    (Any, int),
    (bool, int),
    (int, float),
    (float, complex),
    (Derived, Base),
    (None, type(None)),
    (None, Optional[int]),  # noqa: UP045
    (int, int | None),
    (int, Union[str, int]),  # noqa: UP007
    (bool | int, int),
    (int | str, str | int | None),
    (Never, int),
    (list[int], list),
    (list, list[int]),
    (list[int], list[int]),
    (list[bool], list[int]),
    (list[int], Sequence[int]),
    (list[int], Iterable[float]),
    (dict[str, int], Mapping[str, int]),
    (dict[str, int], Iterable[str]),
    (dict[str, list[int]], dict[str, Sequence[int]]),
    (collections.OrderedDict[str, int], dict[str, int]),
    (Generator[int, None, None], Iterator[int]),
    (Ints, list[int]),
    (Ints, Collection[int]),
    (Box[int], Box),
    (Box[int], Box[int]),
    (Box[int], Box[T]),  # type: ignore[valid-type]
    (str, Sequence[str]),
    (tuple[int, str], tuple[int, str]),
    (tuple[int, int], tuple[int, ...]),
    (tuple[int, ...], Sequence[int]),
    (tuple[int, str], Iterable[int | str]),
    (tuple, tuple[int, str]),
    (Point, tuple[int, int]),
    (Point, Sequence[int]),
    (UserId, int),
    (UserId, UserId),
    (AdminId, UserId),
    (AdminId, float),
    (Annotated[int, "metres"], int),
    (int, Annotated[int, "metres"]),
    (Literal["a"], str),
    (Literal["a"], Literal["a", "b"]),
    (Literal[1, None], int | None),
    (type[Derived], type[Base]),
    (type[int], type),
    (Callable[[int], str], Callable[..., str]),
    (Callable[[object], bool], Callable[[int], int]),
    (Callable[[int], str], Callable),
    (LongRow, Row),
    (Row, dict),
    (Row, Mapping),
    (Base, Sized),
    (T, int),
    (int, T),
]

NOT_ASSIGNABLE: list[tuple[Any, Any]] = [
    (str, int),
    (float, int),
    (object, int),
    (Base, Derived),
    (None, int),
    (int | None, int),
    (int | str, int),
    (bytes, str),
    (list[int], list[str]),
    (list[int], set[int]),
    (Sequence[int], list[int]),
    (dict[str, int], dict[str, str]),
    (dict[str, int], Iterable[int]),
    (Generator[int, None, None], Iterator[str]),
    (Ints, list[str]),
    (Box[int], Box[str]),
    (str, Sequence[int]),
    (tuple[int, str], tuple[int, ...]),
    (tuple[int, ...], tuple[int, int]),
    (tuple[int, int], tuple[int, int, int]),
    (tuple[int, str], list[int]),
    (Point, tuple[str, str]),
    (int, UserId),
    (UserId, AdminId),
    (UserId, str),
    (str, Literal["a"]),
    (Literal["c"], Literal["a", "b"]),
    (Literal[1], Literal[True]),
    (Literal[1], str),
    (type[Base], type[Derived]),
    (Callable[[int], str], Callable[[int], int]),
    (Callable[[int], str], Callable[[str], str]),
    (Callable[[int], str], Callable[[int, int], str]),
    (Row, LongRow),
    (dict[str, Any], Row),
    (Annotated[str, "metres"], int),
]


@pytest.mark.parametrize(("source", "target"), ASSIGNABLE)
def test_it_fits(source: Any, target: Any) -> None:
    assert is_assignable(source, target)


@pytest.mark.parametrize(("source", "target"), NOT_ASSIGNABLE)
def test_it_does_not_fit(source: Any, target: Any) -> None:
    assert not is_assignable(source, target)


def test_what_cannot_be_resolved_fits_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="'Elsewhere' cannot be resolved"):
        assert is_assignable(ForwardRef("Elsewhere"), int)
    with pytest.warns(UserWarning, match="'Elsewhere' cannot be resolved"):
        assert is_assignable(int, "Elsewhere")


@dataclass
class Order:
    number: int


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (1, int),
        (1, float),
        (True, int),
        (None, None),
        (None, int | None),
        (1, Any),
        (1, object),
        ("a", Literal["a", "b"]),
        ([1, 2], list[int]),
        ([], list[int]),
        ({"a": [1]}, dict[str, list[int]]),
        ((1, "a"), tuple[int, str]),
        ((1, 2, 3), tuple[int, ...]),
        ((1, "a"), tuple),
        ({1, 2}, Iterable[int]),
        (Order(1), Order),
        (5, UserId),
        (5, Annotated[int, "metres"]),
        (Derived, type[Base]),
        ({"name": "a"}, Row),
        ({"name": "a", "size": 3}, Row),
        (Base(), Sized),
        (len, Callable[[str], int]),
        (1, T),
    ],
)
def test_a_value_is_of_an_annotation(value: Any, annotation: Any) -> None:
    assert is_instance(value, annotation)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ("1", int),
        (1.5, int),
        (None, int),
        (1, None),
        ("c", Literal["a", "b"]),
        (1, Literal[True]),
        ([1, "2"], list[int]),
        ("ab", list[str]),
        ({"a": ["1"]}, dict[str, list[int]]),
        ({1: [1]}, dict[str, list[int]]),
        ((1, 2), tuple[int, str]),
        ((1,), tuple[int, str]),
        ((1, "2"), tuple[int, ...]),
        ({"number": 1}, Order),
        ("5", UserId),
        (Base, type[Derived]),
        ({}, Row),
        ({"name": 1}, Row),
        ({"name": "a", "other": 1}, Row),
        (5, Callable[[str], int]),
    ],
)
def test_a_value_is_not_of_an_annotation(value: Any, annotation: Any) -> None:
    assert not is_instance(value, annotation)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (list[int], "list[int]"),
        (int | None, "int | None"),
        (Optional[int], "Optional[int]"),  # noqa: UP045
        (Sequence[str], "Sequence[str]"),
        (Literal["a"], "Literal['a']"),
    ],
)
def test_an_annotation_as_it_is_written(annotation: Any, text: str) -> None:
    assert format_type(annotation) == text
