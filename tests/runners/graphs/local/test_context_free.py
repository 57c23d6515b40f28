"""Functions that can be called without a context of their own."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from holdwater import Graph, SyncRunner, node
from holdwater.runners.graphs.local.context_free import is_context_free

NUMBER = ContextVar("number", default=0)
FACTOR = 3


def adds(x: int, y: int = 2) -> int:
    return x + y * 3 - (x % 5)


def chooses(x: int, flag: bool) -> Any:
    if (flag and x > 3) or x is None:
        return [x, (x, 1), {"a": x}]
    return f"{x:>5} is {x}" if x in (1, 2) else -x


def loops(n: int) -> int:
    total = 0
    while n > 0:
        total, n = total + n, n - 1
    return total


def calls(x: float) -> float:
    return math.floor(x)


def reads_an_attribute(x: Any) -> Any:
    return x.real


def iterates(xs: list[int]) -> int:
    return [x for x in xs][0]  # noqa: C416, RUF015


def generates(x: int) -> Any:
    yield x


async def awaits(x: int) -> int:
    return x


def imports(x: int) -> int:
    import json

    return x if json else 0


def closes_over(k: int) -> Callable[[int], int]:
    return lambda x: x + k


@pytest.mark.parametrize("function", [adds, chooses, loops, closes_over(3), lambda x: x * FACTOR])
def test_functions_that_only_compute(function: Any) -> None:
    assert is_context_free(function)


@pytest.mark.parametrize(
    "function",
    [
        calls, reads_an_attribute, iterates, generates, awaits, imports, len, functools.partial(adds, 1), NUMBER.set,
        type("Callable", (), {"__call__": lambda self: None})(),
    ],
)  # fmt: skip
def test_functions_that_may_do_more(function: Any) -> None:
    assert not is_context_free(function)


def test_items_of_a_map_do_not_see_what_another_has_set() -> None:
    @node(output_name="y")
    def count(x: int) -> int:
        NUMBER.set(NUMBER.get() + x)
        return NUMBER.get()

    @node(output_name="z")
    def double(y: int) -> int:
        return 2 * y

    results = SyncRunner().map(Graph([count, double]), {"x": [1] * 20}, map_over="x", select=["*"])
    assert results == [{"y": 1, "z": 2}] * 20
    assert NUMBER.get() == 0
