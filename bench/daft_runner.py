"""A million rows through graphs of three nodes: DaftRunner beside batch functions written by hand, alternating.

    python bench/daft_runner.py                      # about a minute
    python bench/daft_runner.py --rows 100000 --rounds 3
    python bench/daft_runner.py --ray                # the same on a Ray cluster of this machine, by the clock

Processor time of this process counts, which a shared machine disturbs least; on Ray the time of the clock.  The target:
at most 1.2 times the function by hand.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("DO_NOT_TRACK", "true")  # Daft's telemetry

import daft
from daft import DataType, Series

from holdwater import DaftRunner, Graph, SyncRunner, node

TARGET = 1.2


@node(output_name="a")
def plus(x: int) -> int:
    return x + 1


@node(output_name="b")
def times(a: int) -> int:
    return a * 2


@node(output_name="c")
def minus(b: int) -> int:
    return b - 3


@node(output_name="c")
def minus_but_one(b: int) -> int:
    if b == 1_000:
        raise ValueError("the one that fails")
    return b - 3


@node(output_name="words")
def split(text: str) -> Any:
    return text.strip().lower().split()


@node(output_name="count")
def count(words: Any) -> int:
    return len(set(words))


@node(output_name="label")
def label(count: int) -> str:
    return f"{count} words"


plus_, times_, minus_ = plus.func, times.func, minus.func
minus_but_one_ = minus_but_one.func
split_, count_, label_ = split.func, count.func, label.func


@daft.func.batch(return_dtype=DataType.int64())
def numbers_by_hand(x: Series) -> Any:
    return [minus_(times_(plus_(v))) for v in x.to_pylist()]


@daft.func.batch(return_dtype=DataType.int64())
def numbers_by_hand_typed(x: Series) -> Any:
    return Series.from_pylist([minus_(times_(plus_(v))) for v in x.to_pylist()], dtype=DataType.int64())


@daft.func.batch(return_dtype=DataType.int64())
def numbers_by_hand_with_errors(x: Series) -> Any:
    made = []
    for v in x.to_pylist():
        try:
            made.append(minus_but_one_(times_(plus_(v))))
        except Exception:
            made.append(None)
    return made


@daft.func.batch(return_dtype=DataType.string())
def texts_by_hand(text: Series) -> Any:
    return [label_(count_(split_(v))) for v in text.to_pylist()]


@daft.func(return_dtype=DataType.int64())
def numbers_row_by_row(x: int) -> Any:
    return minus_(times_(plus_(x)))


plus_row = daft.func(plus_, return_dtype=DataType.int64())
times_row = daft.func(times_, return_dtype=DataType.int64())
minus_row = daft.func(minus_, return_dtype=DataType.int64())


def cases(rows: int) -> dict[str, tuple[Callable[[], Any], dict[str, Callable[[], Any]]]]:
    """Case -> (what is compared with, others)."""
    numbers = daft.from_pydict({"x": list(range(rows))}).collect()
    texts = daft.from_pydict({"text": [f" The row {k} of the rows " for k in range(rows)]}).collect()
    runner = DaftRunner()
    plain = Graph([plus, times, minus], name="plain")
    nested = Graph([Graph([plus, times, minus_but_one], name="inner").as_node()], name="outer")
    words = Graph([split, count, label], name="words")
    x, text = daft.col("x"), daft.col("text")

    made = runner.map_dataframe(nested, numbers, select=["c"]).sort("x").to_pydict()
    expected = [2 * k - 1 for k in range(rows)]
    assert [index for index, error in enumerate(made["_error"]) if error is not None] == [499]
    assert made["c"] == [*expected[:499], None, *expected[500:]]

    def run_sync() -> None:
        SyncRunner().map(plain, {"x": range(rows)}, map_over="x")

    return {
        "three nodes": (
            lambda: numbers.select(x, numbers_by_hand(x)).collect(),
            {
                "holdwater": lambda: runner.map_dataframe(plain, numbers).collect(),
                "by hand, with a typed column": lambda: numbers.select(x, numbers_by_hand_typed(x)).collect(),
                "a function of Daft for one row": lambda: numbers.select(x, numbers_row_by_row(x)).collect(),
                "a function of Daft per node": lambda: numbers.select(minus_row(times_row(plus_row(x)))).collect(),
                "SyncRunner.map": run_sync,
            },
        ),
        "three nodes in a nested graph, and one row fails": (
            lambda: numbers.select(x, numbers_by_hand_with_errors(x)).collect(),
            {"holdwater": lambda: runner.map_dataframe(nested, numbers, select=["c"]).collect()},
        ),
        "three nodes that call others": (
            lambda: texts.select(text, texts_by_hand(text)).collect(),
            {"holdwater": lambda: runner.map_dataframe(words, texts).collect()},
        ),
    }


def measure(function: Callable[[], Any], clock: Callable[[], float]) -> float:
    gc.collect()
    begin = clock()
    function()
    return clock() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ray", action="store_true")
    options = parser.parse_args()
    clock = time.process_time
    if options.ray:
        import ray

        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
        ray.init(address="local", include_dashboard=False, log_to_driver=False)
        daft.set_runner_ray(noop_if_initialized=True)
        clock = time.perf_counter
    for case, (by_hand, others) in cases(options.rows).items():
        functions = {"by hand": by_hand, **others}
        for function in functions.values():
            function()
        seconds: dict[str, list[float]] = {name: [] for name in functions}
        for _ in range(options.rounds):
            for name, function in functions.items():
                seconds[name].append(measure(function, clock))
        base = statistics.median(seconds["by hand"])
        print(f"{case}, {options.rows:,} rows, medians of {options.rounds}")
        for name, found in seconds.items():
            middle = statistics.median(found)
            met = (
                "" if name != "holdwater" else f"  (target {TARGET}: {'met' if middle <= TARGET * base else 'missed'})"
            )
            print(f"  {name:40} {middle:7.3f} s  {middle / base:5.2f} x{met}")


if __name__ == "__main__":
    main()
