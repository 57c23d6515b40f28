"""What `holdwater.graphs` offers, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import holdwater.graphs as graphs
from holdwater import errors


def test_every_name_is_there() -> None:
    for name in graphs.__all__:
        assert getattr(graphs, name) is not None
    assert set(graphs.__all__) == set(dir(graphs))


def test_a_name_that_is_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nodule'"):
        graphs.nodule


def test_errors_are_ours_and_what_users_catch() -> None:
    wrong_values = [errors.GraphConfigError, errors.RenameError, errors.MapOverError, errors.MissingInputError]
    assert all([issubclass(error, errors.HoldwaterError) and issubclass(error, ValueError) for error in wrong_values])
    assert issubclass(errors.ConflictError, errors.GraphConfigError)
    assert issubclass(errors.SignatureError, TypeError)
    assert issubclass(errors.InfiniteLoopError, RuntimeError)


def test_importing_it_loads_nothing() -> None:
    heavy = "asyncio inspect dataclasses holdwater.graphs.graph holdwater.graphs.nodes.base"
    code = f"import sys, holdwater.graphs; print(*[name for name in {heavy!r}.split() if name in sys.modules])"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_nodes_need_no_event_loop() -> None:
    code = "import sys; from holdwater.graphs import Graph, node, route; print('asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
