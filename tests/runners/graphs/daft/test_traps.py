"""What Daft does by itself that users do not expect."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextvars import ContextVar
from decimal import Decimal, getcontext
from typing import Any

import pytest

from holdwater import DaftRunner, Graph, node
from holdwater.errors import ConfigError, FunctionCancelled
from holdwater.runners.graphs.daft import library
from holdwater.runners.graphs.daft.stage import Stage
from tests.runners.graphs.samples import small_graph

TENANT = ContextVar("tenant", default="none")


def counted_graph(calls: list[int]) -> Graph:
    @node(output_name="y")
    def count(x: int) -> int:
        calls.append(x)
        return x

    return Graph([count])


def test_functions_run_again_for_each_frame_derived_from_one_that_is_not_collected(native_daft: Any) -> None:
    calls: list[int] = []
    frame = DaftRunner().map(counted_graph(calls), {"x": [1, 2]}, map_over="x")
    assert not calls
    col = native_daft.col
    frame.where(col("y") > 1).to_pydict()
    frame.select("y").to_pydict()
    assert calls == [1, 2, 1, 2]
    frame.collect()
    calls.clear()
    frame.where(col("y") > 1).to_pydict()
    frame.select("y").to_pydict()
    assert not calls


def test_closures_that_cannot_be_pickled_run_on_this_machine() -> None:
    lock = threading.Lock()

    @node(output_name="y")
    def locked(x: int) -> int:
        with lock:
            return x

    assert DaftRunner().map(Graph([locked]), {"x": [1, 2]}, map_over="x").to_pydict()["y"] == [1, 2]


def test_context_variables_arrive_and_do_not_leak() -> None:
    @node(output_name="first")
    def read_and_set(x: int) -> str:
        before = TENANT.get()
        TENANT.set(f"row {x}")
        return before

    @node(output_name="second")
    def read(first: str) -> str:
        return TENANT.get()

    @node(output_name="digits")
    def divide(second: str, x: int) -> int:
        digits = getcontext().prec
        getcontext().prec = 5
        assert Decimal(1) / Decimal(3)
        return digits

    token = TENANT.set("caller")
    precision = getcontext().prec
    try:
        frame = DaftRunner().map(Graph([read_and_set, read, divide]), {"x": [1, 2]}, map_over="x", select=["*"])
    finally:
        TENANT.reset(token)
    found = frame.to_pydict()  # those of the call of map, wherever the frame is collected
    assert found["first"] == found["second"] == ["caller", "caller"]
    assert found["digits"] == [precision, precision]
    assert getcontext().prec == precision


def test_an_error_nulls_its_own_row() -> None:
    @node(output_name="y")
    def fail(x: int) -> int:
        return 1 // x

    found = DaftRunner().map(Graph([fail]), {"x": [1, 0, 1]}, map_over="x").to_pydict()
    assert found["y"] == [1, None, 1]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_what_ends_a_process_ends_the_query(error: type[BaseException]) -> None:
    @node(output_name="y")
    def stop(x: int) -> int:
        raise error

    with pytest.raises(FunctionCancelled, match=error.__name__):
        DaftRunner().map(Graph([stop]), {"x": [1]}, map_over="x").collect()
    with pytest.raises(FunctionCancelled, match=error.__name__):
        DaftRunner().run(Graph([stop]), {"x": 1})


def test_a_request_for_gpus_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    library.check_gpus(1)
    with pytest.raises(ConfigError, match="this machine has 1 GPUs"):
        library.check_gpus(2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ConfigError, match="num_gpus=1, but this machine has 0 GPUs"):
        DaftRunner(num_gpus=1).map(small_graph(), {"x": [1]}, map_over="x")


def test_frames_are_made_after_daft_is_set_to_ray() -> None:
    import pickle

    def pickled_stage() -> bytes:
        from contextvars import Context

        from holdwater.graphs.map_items import MapItems
        from holdwater.runners.graphs.local.prepare import prepare_nested

        stage = Stage(prepare_nested(small_graph(), ["x"], ("total",)), MapItems(("x",), (), {}), None, 1, Context())
        data = pickle.dumps(stage)
        assert pickle.loads(data) is stage
        return data

    data = pickled_stage()
    with pytest.raises(ConfigError, match=r"set_runner_ray"):
        pickle.loads(data)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


def test_daft_is_imported_when_it_is_used() -> None:
    code = "import sys, holdwater\nholdwater.DaftRunner\nprint({'daft', 'pyarrow'} & sys.modules.keys())"
    assert run(code) == "set()\n"


def test_without_daft() -> None:
    code = (
        "import sys; sys.modules['daft'] = None\nfrom holdwater import DaftRunner\n"
        "try:\n    DaftRunner()\nexcept ImportError as error:\n    print(error)"
    )
    assert "pip install 'holdwater[daft]'" in run(code)
