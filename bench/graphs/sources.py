"""The functions the graphs are made of, the same for every system: an output is called as the function that makes it.

Each module is made once, so that nobody's time to build a graph contains it.
"""

from __future__ import annotations

import sys
from functools import cache
from itertools import count
from types import FunctionType, ModuleType

_numbers = count()


@cache
def chain(n: int) -> ModuleType:
    """`x0` in, `x1` to `x{n}` each one more than the one before."""
    return _module("\n".join(f"def x{i + 1}(x{i}: int) -> int: return x{i} + 1" for i in range(n)))


@cache
def fan(n: int) -> ModuleType:
    """`x` in, `y0` to `y{n-1}` from it, `out` their sum."""
    names = [f"y{i}" for i in range(n)]
    lines = [f"def {name}(x: int) -> int: return x + {i}" for i, name in enumerate(names)]
    takes = ", ".join(f"{name}: int" for name in names)
    return _module("\n".join([*lines, f"def out({takes}) -> int: return sum(({', '.join(names)},))"]))


@cache
def three() -> ModuleType:
    """`x` in, `a = x + 1`, `b = 2 * a`, `c = a + b`."""
    return _module(
        "def a(x: int) -> int: return x + 1\n"
        "def b(a: int) -> int: return a * 2\n"
        "def c(a: int, b: int) -> int: return a + b"
    )


@cache
def sleepers(n: int, sleep_seconds: float) -> ModuleType:
    """`start` in, `y0` to `y{n-1}` that sleep and return their number."""
    lines = ["import asyncio"]
    lines += [f"async def y{i}(start: int) -> int: await asyncio.sleep({sleep_seconds}); return {i}" for i in range(n)]
    return _module("\n".join(lines))


def functions(module: ModuleType) -> list[FunctionType]:
    return [f for f in vars(module).values() if isinstance(f, FunctionType)]


def _module(source: str) -> ModuleType:
    module = ModuleType(f"made_{next(_numbers)}")
    sys.modules[module.__name__] = module
    exec(source, module.__dict__)
    return module
