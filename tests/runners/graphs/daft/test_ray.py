"""The same on a real Ray cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.suite.ray_cluster import ray_cluster

__all__ = ["ray_cluster"]

pytestmark = pytest.mark.ray
ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="session")
def found(ray_cluster: str) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.runners.graphs.daft.ray_script", ray_cluster],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env=environment,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    made: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return made


def test_rows(found: dict[str, Any]) -> None:
    assert found["map"] == {
        "x": [1, 2, 3],
        "y": [2, None, 6],
        "total": [7, None, 11],
        "_error": [None, "ValueError: four (in node 'add', inputs: y, more)", None],
    }
    assert found["in order"] == [True, True, True]
    assert found["collected"] == [None if x == 2 else 2 * x + 1 for x in range(200)]
    assert found["frame"] == [12, 16]


def test_runs(found: dict[str, Any]) -> None:
    assert found["run"] == {"total": 11}
    assert found["error"] == "ValueError('four')"
    assert found["odd error"].startswith("OddError: odd (in node 'raise_odd', inputs: x)")


def test_nodes(found: dict[str, Any]) -> None:
    assert found["late"] == [-1, -2]
    assert found["async"] == [[3, None]]
    assert found["retry"] == ["ZeroDivisionError: integer division or modulo by zero (in node 'flaky', inputs: x)"]


def test_nested_graphs(found: dict[str, Any]) -> None:
    expected = {"y": [2, None, 6], "total": [3, None, 7]}
    assert found["nested"] == expected
    assert found["below sync"] == found["below async"] == expected
    text = "ValueError: four (in node 'chain/add', inputs: y, more)"
    assert found["explicit"] == [{"x": [1, 2], "total": [3, None], "_error": [None, text]}] * 3


def test_what_cannot_be_pickled(found: dict[str, Any]) -> None:
    assert found["not portable"].startswith("graph 'l' cannot be sent to the workers")
    assert "node 'locked' refers to it" in found["not portable"]
    assert found["output"]["thing"] == [1, None]
    assert "cannot be pickled" in found["output"]["_error"][1]


def test_a_stateful_object_is_created_in_its_worker(found: dict[str, Any]) -> None:
    *rows, (driver,) = found["places"]
    for made, used in rows:
        assert made == used != driver


def test_limits_of_a_cluster(found: dict[str, Any]) -> None:
    assert found["gpus"].startswith("num_gpus=1, but the Ray cluster has 0 GPUs")
    assert "runner more than once" in found["twice"]
