"""A driver of a Ray cluster, in a process of its own: Daft is set to Ray once per process.  Prints what came of it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from typing import Any

import daft
import ray

from holdwater import AsyncRunner, DaftRunner, Graph, RetryPolicy, SyncRunner, node
from holdwater.caching import MemoryCache
from holdwater.errors import ConfigError, GraphFailed, HoldwaterError, TaskNotPortable
from holdwater.runners.graphs import stateful


class OddError(Exception):
    """One that cannot be pickled."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)
        self.lock = threading.Lock()


@stateful
class Model:
    def __init__(self) -> None:
        self.lock, self.process_id = threading.Lock(), os.getpid()


@node(output_name="y")
def double(x: int) -> int:
    return 2 * x


@node(output_name="total")
def add(y: int, more: int = 1) -> int:
    if y == 4:
        raise ValueError("four")
    return y + more


@node(output_name="late")
async def later(x: int) -> int:
    await asyncio.sleep(0)
    return -x


@node(output_name="place")
def predict(x: int, model: Model) -> list[int]:
    return [model.process_id, os.getpid()]


@node(output_name="odd")
def raise_odd(x: int) -> int:
    raise OddError("odd", "one")


@node(output_name="thing")
def make_lock(x: int) -> Any:
    return threading.Lock() if x == 2 else x


def chain() -> Graph:
    return Graph([double, add], name="chain")


def error_of(call: Any, kind: type[Exception]) -> str:
    try:
        call()
    except kind as error:
        return str(error) if isinstance(error, HoldwaterError) else repr(error)
    raise AssertionError(f"no {kind.__name__}")


def is_in_order(count: int, batch_size: int | None) -> bool:
    runner, rows = DaftRunner(batch_size=batch_size), [*range(count)]
    expected = [None if x == 2 else 2 * x + 1 for x in rows]
    found = runner.map(chain(), {"x": rows}, map_over="x").to_pydict()
    return (found["x"], found["total"], len(found)) == (rows, expected, 3)


def measure() -> dict[str, Any]:
    runner = DaftRunner(cache=MemoryCache())
    lock = threading.Lock()
    locked = node(lambda x: lock.locked() or x, name="locked", output_name="y")
    flaky = node(lambda x: 1 // 0, name="flaky", output_name="y", retry=RetryPolicy(max_attempts=2, initial_delay=0))
    mapped = chain().as_node(name="mapped").map_over("x", error_handling="continue")
    there = chain().as_node(name="there", runner=runner).map_over("x", error_handling="continue")
    return {
        "map": runner.map(chain(), {"x": [1, 2, 3], "more": 5}, map_over="x", select=["*"]).to_pydict(),
        "in order": [is_in_order(150_000, None), is_in_order(150_000, None), is_in_order(2_000, 20)],
        "collected": [
            one.get("total")
            for one in DaftRunner(batch_size=10).collect_map(
                chain(), {"x": [*range(200)]}, map_over="x", error_handling="continue"
            )
        ],
        "run": runner.run(chain(), {"x": 5}),
        "error": error_of(lambda: runner.run(chain(), {"x": 2}), ValueError),
        "odd error": error_of(lambda: runner.run(Graph([raise_odd]), {"x": 2}), GraphFailed),
        "async": runner.map(Graph([later, mapped]), {"x": [[1, 2]], "late": [7]}, map_over="x").to_pydict()["total"],
        "late": runner.map(Graph([later]), {"x": [1, 2]}, map_over="x").to_pydict()["late"],
        "retry": runner.map(Graph([flaky]), {"x": [1]}, map_over="x").to_pydict()["_error"],
        "nested": runner.run(Graph([mapped]), {"x": [1, 2, 3]}),
        "below sync": SyncRunner().run(Graph([there]), {"x": [1, 2, 3]}),
        "below async": asyncio.run(AsyncRunner().run(Graph([there]), {"x": [1, 2, 3]})),
        "explicit": [
            runner.map(Graph([chain().as_node(runner=one)]), {"x": [1, 2]}, map_over="x", select=["total"]).to_pydict()
            for one in (runner, SyncRunner(cache=MemoryCache()), AsyncRunner())
        ],
        "frame": runner.map_dataframe(chain(), daft.from_pydict({"x": [1, 3]}), more=10).to_pydict()["total"],
        "not portable": error_of(
            lambda: runner.map(Graph([locked], name="l"), {"x": [1]}, map_over="x"), TaskNotPortable
        ),
        "output": runner.map(Graph([make_lock]), {"x": [1, 2]}, map_over="x").to_pydict(),
        "places": [
            *runner.map(Graph([predict]).bind(model=Model()), {"x": [1, 2]}, map_over="x").to_pydict()["place"],
            [os.getpid()],
        ],
        "gpus": error_of(lambda: DaftRunner(num_gpus=1).map(chain(), {"x": [1]}, map_over="x"), ConfigError),
        "twice": error_of(daft.set_runner_native, Exception),
    }


if __name__ == "__main__":
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level=40)
    daft.set_runner_ray(noop_if_initialized=True)
    print(json.dumps(measure()))
