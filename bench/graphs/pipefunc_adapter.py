"""pipefunc: calls of a pipeline, and its sequential map; it has no coroutines, so the sleepers sleep in threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import sources
from pipefunc import PipeFunc, Pipeline

IMPORTS = ("import pipefunc",)


def pipeline(module: ModuleType, mapspecs: dict[str, str] | None = None) -> Any:
    known = mapspecs or {}
    functions = sources.functions(module)
    return Pipeline([PipeFunc(f, f.__name__, mapspec=known.get(f.__name__)) for f in functions], cache_type=None)


class Adapter:
    def chain(self, n: int) -> Callable[[], object]:
        made, out = pipeline(sources.chain(n)), f"x{n}"
        return lambda: made(out, x0=0)

    def fan(self, n: int) -> Callable[[], object]:
        made = pipeline(sources.fan(n))
        return lambda: made("out", x=1)

    def map(self, n: int) -> Callable[[], object]:
        made = pipeline(sources.three(), {"a": "x[i] -> a[i]", "b": "a[i] -> b[i]", "c": "a[i], b[i] -> c[i]"})

        def run() -> list[int]:
            inputs = {"x": list(range(n))}
            return list(made.map(inputs, parallel=False, storage="dict", show_progress=False)["c"].output)

        return run

    def sleep(self, n: int, sleep_seconds: float, at_once: int) -> Callable[[], object]:
        def y(i: int) -> int:
            time.sleep(sleep_seconds)
            return i

        y.__module__ = "__main__"
        made = Pipeline([PipeFunc(y, "y", mapspec="i[k] -> y[k]")])

        def run() -> int:
            with ThreadPoolExecutor(at_once) as pool:
                inputs = {"i": list(range(n))}
                done = made.map(inputs, executor=pool, chunksizes=1, storage="dict", show_progress=False)
            return int(sum(done["y"].output))

        return run
