"""The process that speaks with Ray: takes calls from its runner, hands them over, and passes on what comes back.

Completion is an event of Ray (`ObjectRef.future`); what a task function says while it runs comes over a connection of
its worker.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, Final

from holdwater.model import message_framing
from holdwater.model.error_report import describe_error
from holdwater.model.node_messages import MAX_ANSWER_BYTES, MAX_RESULT_HEADER_BYTES
from holdwater.runtime.executors.processes.messages import WorkerMessage
from holdwater.runtime.executors.processes.worker import read_exactly, write_all
from holdwater.runtime.executors.ray.messages import NO_CALL, frame_of
from holdwater.runtime.executors.ray.nodes import Nodes
from holdwater.runtime.executors.ray.raylet import watch_raylet
from holdwater.runtime.executors.ray.worker import execute_call
from holdwater.runtime.executors.ray.worker_connections import WorkerConnection, WorkerConnections

EXIT_SECONDS: Final = 10.0
"""time that disconnecting, and ending a cluster of its own, may take when the runner is gone"""
OUTPUT_SECONDS: Final = 1.0
"""an answer waits so long for the last output of its task function, which comes another way"""
GONE_SECONDS: Final = 10.0
"""a call whose worker has hung up is lost after so long, if Ray does not say so before"""
RECHECK_SECONDS: Final = 5.0
"""interval at which the nodes are looked at while there are calls: Ray does not tell of every one that is lost"""


class CallState:
    """A call under way.  `end`: its last message, kept until its output is complete."""

    __slots__ = ("connection", "end", "has_begun", "node_id", "ref", "resources", "said_all", "timer")

    def __init__(self, resources: dict[str, float]) -> None:
        self.resources = resources
        self.ref: Any = None
        self.connection: WorkerConnection | None = None
        self.node_id = ""
        self.has_begun = self.said_all = False
        self.end: tuple[str, bytes] | None = None
        self.timer: threading.Timer | None = None


class RayDriver:
    """Calls of one runner on one cluster."""

    def __init__(self, ray: Any, write_fd: int, *, wait_for_nodes: bool, capture_output: bool) -> None:
        self._ray, self._write_fd = ray, write_fd
        self._write_lock = threading.Lock()
        self._lock = threading.Lock()
        self._calls: dict[int, CallState] = {}
        self._halted: dict[int, str] = {}
        self._refs: dict[str, Any] = {}
        self._nodes, self._wait_for_nodes = Nodes(ray), wait_for_nodes
        # Ray must never run a function again by itself: attempts are counted by the runner
        self._execute = ray.remote(max_retries=0, max_calls=0)(execute_call)
        self._workers = WorkerConnections(ray.util.get_node_ip_address(), self._on_worker_message, self._on_worker_gone)
        self._capture_output = capture_output
        threading.Thread(target=self._check_nodes, name="holdwater-nodes", daemon=True).start()

    def take(self, message: list[Any], blobs: list[bytes]) -> None:
        """Carry out a message of the runner."""
        match message:
            case ["put", keys]:
                for key, blob in zip(keys, blobs, strict=True):
                    self._refs[key] = self._put(blob)
            case ["drop", keys]:
                for key in keys:
                    self._refs.pop(key, None)
            case ["call", number, name, resources, payload_count, code_keys, keys]:
                inline = iter(blobs)
                parts = [next(inline) if key is None else self._refs[key] for key in keys]
                self._submit(number, name, resources, payload_count, code_keys, parts)
            case ["halt", number, reason]:
                self._halt(number, reason)
            case ["slot" | "child" | "secret", number, _]:
                self._tell_worker(number, message, blobs)
            case ["kill", number]:
                call = self._calls.get(number)
                if call is not None:
                    self._ray.cancel(call.ref, force=True)
            case _:
                raise ValueError(f"the runner said {message!r}")

    def _put(self, blob: bytes) -> Any:
        """Store a blob; returns its reference, or the blob, which goes with each call, if the store is full."""
        try:
            return self._ray.put(blob)
        except self._ray.exceptions.ObjectStoreFullError:
            return blob

    def _submit(
        self,
        number: int,
        name: str,
        resources: dict[str, float],
        payload_count: int,
        code_keys: list[str],
        parts: list[Any],
    ) -> None:
        text = None if self._wait_for_nodes else self._nodes.misfit(resources)
        if text is not None:
            self.send("infeasible", number, text.encode())
            return
        call = self._calls[number] = CallState(resources)  # its worker may say something at once
        common = (self._workers.address, self._workers.token, number, self._capture_output, payload_count, code_keys)
        try:
            call.ref = self._execute.options(**_ray_options(name, resources)).remote(*common, *parts)
        except Exception as error:  # noqa: BLE001 - whatever Ray refuses is an end of this call
            call.end = ("failed", describe_error(error).encode("utf-8", "replace"))
            self._finish(number)
            return
        call.ref.future().add_done_callback(partial(self._on_done, number))

    # -- what comes back

    def _on_done(self, number: int, future: Any) -> None:
        try:
            answer = future.result()
            end = ("done", answer) if _is_answer(answer) else ("lost", b"its answer is none, or larger than any")
        except BaseException as error:  # noqa: BLE001 - of any class: a worker may have made it
            end = self._end_of(error)
        with self._lock:
            call = self._calls.get(number)
            if call is None:
                return
            call.end = end
            if not call.said_all and (call.has_begun or end[0] == "done"):
                call.timer = threading.Timer(OUTPUT_SECONDS, self._finish, (number,))
                call.timer.daemon = True
                call.timer.start()
                return
        self._finish(number)

    def _end_of(self, error: BaseException) -> tuple[str, bytes]:
        """The last message of a call that ended with an error of Ray."""
        known = self._ray.exceptions
        # an actual exception of a task function is part of an answer, so this one is of the code around it
        is_setup = isinstance(
            error, (known.RayTaskError, known.RuntimeEnvSetupError, known.ObjectStoreFullError, known.RaySystemError)
        )
        return "failed" if is_setup else "lost", describe_error(error).encode("utf-8", "replace")

    def _finish(self, number: int) -> None:
        with self._lock:
            call = self._calls.pop(number, None)
            self._halted.pop(number, None)
        if call is None or call.end is None:
            return
        if call.timer is not None:
            call.timer.cancel()
        kind, blob = call.end
        self.send(kind, number, blob)

    # -- workers

    def _on_worker_message(self, connection: WorkerConnection, message: WorkerMessage) -> None:
        """Pass on what a function says; `begun` binds its call to the connection."""
        if message.kind == "begun":
            self._begin(connection, message.call_id, message.fields[0])
        elif message.kind == "end":
            self._end_output(connection, message.call_id)
        elif self._is_of(connection, message.call_id):
            self._write(frame_of(message))

    def _begin(self, connection: WorkerConnection, number: int, node_id: str) -> None:
        with self._lock:
            call = self._calls.get(number)
            if call is None or call.connection is not None:
                return
            call.connection, call.node_id, call.has_begun = connection, node_id, True
            reason = self._halted.get(number)
        if reason is not None:
            connection.send(["halt", number, reason])
        self.send("begun", number)

    def _is_of(self, connection: WorkerConnection, number: int) -> bool:
        call = self._calls.get(number)
        return call is not None and call.connection is connection

    def _end_output(self, connection: WorkerConnection, number: int) -> None:
        with self._lock:
            call = self._calls.get(number)
            if call is None or call.connection is not connection:
                return
            call.said_all = True
            if call.end is None:
                return
        self._finish(number)

    def _on_worker_gone(self, connection: WorkerConnection) -> None:
        with self._lock:
            numbers = [number for number, call in self._calls.items() if call.connection is connection]
        for number in numbers:
            self._end_output(connection, number)
            timer = threading.Timer(GONE_SECONDS, self._give_up, (number, "lost", "its worker has hung up"))
            timer.daemon = True
            timer.start()

    def _give_up(self, number: int, kind: str, text: str) -> None:
        """End a call that has no end yet, and have Ray forget it."""
        with self._lock:
            call = self._calls.get(number)
            if call is None or call.end is not None or call.ref is None:
                return
            call.end = (kind, text.encode("utf-8", "replace"))
        self._ray.cancel(call.ref, force=True)
        self._finish(number)

    def _halt(self, number: int, reason: str) -> None:
        with self._lock:
            if number in self._calls:
                self._halted[number] = reason
        self._tell_worker(number, ["halt", number, reason])

    def _tell_worker(self, number: int, message: list[Any], blobs: Sequence[bytes] = ()) -> None:
        call = self._calls.get(number)
        if call is not None and call.connection is not None:
            call.connection.send(message, *blobs)

    # -- nodes

    def _check_nodes(self) -> None:
        """End calls on nodes that are lost, and calls that wait for a node the cluster no longer has."""
        pause = threading.Event()
        while not pause.wait(RECHECK_SECONDS):
            with self._lock:
                open_calls = {number: call for number, call in self._calls.items() if call.end is None}
            if not open_calls:
                continue
            self._nodes.refresh()
            for number, call in open_calls.items():
                if call.has_begun:
                    if not self._nodes.is_alive(call.node_id):
                        self._give_up(number, "lost", "its node is lost")
                elif not self._wait_for_nodes:
                    text = self._nodes.misfit(call.resources)
                    if text is not None:
                        self._give_up(number, "infeasible", text)

    # -- the runner

    def send(self, kind: str, number: int, *parts: bytes) -> None:
        """Send to the runner; ends this process if that is gone."""
        self._write(message_framing.frame_parts([kind, number], *parts))

    def _write(self, frame: list[bytes]) -> None:
        try:
            with self._write_lock:
                for part in frame:
                    write_all(self._write_fd, part)
        except OSError:
            os._exit(1)


def _is_answer(answer: Any) -> bool:
    """Return True for bytes that the runner takes; it would end this process, with all its calls, for others."""
    return type(answer) is bytes and len(answer) <= MAX_ANSWER_BYTES + MAX_RESULT_HEADER_BYTES


def _ray_options(name: str, resources: dict[str, float]) -> dict[str, Any]:
    own = {key: amount for key, amount in resources.items() if key in ("num_cpus", "num_gpus", "memory")}
    others = {key: amount for key, amount in resources.items() if key not in own}
    return {**own, **({"resources": others} if others else {}), "name": name}


def _read_messages(read_fd: int, inbox: SimpleQueue[Any]) -> None:
    try:
        while True:
            inbox.put(message_framing.read_frame(partial(read_exactly, read_fd)))
    except (EOFError, OSError):
        inbox.put((["bye"], []))
        timer = threading.Timer(EXIT_SECONDS, os._exit, (1,))
        timer.daemon = True
        timer.start()


def connect(address: str, init_options: dict[str, Any]) -> Any:
    """Import Ray, and connect to a cluster or start one; returns the module.  Errors of Ray propagate."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray: Any = importlib.import_module("ray")
    options: dict[str, Any] = {"logging_level": "ERROR"}
    if address == "local":
        options["include_dashboard"] = False
    ray.init(address=address, **{**options, **init_options})
    return ray


def main(write_fd: int) -> None:
    """Work for the process at the other end of stdin and of this pipe, until it says good-bye or is gone."""
    os.set_inheritable(write_fd, False)
    read_fd = os.dup(0)
    with open(os.devnull) as nothing:  # what Ray starts must not keep the pipe
        os.dup2(nothing.fileno(), 0)
    inbox: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_read_messages, args=(read_fd, inbox), name="holdwater-listen", daemon=True).start()
    (_, address, init_options, wait_for_nodes, capture_output), _ = inbox.get()
    try:
        ray = connect(address, init_options)
        driver = RayDriver(ray, write_fd, wait_for_nodes=wait_for_nodes, capture_output=capture_output)
    except BaseException as error:  # noqa: BLE001 - SystemExit too
        text = describe_error(error).encode("utf-8", "replace")
        write_all(write_fd, message_framing.pack_frame(["unreachable", NO_CALL], text))
        return
    watch_raylet(ray, partial(driver.send, "gone", NO_CALL))
    driver.send("ready", NO_CALL)
    try:
        while True:
            message, blobs = inbox.get()
            if message == ["bye"]:
                break
            driver.take(message, blobs)
    finally:
        with suppress(Exception):
            ray.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        os._exit(0)
