"""Task functions on a real Ray cluster: workers really killed, answers that are none, a runner that dies meanwhile."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import Context, DefaultRunner, RetryPolicy, TaskHandle
from holdwater.errors import TaskCancelled
from holdwater.executors import ExecutorBackend, RayExecutor, Router
from holdwater.graphs import Graph, node, register_graph
from holdwater.model.events import Failed
from holdwater.model.registry import registry
from holdwater.operations.databases import open_for_reading
from holdwater.operations.logs import read_logs
from holdwater.operations.verification import verify_database
from holdwater.runtime.executors.processes.outbox import Outbox
from holdwater.runtime.executors.ray.backend import RayBackend
from holdwater.steps import Step, StepResult, Workflow, WorkflowContext, register_workflow
from tests.engine.task_functions import FlakyError, exits, recurses_forever, write_line
from tests.runtime.executors.test_processes import NamedPipe, WatchedProcess, go, wire
from tests.suite.effort import LONG
from tests.suite.ray_cluster import ray_cluster
from tests.suite.runners import Define, metrics_when_idle

__all__ = ["go", "ray_cluster", "wire"]

pytestmark = [pytest.mark.ray, pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="watches processes by pidfd")]

Open = Callable[..., DefaultRunner]
START_SECONDS = 120.0
"""for what has to start Ray, or a process that imports it, on a busy machine"""


NO_PLACE = {"num_cpus": 0}
"""of functions that wait for others on the cluster, whose places they would take"""


class KeptRay:
    """An executor whose connection to the cluster outlives the runners of single tests: making one takes seconds."""

    def __init__(self, executor: RayExecutor, max_concurrent: int) -> None:
        self.backend = executor.open("ray")
        self.max_concurrent = max_concurrent

    def open(self, name: str) -> ExecutorBackend:
        return _NotClosed(self.backend)


class _NotClosed:
    def __init__(self, backend: RayBackend) -> None:
        self.run_invocation, self.kill = backend.run_invocation, backend.kill

    def close(self) -> None: ...


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture(scope="module")
def kept_ray(ray_cluster: str) -> Iterator[KeptRay]:
    made = KeptRay(RayExecutor(address=ray_cluster, connect_timeout_seconds=START_SECONDS), 8)
    yield made
    made.backend.close()


@pytest.fixture
def runner(open_runner: Open, kept_ray: KeptRay) -> DefaultRunner:
    """Everything on Ray."""
    return open_runner(executors={"ray": kept_ray}, routing=Router([("**", "ray")]), cancel_grace_seconds=1.0)


def read_line(wire: NamedPipe) -> str:
    """The next line, of a function for which Ray may have to be started."""
    assert select.select([wire._fd], [], [], START_SECONDS)[0], "no function has begun"
    return wire.read_line()


def execute_task(
    runner: DefaultRunner, define: Define, function: Callable[..., Any], context: Any = None, **options: Any
) -> Any:
    return runner.execute(define("w", ("a", function, options)), context)


def test_values_output_and_logs_come_back(runner: DefaultRunner, define: Define, url: str) -> None:
    def body(context: Context, handle: TaskHandle) -> None:
        print("printed")
        logging.getLogger("there").warning("logged")
        print("an open line", end="", file=sys.stderr)
        context["seen"] = [handle.run_id, handle.task_id, handle.attempt, handle.is_slot_held()]
        context["pid"] = os.getpid()
        context["doubled"] = {"n": (context["n"] * 2, {1, 2})}

    async def coroutine(context: Context) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"awaited": True}

    result = runner.execute(define("w", ("a", body, {}), ("b", coroutine, {})), {"n": 21})
    assert result.status == "Completed", result.error_message
    context = result.final_context
    assert context["seen"] == [result.run_id, "a", 1, True]
    assert context["doubled"] == {"n": (42, {1, 2})}
    assert context["awaited"] is True
    assert context["pid"] != os.getpid()
    runner.shutdown()
    with open_for_reading(url) as database:
        lines = {(line.stream, line.text) for line in read_logs(database.runs, result.run_id).lines}
    assert {("stdout", "printed"), ("stderr", "an open line")} <= lines
    assert any("logged" in text for _, text in lines)


def test_steps_nodes_of_graphs_and_child_runs(runner: DefaultRunner, define: Define) -> None:
    def scale(ctx: WorkflowContext, config: dict[str, Any]) -> StepResult:
        return StepResult.ok({"scaled": ctx.get_param("n") * 2, "pid": os.getpid()})

    @node(output_name="y")
    def double(x: int) -> int:
        return 2 * x

    @node(output_name="z")
    def add(y: int, step: int = 1) -> int:
        return y + step

    def parent(context: Context, handle: TaskHandle) -> None:
        context["steps"] = handle.execute("scaling", {"n": 4}).final_context["scale"]["scaled"]
        context["graph"] = handle.execute("adding", {"x": 4}).final_context["z"]

    register_workflow(Workflow("scaling", [Step.lambda_("scale", scale)]))
    register_graph(Graph([double, add], name="adding"))
    result = execute_task(runner, define, parent, resources=NO_PLACE)
    assert result.status == "Completed", result.error_message
    assert (result.final_context["steps"], result.final_context["graph"]) == (8, 9)
    assert runner.executor_metrics()["ray"].total_executed == 4


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (recurses_forever, "RecursionError: maximum recursion depth"),
        (exits, "SystemExit: 7"),
        (lambda context: 3, "TaskReturnError: task 'a' returned int"),
    ],
    ids=["recursion", "exit", "return"],
)
def test_exceptions_and_results_that_are_none(
    body: Callable[..., Any], error: str, runner: DefaultRunner, define: Define
) -> None:
    result = execute_task(runner, define, body)
    assert result.status == "Failed"
    assert result.task_results[0].error_message.startswith(error)


def test_a_result_that_is_too_large(runner: DefaultRunner, define: Define) -> None:
    name = define("w", ("a", lambda context: {"x": "y" * 2_000_000}, {}))
    definition: Any = registry.get(name)
    definition.max_context_bytes = 1_000_000
    assert "ContextTooLarge" in (runner.execute(name).error_message or "")


def test_the_policy_sees_the_exception_itself(runner: DefaultRunner, define: Define) -> None:
    class Local(FlakyError):
        pass

    def body(context: Context) -> None:
        raise Local("no")

    policy = RetryPolicy(max_attempts=3, initial_delay=0, retry_on=(FlakyError,))
    (task,) = execute_task(runner, define, body, retry=policy).task_results
    assert (task.attempt_count, task.error_message) == (3, "Local: no")


def test_what_cannot_be_pickled_is_named_and_not_tried_again(runner: DefaultRunner, define: Define) -> None:
    lock = threading.Lock()

    def body(context: Context) -> None:
        with lock:
            pass

    (task,) = execute_task(runner, define, body, retry_attempts=3).task_results
    assert task.attempt_count == 1
    assert "TaskNotPortable: task 'a' cannot be sent to another process" in task.error_message
    assert "it refers to 'lock'" in task.error_message


def test_an_answer_that_is_none_fails_the_attempt(runner: DefaultRunner, define: Define) -> None:
    """A task function may do to its worker what it likes."""

    def body(context: Context) -> None:
        from holdwater.model import message_framing

        message_framing._to_json = lambda data: "{}"  # type: ignore[misc, assignment]

    assert execute_task(runner, define, body).status == "Failed"
    # the worker, whose connection was closed, ends, perhaps with the next one in it
    options = {"retry_attempts": 5, "retry_delay_ms": 1, "retry_condition": "transient"}
    assert execute_task(runner, define, lambda context: None, **options).status == "Completed"


def test_a_killed_worker_costs_one_attempt(runner: DefaultRunner, define: Define, wire: NamedPipe) -> None:
    said = wire.path

    def victim(context: Context, handle: TaskHandle) -> None:
        if handle.attempt == 1:
            write_line(said, os.getpid())
            signal.pause()
        context["by"] = handle.attempt

    def neighbour(context: Context, handle: TaskHandle) -> None:
        context["n"] = handle.attempt

    options = {"retry_attempts": 2, "retry_delay_ms": 1, "retry_condition": "transient"}
    handle = runner.submit(define("w", ("victim", victim, options), ("neighbour", neighbour, {})))
    os.kill(int(read_line(wire)), signal.SIGKILL)
    result = handle.result(START_SECONDS)
    assert result.final_context == {"by": 2, "n": 1}
    assert [t.attempt_count for t in result.task_results] == [2, 1]
    failed = next(e.event for e in result._run.journal if isinstance(e.event, Failed))
    assert failed.kind == "CRASHED"
    assert failed.error.startswith("WorkerCrashed: the Ray worker of task 'public::embedded::w::victim' was lost")


def test_a_time_out_kills_the_function_and_does_not_count_the_wait_for_a_place(
    runner: DefaultRunner, define: Define, wire: NamedPipe
) -> None:
    said = wire.path

    def stuck(context: Context) -> None:
        write_line(said, os.getpid())
        signal.pause()

    # both processors of the cluster are taken by the first, so that the second waits longer than its own time-out
    options = {"timeout_seconds": 2.0, "resources": {"num_cpus": 2}}
    handle = runner.submit(define("w", ("a", stuck, options), ("b", stuck, options)))
    for _ in range(2):
        WatchedProcess(int(read_line(wire))).wait_ended()
    result = handle.result(START_SECONDS)
    assert {t.error_message for t in result.task_results} == {
        f"TimeoutError: task {name!r} ran longer than 2 s" for name in "ab"
    }
    assert metrics_when_idle(runner, "ray").active_tasks == 0


def test_a_cancellation_reaches_the_function(runner: DefaultRunner, define: Define, wire: NamedPipe) -> None:
    said = wire.path

    def body(context: Context, handle: TaskHandle) -> None:
        write_line(said, "begun")
        while not handle.cancelled:
            pass
        try:
            handle.raise_if_cancelled()
        except TaskCancelled as error:
            write_line(said, error)
            raise

    handle = runner.submit(define("w", ("a", body, {})))
    assert wire.read_line() == "begun"
    handle.cancel()
    assert wire.read_line().endswith("is to stop: its run was cancelled")
    result = handle.result(START_SECONDS)
    assert (result.status, result.task_results[0].status) == ("Cancelled", "Cancelled")


def test_a_task_that_ignores_the_cancellation_is_killed(runner: DefaultRunner, define: Define, wire: NamedPipe) -> None:
    said = wire.path

    def body(context: Context) -> None:
        write_line(said, os.getpid())
        signal.pause()

    handle = runner.submit(define("w", ("a", body, {})))
    worker = WatchedProcess(int(read_line(wire)))
    handle.cancel()
    worker.wait_ended()
    assert handle.result(START_SECONDS).status == "Cancelled"


def test_waiting_gives_up_the_slot(open_runner: Open, define: Define, kept_ray: KeptRay, tmp_path: Path) -> None:
    one = KeptRay.__new__(KeptRay)
    one.backend, one.max_concurrent = kept_ray.backend, 1
    runner = open_runner(executors={"ray": one}, routing=Router([("**", "ray")]))
    flag = str(tmp_path / "flag")

    def waits(context: Context, handle: TaskHandle) -> None:
        handle.defer_until(lambda: os.path.exists(flag), poll_interval_ms=1)
        context["waited"] = handle.is_slot_held()

    def sets(context: Context) -> None:
        open(flag, "w").close()

    result = runner.execute(define("w", ("waits", waits, {"resources": NO_PLACE}), ("sets", sets, {})))
    assert result.final_context["waited"] is True
    assert metrics_when_idle(runner, "ray").total_executed == 2


def test_routing_and_resources(open_runner: Open, define: Define, kept_ray: KeptRay) -> None:
    def place(context: Context, handle: TaskHandle) -> None:
        ray: Any = importlib.import_module("ray")
        assigned = ray.get_runtime_context().get_assigned_resources()
        context[handle.task_id] = {name: amount for name, amount in assigned.items() if name != "memory"}

    def here(context: Context) -> None:
        context["pid"] = os.getpid()

    router = Router([("**::big_*", "ray", {"num_cpus": 2}), ("**::r_*", "ray", {"num_cpus": 0.5, "scanner": 1})])
    runner = open_runner(executors={"ray": kept_ray}, routing=router)
    name = define(
        "w",
        ("big_one", place, {}),
        ("r_rule", place, {}),
        ("r_own", place, {"resources": {"scanner": 0.5}}),
        ("asked", place, {"executor": "ray"}),
        ("here", here, {}),
    )
    result = runner.execute(name)
    assert result.status == "Completed", result.error_message
    assert result.final_context == {
        "big_one": {"CPU": 2.0},
        "r_rule": {"CPU": 0.5, "scanner": 1.0},
        "r_own": {"CPU": 0.5, "scanner": 0.5},
        "asked": {"CPU": 1.0},
        "pid": os.getpid(),
    }


def test_resources_that_no_node_has(runner: DefaultRunner, define: Define) -> None:
    (task,) = execute_task(runner, define, lambda context: None, resources={"num_gpus": 1}).task_results
    assert task.error_message.startswith(
        "ResourcesUnavailable: task 'public::embedded::w::a' asks for num_gpus=1, which none of the 1 nodes"
    )


def test_a_large_value_is_sent_once(runner: DefaultRunner, define: Define, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    write = Outbox.write

    def count(self: Outbox, parts: Iterable[bytes]) -> None:
        parts = list(parts)
        written.extend(map(len, parts))
        write(self, parts)

    monkeypatch.setattr(Outbox, "write", count)
    rows: list[Any] = [(f"t{k}", lambda context, handle: {handle.task_id: len(context["big"])}, {}) for k in range(10)]
    result = runner.execute(define("w", *rows), {"big": "v" * 4_000_000})
    assert {result.final_context[name] for name, _, _ in rows} == {4_000_000}
    assert 4_000_000 < sum(written) < 5_000_000


def test_every_task_once_though_a_worker_is_killed(
    runner: DefaultRunner, define: Define, wire: NamedPipe, url: str, tmp_path: Path
) -> None:
    said, ended = wire.path, str(tmp_path / "ended")

    def body(context: Context, handle: TaskHandle) -> None:
        if handle.task_id == "t50" and handle.attempt == 1:
            write_line(said, os.getpid())
            signal.pause()
        with open(ended, "a") as file:
            file.write(f"{handle.task_id}\n")
        context[handle.task_id] = handle.attempt

    retry = {"retry_attempts": 2, "retry_delay_ms": 1, "retry_condition": "transient"}
    names = [f"t{k}" for k in range(200)]
    handle = runner.submit(define("w", *[(name, body, retry) for name in names]))
    os.kill(int(read_line(wire)), signal.SIGKILL)
    result = handle.result(START_SECONDS)
    assert result.status == "Completed", result.error_message
    assert result.final_context == {name: 2 if name == "t50" else 1 for name in names}
    assert sorted(Path(ended).read_text().split()) == sorted(names)
    runner.shutdown()
    violations: list[Any] = []
    with open_for_reading(url) as database:
        assert verify_database(database, violations.append).runs == 1
    assert violations == []


def test_the_process_that_speaks_with_ray_is_killed(
    runner: DefaultRunner, define: Define, kept_ray: KeptRay, wire: NamedPipe
) -> None:
    """What ran is lost, and the next one is reached by a new process."""
    said = wire.path

    def body(context: Context, handle: TaskHandle) -> None:
        context["attempt"] = handle.attempt
        if handle.attempt == 1:
            write_line(said, os.getpid())
            signal.pause()

    options = {"retry_attempts": 2, "retry_delay_ms": 1, "retry_condition": "transient"}
    handle = runner.submit(define("w", ("a", body, options)))
    worker = WatchedProcess(int(read_line(wire)))
    driver = kept_ray.backend._driver
    assert driver is not None
    driver._process.kill()
    worker.wait_ended()
    assert handle.result(START_SECONDS).final_context["attempt"] == 2


RUNNER_SCRIPT = """
import sys
from holdwater import DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task
from holdwater.executors import RayExecutor

url, address, wire, go = sys.argv[1:]

with WorkflowBuilder("resumed"):
    @task()
    def before(context):
        context["before"] = 1

    @task(executor="ray", dependencies=[before])
    def there(context, handle):
        import os, signal
        with open(wire, "a") as said:
            said.write(f"{os.getpid()}\\n")
        if not os.path.exists(go):
            signal.pause()
        context["there"] = context["before"] + 1

config = DefaultRunnerConfig(
    executors={"ray": RayExecutor(address=address, connect_timeout_seconds=120)}, lease_seconds=1,
    recovery_interval_seconds=1,
)
with DefaultRunner(url, config=config) as runner:
    print(runner.execute("resumed", idempotency_key="one").final_context["there"])
"""


def test_a_runner_dies_while_ray_works_and_is_resumed(
    ray_cluster: str, url: str, wire: NamedPipe, tmp_path: Path
) -> None:
    def start() -> subprocess.Popen[str]:
        arguments = [url, ray_cluster, wire.path, str(tmp_path / "go")]
        return subprocess.Popen([sys.executable, "-c", RUNNER_SCRIPT, *arguments], stdout=subprocess.PIPE, text=True)

    first = start()
    worker = WatchedProcess(int(read_line(wire)))
    first.kill()
    first.communicate()
    worker.wait_ended()  # Ray ends what was begun for a process that is gone
    (tmp_path / "go").touch()
    second = start()
    said, _ = second.communicate(timeout=START_SECONDS)
    assert (said, second.returncode) == ("2\n", 0)


@pytest.mark.parametrize("victim", [pytest.param(name, marks=LONG) for name in ("raylet", "gcs_server")])
def test_a_cluster_of_its_own_is_killed_and_started_again(
    victim: str, open_runner: Open, define: Define, wire: NamedPipe
) -> None:
    executor = RayExecutor(
        2, connect_timeout_seconds=START_SECONDS, init_options={"num_cpus": 2, "object_store_memory": 100 << 20}
    )
    runner = open_runner(executors={"ray": executor}, routing=Router([("**", "ray")]))
    said = wire.path

    def body(context: Context, handle: TaskHandle) -> None:
        context["attempt"] = handle.attempt
        if handle.attempt == 1:
            write_line(said, os.getppid())
            signal.pause()

    options = {"retry_attempts": 2, "retry_delay_ms": 1, "retry_condition": "transient"}
    handle = runner.submit(define("w", ("a", body, options)))
    raylet = int(read_line(wire))
    cluster = _children_of(_parent_of(raylet))
    os.kill(next(pid for pid, name in cluster.items() if name.startswith(victim)), signal.SIGKILL)
    assert handle.result(START_SECONDS).final_context["attempt"] == 2
    runner.shutdown()
    for pid in cluster:
        assert not Path(f"/proc/{pid}").exists() or _state_of(pid) == "Z"


TWO_NODES_SCRIPT = """
import os, sys
os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="disabled")
said = os.dup(1)
os.dup2(2, 1)
from ray.cluster_utils import Cluster
common = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=common)
node = cluster.add_node(num_cpus=1, resources={"gadget": 1}, object_store_memory=100 << 20)
os.write(said, cluster.address.encode() + b"\\n")
sys.stdin.readline()
cluster.remove_node(node, allow_graceful=False)
sys.stdin.readline()
cluster.shutdown()
"""


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_node_is_lost(open_runner: Open, define: Define, wire: NamedPipe) -> None:
    """What ran there is lost; what waits for such a node is told that there is none, if it is tried again."""
    command = [sys.executable, "-c", TWO_NODES_SCRIPT]
    said = wire.path

    def body(context: Context) -> None:
        write_line(said, os.getpid())
        signal.pause()

    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as cluster:
        assert cluster.stdin is not None
        assert cluster.stdout is not None
        executor = RayExecutor(address=cluster.stdout.readline().strip(), connect_timeout_seconds=START_SECONDS)
        runner = open_runner(executors={"ray": executor}, routing=Router([("**", "ray", {"gadget": 1})]))
        options = {"retry_attempts": 2, "retry_delay_ms": 1}
        handle = runner.submit(define("w", ("a", body, options), ("b", body, options)))
        read_line(wire)
        cluster.stdin.write("remove\n")
        cluster.stdin.flush()
        result = handle.result(START_SECONDS)
        assert all("gadget=1, which none of the 1 nodes" in str(t.error_message) for t in result.task_results)
        kinds = [e.event.kind for e in result._run.journal if isinstance(e.event, Failed)]
        assert sorted(kinds) in (
            ["CRASHED"] * 2 + ["ResourcesUnavailable"] * 2,
            ["CRASHED"] + ["ResourcesUnavailable"] * 3,
        )
        runner.shutdown()
        cluster.stdin.close()


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _parent_of(pid: int) -> int:
    return int(_stat(pid)[1])


def _state_of(pid: int) -> str:
    return _stat(pid)[0]


def _children_of(pid: int) -> dict[int, str]:
    """The names of the children of a process by their ids."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    pids = [int(child) for path in found for child in path.read_text().split()]
    return {child: Path(f"/proc/{child}/comm").read_text().strip() for child in pids}
