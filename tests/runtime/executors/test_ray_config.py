"""Ray executors without Ray: what they are given, what tasks ask for, and frames taken apart."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
from queue import SimpleQueue
from typing import Any

import pytest
from hypothesis import strategies as st

from holdwater import DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task
from holdwater.errors import ConfigError
from holdwater.executors import RayExecutor, Router, RoutingRule
from holdwater.model import message_framing
from holdwater.model.registry import registry
from holdwater.runtime.executors.ray import frames
from holdwater.runtime.executors.ray.driver_process import StoredBlobs
from holdwater.runtime.executors.ray.nodes import Nodes
from holdwater.runtime.executors.ray.worker_connections import TOKEN_BYTES, WorkerConnections
from tests.suite.effort import property_test
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_concurrent": 0}, "max_concurrent is a whole number"),
        ({"max_cached_bytes": -1}, "max_cached_bytes is a whole number"),
        ({"connect_timeout_seconds": 0}, "connect_timeout_seconds"),
        ({"resources": {"num_gpus": -1}}, "num_gpus is a finite number, 0 or more, not -1"),
        ({"resources": {"num_gpus": True}}, "num_gpus is a finite number"),
        ({"resources": ["num_gpus"]}, "resources is a mapping"),
        ({"resources": {str(k): 1 for k in range(65)}}, "at most 64 names"),
        ({"address": "ray://head:10001"}, "Ray Client"),
        ({"init_options": {"address": "auto"}}, "no address"),
        ({"init_options": {"runtime_env": {"py_modules": [object()]}}}, "plain JSON data"),
    ],
)
def test_options_are_checked(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        RayExecutor(**options)


def test_a_missing_package_is_told_when_the_runner_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    config = DefaultRunnerConfig(executors={"ray": RayExecutor()})
    with pytest.raises(ConfigError, match=r"executor 'ray' needs the package ray.*\n.*holdwater\[ray\]"):
        DefaultRunner("memory://", config=config)


def test_an_address_of_the_environment_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(ConfigError, match="RAY_ADDRESS 'ray://head:10001' is one of Ray Client"):
        RayExecutor().open("ray")


def test_resources_of_rules() -> None:
    router = Router([("**::big_*", "ray", {"num_gpus": 1}), RoutingRule("**", "ray", {"num_cpus": 2})])
    assert router.executor_for("public::embedded::w::big_one") == "ray"
    assert router.resources_for("public::embedded::w::big_one", "ray") == {"num_gpus": 1}
    assert router.resources_for("public::embedded::w::a", "ray") == {"num_cpus": 2}
    assert router.resources_for("public::embedded::w::a", "other") == {}
    assert Router([("a::**", "x")]).resources_for("b::c::d::e", "default") == {}
    assert (
        repr(router)
        == "Router([('**::big_*', 'ray', {'num_gpus': 1}), ('**', 'ray', {'num_cpus': 2})], default='default')"
    )
    assert hash(router) == hash(Router(router.rules))
    with pytest.raises(ConfigError, match="resources of a routing rule"):
        Router([("**", "ray", {"num_gpus": "all"})])  # type: ignore[dict-item]
    with pytest.raises(ConfigError, match="a triple"):
        Router([("**", "ray", {}, 1)])  # type: ignore[list-item]


def test_resources_of_tasks() -> None:
    with WorkflowBuilder("w"):
        with pytest.raises(ConfigError, match="num_gpus is a finite number"):
            task(resources={"num_gpus": float("nan")})

        @task(resources={"num_gpus": 0.5, "scanner": 1})
        def a(context: Any) -> None: ...

        @task()
        def b(context: Any) -> None: ...

    definition = registry.get("w")
    assert [definition.resources(node) for node in range(2)] == [{"num_gpus": 0.5, "scanner": 1}, {}]


SIZES = st.sampled_from([0, 1, 100, frames.LARGE_BYTES - 1, frames.LARGE_BYTES, 3 * frames.LARGE_BYTES])


@property_test(st.lists(st.lists(SIZES, max_size=5), max_size=4), quick_examples=50, long_examples=500)
def test_a_frame_taken_apart_is_the_frame_when_joined(sizes: list[list[int]]) -> None:
    inner = [message_framing.pack_frame(["x"], *[bytes([k + 1]) * n for k, n in enumerate(some)]) for some in sizes]
    frame = message_framing.pack_frame(["run", "a", 1], *inner)
    parts = frames.split_frame(frame)
    assert b"".join(parts) == frame
    large = [bytes([k + 1]) * n for some in sizes for k, n in enumerate(some) if n >= frames.LARGE_BYTES]
    assert [part for part in parts if part in large] == large


@property_test(st.binary(max_size=40), quick_examples=100, long_examples=1000)
def test_bytes_that_are_no_frame_are_one_part(start: bytes) -> None:
    data = start + bytes(frames.LARGE_BYTES)
    assert b"".join(frames.split_frame(data)) == data


def test_stored_blobs_are_bounded_in_bytes() -> None:
    stored = StoredBlobs(100)
    assert stored.use({"a": bytes(60), "b": bytes(40)}) == (["a", "b"], [])
    assert stored.use({"a": bytes(60)}) == ([], [])
    assert stored.use({"c": bytes(40)}) == (["c"], ["b"])  # not used for the longest time
    assert stored.use({"d": bytes(101)}) == (["d"], ["a", "c", "d"])
    assert stored.use({"a": bytes(60)}) == (["a"], [])


class FakeRay:
    """The part of Ray that knows the nodes."""

    def __init__(self, *nodes: dict[str, float]) -> None:
        self.known = list(nodes)
        self.reads = 0
        self.is_down = False

    def nodes(self) -> list[dict[str, Any]]:
        self.reads += 1
        if self.is_down:
            raise ConnectionError("the head does not answer")
        alive = [{"NodeID": str(k), "Alive": True, "Resources": node} for k, node in enumerate(self.known)]
        return [*alive, {"NodeID": "dead", "Alive": False, "Resources": {"GPU": 8.0}}]


def test_a_request_that_no_node_can_fulfil() -> None:
    ray = FakeRay({"CPU": 4.0, "memory": 1e9}, {"CPU": 2.0, "GPU": 1.0})
    nodes = Nodes(ray)
    assert nodes.misfit({}) is None
    assert nodes.misfit({"num_cpus": 2, "num_gpus": 1}) is None
    assert ray.reads == 1
    assert nodes.misfit({"num_cpus": 4, "num_gpus": 1}) == (
        "num_cpus=4, num_gpus=1, which none of the 2 nodes of the cluster has; the most on one: num_cpus=4, num_gpus=1"
    )
    assert nodes.misfit({"num_cpus": 0, "scanner": 1}) is not None
    assert [nodes.is_alive(name) for name in ("1", "dead")] == [True, False]
    ray.known.append({"CPU": 1.0, "scanner": 1.0})  # the cluster has grown
    assert nodes.misfit({"num_cpus": 0, "scanner": 1}) is None


def test_a_head_that_does_not_answer_changes_nothing() -> None:
    ray = FakeRay({"CPU": 4.0})
    nodes = Nodes(ray)
    ray.is_down = True
    assert nodes.misfit({"num_gpus": 1}) is None  # nothing is known: Ray decides
    ray.is_down = False
    assert nodes.misfit({"num_cpus": 4}) is None
    ray.is_down = True
    nodes.refresh()
    assert nodes.is_alive("0")
    assert nodes.misfit({"num_gpus": 1}) is not None


def connect(connections: WorkerConnections, token: bytes) -> socket.socket:
    sock = socket.create_connection(connections.address)
    sock.sendall(token)
    return sock


def test_a_connection_without_the_token_is_closed_and_one_that_sends_nonsense_too() -> None:
    taken: SimpleQueue[Any] = SimpleQueue()
    gone: SimpleQueue[Any] = SimpleQueue()
    connections = WorkerConnections(
        "127.0.0.1", lambda connection, message: taken.put((message.kind, message.call_id)), gone.put
    )
    with connect(connections, bytes(TOKEN_BYTES)) as stranger:
        stranger.sendall(message_framing.pack_frame(["begun", 1, ""]))
        stranger.settimeout(SIGNAL_TIMEOUT_SECONDS)
        with contextlib.suppress(ConnectionResetError):
            assert stranger.recv(1) == b""
    gone.get(timeout=SIGNAL_TIMEOUT_SECONDS)
    with connect(connections, connections.token) as worker:
        worker.sendall(message_framing.pack_frame(["begun", 2, ""]))
        assert taken.get(timeout=SIGNAL_TIMEOUT_SECONDS) == ("begun", 2)
        worker.sendall(b"\xff" * 100)
        gone.get(timeout=SIGNAL_TIMEOUT_SECONDS)
    assert taken.empty()
