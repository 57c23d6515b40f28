"""Bodies in worker processes: real processes, really killed.  What happens is told by lines in a named pipe."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import re
import select
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from holdwater import Context, DefaultRunner, RetryPolicy, TaskHandle
from holdwater.errors import TaskCancelled
from holdwater.executors import ProcessExecutor, Router
from tests.engine.task_functions import (
    FlakyError,
    exits,
    raises_keyboard_interrupt,
    raises_unpicklable,
    recurses_forever,
    wait_for_byte,
    write_line,
)
from tests.suite.effort import LONG
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, Define, assert_no_new_threads, metrics_when_idle

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="watches processes by pidfd")

Open = Callable[..., DefaultRunner]

ON_BOTH = pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)
"""where it matters what the parent has open; workers see no database"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=LONG)])
def url(request: pytest.FixtureRequest, tmp_path: Path, migrated_schema: Callable[[], str]) -> str:
    return migrated_schema() if request.param == "postgresql" else f"sqlite:///{tmp_path}/runs.db"


class NamedPipe:
    """A named pipe; whoever knows its path writes lines, the test reads them."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = str(path)
        self._fd = os.open(path, os.O_RDWR)
        self._unread = b""

    def read_line(self) -> str:
        while b"\n" not in self._unread:
            assert select.select([self._fd], [], [], SIGNAL_TIMEOUT_SECONDS)[0], "nobody said anything"
            self._unread += os.read(self._fd, 4096)
        said, _, self._unread = self._unread.partition(b"\n")
        return said.decode()

    def close(self) -> None:
        os.close(self._fd)


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[NamedPipe]:
    made = NamedPipe(tmp_path / "wire")
    yield made
    made.close()


@pytest.fixture
def go(tmp_path: Path) -> Iterator[NamedPipe]:
    """The other way: bodies wait for a line."""
    made = NamedPipe(tmp_path / "go")
    yield made
    made.close()


class WatchedProcess:
    """A process of whose end we are told; made while it lives."""

    def __init__(self, pid: int) -> None:
        self.fd = os.pidfd_open(pid)

    def wait_ended(self) -> None:
        gone = select.select([self.fd], [], [], SIGNAL_TIMEOUT_SECONDS)[0]
        os.close(self.fd)
        assert gone, "the process lives on"


def process_executor_options(workers: int = 2, **options: Any) -> dict[str, Any]:
    """Everything on worker processes."""
    return {"executors": {"cpu": ProcessExecutor(workers, **options)}, "routing": Router([("**", "cpu")])}


@pytest.fixture
def runner(open_runner: Open) -> DefaultRunner:
    return open_runner(**process_executor_options())


def execute_task(
    runner: DefaultRunner, define: Define, function: Callable[..., Any], context: Any = None, **options: Any
) -> Any:
    return runner.execute(define("w", ("a", function, options)), context)


def test_bodies_run_at_once_in_other_processes(
    runner: DefaultRunner, define: Define, wire: NamedPipe, go: NamedPipe
) -> None:
    said, wait = wire.path, go.path

    def body(context: Context) -> None:
        write_line(said, os.getpid())
        wait_for_byte(wait)

    handle = runner.submit(define("w", ("a", body, {}), ("b", body, {})))
    pids = {wire.read_line(), wire.read_line()}
    assert len(pids) == 2
    assert str(os.getpid()) not in pids
    assert not runner.has_capacity("cpu")
    assert runner.has_capacity()
    os.write(go._fd, b"xx")
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"
    metrics = metrics_when_idle(runner, "cpu")
    assert (metrics.active_tasks, metrics.total_executed, metrics.total_failed) == (0, 2, 0)
    assert metrics.avg_duration_ms > 0


@ON_BOTH
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
    os.kill(int(wire.read_line()), signal.SIGKILL)
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Completed"
    assert result.final_context == {"by": 2, "n": 1}
    assert [t.attempt_count for t in result.task_results] == [2, 1]


@pytest.mark.parametrize(
    ("fatal", "says"),
    [
        (lambda: ctypes.string_at(0), r"killed by SIGSEGV \(signal 11\)"),
        (lambda: os._exit(3), "ended with exit code 3"),
        (lambda: os._exit(0), "ended with exit code 0"),
        (lambda: os.closerange(3, 4096), "killed by SIGKILL"),
    ],
    ids=["segfault", "exit", "exit-zero", "closes-its-pipes"],
)
def test_a_body_that_ends_its_process(
    fatal: Callable[[], Any], says: str, runner: DefaultRunner, define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdwater.runtime.executors.processes.child_process.SHUTDOWN_SECONDS", 0.2)
    result = execute_task(runner, define, lambda context: fatal(), retry=RetryPolicy(max_attempts=2, initial_delay=0))
    (task,) = result.task_results
    assert (result.status, task.attempt_count) == ("Failed", 2)
    assert task.error_message.startswith("WorkerCrashed: the worker process ")
    assert "public::embedded::w::a" in task.error_message
    assert re.search(says, task.error_message)
    assert execute_task(runner, define, lambda context: None).status == "Completed"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (recurses_forever, "RecursionError: maximum recursion depth"),
        (exits, "SystemExit: 7"),
        (raises_keyboard_interrupt, "KeyboardInterrupt"),
        (raises_unpicklable, "UnpicklableError: odd"),
        (lambda context: 3, "TaskReturnError: task 'a' returned int"),
        (lambda context: {"x": object()}, "EncodingError: context key 'x'"),
    ],
)
def test_exceptions_are_reported_back(
    body: Callable[..., Any], error: str, runner: DefaultRunner, define: Define
) -> None:
    result = execute_task(runner, define, body)
    assert result.status == "Failed"
    assert result.task_results[0].error_message.startswith(error)
    assert runner.executor_metrics()["cpu"].total_failed == 1
    pids = [execute_task(runner, define, lambda context: {"pid": os.getpid()}).final_context["pid"] for _ in range(2)]
    assert pids[0] == pids[1]


@pytest.mark.parametrize(("kind", "attempts"), [(FlakyError, 3), (KeyError, 1)])
def test_the_policy_sees_the_exception_itself(
    kind: type[Exception], attempts: int, runner: DefaultRunner, define: Define
) -> None:
    class Local(kind):  # type: ignore[valid-type, misc]
        pass

    def body(context: Context) -> None:
        raise Local("no")

    policy = RetryPolicy(max_attempts=3, initial_delay=0, retry_on=(ValueError, ConnectionError))
    result = execute_task(runner, define, body, retry=policy)
    assert result.task_results[0].attempt_count == attempts
    assert result.task_results[0].error_message.startswith("Local: ")


def test_a_time_out_kills_the_body_and_its_children(runner: DefaultRunner, define: Define, wire: NamedPipe) -> None:
    said = wire.path

    def body(context: Context) -> None:
        child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        write_line(said, os.getpid())
        write_line(said, child.pid)
        ctypes.PyDLL(None).sleep(3600)  # holds the interpreter as a busy body does

    assert execute_task(runner, define, lambda context: None).status == "Completed"  # the worker is there
    handle = runner.submit(define("late", ("a", body, {"timeout_seconds": 5.0})))
    watched = [WatchedProcess(int(wire.read_line())), WatchedProcess(int(wire.read_line()))]
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert result.error_message == "task 'a' failed: TimeoutError: task 'a' ran longer than 5 s"
    for process in watched:
        process.wait_ended()
    assert execute_task(runner, define, lambda context: None).status == "Completed"
    assert metrics_when_idle(runner, "cpu").total_failed == 1
    assert runner.has_capacity("cpu")


def test_all_slots_time_out_at_once(open_runner: Open, define: Define) -> None:
    """Killed bodies are no abandoned threads: what waits behind them runs."""
    runner = open_runner(**process_executor_options(2))

    def stuck(context: Context) -> None:
        signal.pause()

    rows = [(f"s{k}", stuck, {"timeout_seconds": 0.5}) for k in range(4)]
    result = runner.execute(define("w", *rows))
    assert {t.error_message for t in result.task_results} == {
        f"TimeoutError: task 's{k}' ran longer than 0.5 s" for k in range(4)
    }


def test_a_cancellation_reaches_the_body(runner: DefaultRunner, define: Define, wire: NamedPipe) -> None:
    said = wire.path

    def body(context: Context, handle: TaskHandle) -> None:
        write_line(said, os.getpid())
        while not handle.cancelled:
            pass
        try:
            handle.raise_if_cancelled()
        except TaskCancelled as error:
            write_line(said, error)
            raise

    handle = runner.submit(define("w", ("a", body, {})))
    pid = wire.read_line()
    handle.cancel()
    assert wire.read_line().endswith("is to stop: its run was cancelled")
    result = handle.result(SIGNAL_TIMEOUT_SECONDS)
    assert (result.status, result.task_results[0].status) == ("Cancelled", "Cancelled")
    again = execute_task(runner, define, lambda context: {"pid": os.getpid()})
    assert str(again.final_context["pid"]) == pid  # the worker was not killed for it


def test_a_task_that_ignores_the_cancellation_is_killed(open_runner: Open, define: Define, wire: NamedPipe) -> None:
    runner = open_runner(**process_executor_options(), cancel_grace_seconds=0.1)
    said = wire.path

    def body(context: Context) -> None:
        write_line(said, os.getpid())
        signal.pause()

    handle = runner.submit(define("w", ("a", body, {})))
    worker = WatchedProcess(int(wire.read_line()))
    handle.cancel()
    worker.wait_ended()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Cancelled"


def test_the_handle(runner: DefaultRunner, define: Define) -> None:
    def body(context: Context, handle: TaskHandle) -> None:
        context["seen"] = [handle.run_id, handle.task_id, handle.attempt, handle.idempotency_key, handle.is_slot_held()]

    result = execute_task(runner, define, body)
    assert result.final_context["seen"] == [result.run_id, "a", 1, f"{result.run_id}:a", True]


def test_waiting_gives_up_the_slot(open_runner: Open, define: Define, tmp_path: Path) -> None:
    runner = open_runner(**process_executor_options(1))
    flag = str(tmp_path / "flag")

    def waits(context: Context, handle: TaskHandle) -> None:
        handle.defer_until(lambda: os.path.exists(flag), poll_interval_ms=1)
        context["waited"] = handle.is_slot_held()

    def sets(context: Context) -> None:
        open(flag, "w").close()

    result = runner.execute(define("w", ("waits", waits, {}), ("sets", sets, {})))
    assert result.final_context["waited"] is True
    assert metrics_when_idle(runner, "cpu").total_executed == 2


def test_coroutines_wait_too(open_runner: Open, define: Define, tmp_path: Path) -> None:
    runner = open_runner(**process_executor_options(1))
    flag = str(tmp_path / "flag")

    async def waits(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until_async(lambda: os.path.exists(flag), poll_interval_ms=1)
        context["pid"] = os.getpid()
        await asyncio.sleep(0)

    async def sets(context: Context) -> dict[str, Any]:
        open(flag, "w").close()
        return {"other": os.getpid()}

    result = runner.execute(define("w", ("waits", waits, {}), ("sets", sets, {})))
    assert result.status == "Completed"
    assert os.getpid() not in result.final_context.to_dict().values()
    metrics = metrics_when_idle(runner, "cpu")
    assert (metrics.active_tasks, metrics.total_executed, metrics.total_failed) == (0, 2, 0)


def test_a_worker_that_dies_while_its_body_waits(open_runner: Open, define: Define, wire: NamedPipe) -> None:
    """The slot it had given up is neither lost nor given back twice."""
    runner = open_runner(**process_executor_options(1))
    said = wire.path

    def waits(context: Context, handle: TaskHandle) -> None:
        def condition() -> bool:
            write_line(said, os.getpid())
            signal.pause()
            return True

        handle.defer_until(condition, poll_interval_ms=1)

    handle = runner.submit(define("w", ("a", waits, {})))
    os.kill(int(wire.read_line()), signal.SIGKILL)
    assert "SIGKILL" in (handle.result(SIGNAL_TIMEOUT_SECONDS).error_message or "")
    for _ in range(3):
        assert execute_task(runner, define, lambda context: None).status == "Completed"
    assert metrics_when_idle(runner, "cpu").total_executed == 4


def test_observers_stay_at_home(runner: DefaultRunner, define: Define) -> None:
    seen: list[Any] = []
    lock = threading.Lock()  # cannot be pickled, and need not be

    def succeeded(task_id: str, context: Context) -> None:
        with lock:
            seen.append((task_id, context["x"], os.getpid()))
        raise ValueError("an observer's own")

    def failed(task_id: str, error: str, context: Context) -> None:
        seen.append((task_id, error, os.getpid()))

    result = execute_task(runner, define, lambda context: {"x": 1}, on_success=succeeded)
    assert result.status == "Completed"
    assert result.notes == ["on_success of 'a' raised ValueError: an observer's own"]

    def body(context: Context) -> None:
        raise ConnectionError("down")

    execute_task(runner, define, body, on_failure=failed)
    assert seen == [("a", 1, os.getpid()), ("a", "ConnectionError: down", os.getpid())]


def test_what_cannot_be_pickled_is_named_and_not_tried_again(runner: DefaultRunner, define: Define) -> None:
    lock = threading.Lock()

    def body(context: Context) -> None:
        with lock:
            pass

    result = execute_task(runner, define, body, retry_attempts=3)
    (task,) = result.task_results
    assert task.attempt_count == 1
    assert "TaskNotPortable: task 'a' cannot be sent to another process: TypeError: cannot pickle" in task.error_message
    assert "it refers to 'lock'" in task.error_message


@dataclass
class Point:
    x: int
    label: str = ""


def test_values_are_what_they_are_in_threads(runner: DefaultRunner, define: Define) -> None:
    given = {
        "p": Point(1),
        "big": 2**60,
        "f": -0.0,
        "none": None,
        "s": "ü\ud800",
        "t": (1, {2}),
        "rows": [[1], {"a": 2}],
    }

    def body(context: Context) -> None:
        assert repr({k: context[k] for k in given}) == repr(given)
        context["p"].x += 1
        context["rows"][1]["a"] = 3
        context["f"] = -0.0  # the same: no change
        context["new"] = 1.0
        del context["none"]

    result = execute_task(runner, define, body, given)
    assert result.status == "Completed", result.error_message
    expected = {**given, "p": Point(2), "rows": [[1], {"a": 3}], "new": 1.0}
    del expected["none"]
    assert result.final_context.to_dict() == expected
    entry = next(e for e in result._run.journal if type(e.event).__name__ == "Succeeded")
    assert set(entry.event.values[0].set) == {"p", "rows", "new"}


def test_large_values(runner: DefaultRunner, define: Define) -> None:
    rows = [{"n": k, "text": "x" * 100} for k in range(80_000)]  # 10 MB

    def body(context: Context) -> None:
        context["back"] = context["rows"] + [{"n": -1}]

    result = execute_task(runner, define, body, {"rows": rows})
    assert len(result.final_context["back"]) == 80_001


def test_prints_are_harmless(runner: DefaultRunner, define: Define, capfd: pytest.CaptureFixture[str]) -> None:
    def body(context: Context) -> None:
        print("from a body", sys.stdin.read())
        os.write(1, b"\0\xff garbage" * 100)
        os.system("echo from a shell")
        context["x"] = 1

    assert execute_task(runner, define, body).final_context["x"] == 1
    runner.shutdown()
    out = capfd.readouterr().out
    assert "from a body" in out
    assert "from a shell" in out


def test_a_process_forked_by_a_task_does_not_answer_for_it(runner: DefaultRunner, define: Define) -> None:
    def body(context: Context) -> dict[str, int]:
        child = os.fork()
        if child:
            os.waitpid(child, 0)
        return {"pid": os.getpid()}  # both come here

    assert execute_task(runner, define, body).status == "Completed"


def test_many_tasks_through_few_workers(open_runner: Open, define: Define) -> None:
    runner = open_runner(**process_executor_options(2), prefetch_tasks=16)

    def body(k: int) -> Callable[[Context], dict[str, Any]]:
        return lambda context: {f"pid{k}": os.getpid(), "k": k}

    result = runner.execute(define("w", *[(f"t{k}", body(k), {}) for k in range(200)]))
    assert result.status == "Completed"
    values = result.final_context.to_dict()
    assert values.pop("k") == 199
    assert len(values) == 200
    assert 1 <= len(set(values.values())) <= 2
    assert {t.attempt_count for t in result.task_results} == {1}


def test_workers_are_replaced_after_so_many_bodies(open_runner: Open, define: Define) -> None:
    runner = open_runner(**process_executor_options(1, max_tasks_per_worker=2))
    pids = [execute_task(runner, define, lambda context: {"pid": os.getpid()}).final_context["pid"] for _ in range(5)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [2, 2, 1]


def test_an_idle_worker_is_ended(open_runner: Open, define: Define, wire: NamedPipe, go: NamedPipe) -> None:
    runner = open_runner(**process_executor_options(1, idle_seconds=0.05))
    said, wait = wire.path, go.path

    def body(context: Context) -> None:
        write_line(said, os.getpid())
        wait_for_byte(wait)

    handle = runner.submit(define("w", ("a", body, {})))
    worker = WatchedProcess(int(wire.read_line()))
    os.write(go._fd, b"x")
    worker.wait_ended()
    assert handle.result(SIGNAL_TIMEOUT_SECONDS).status == "Completed"


def test_a_worker_that_died_while_idle_costs_nothing(runner: DefaultRunner, define: Define) -> None:
    pid = execute_task(runner, define, lambda context: {"pid": os.getpid()}).final_context["pid"]
    worker = WatchedProcess(pid)
    os.kill(pid, signal.SIGKILL)
    worker.wait_ended()
    result = execute_task(runner, define, lambda context: {"pid": os.getpid()})
    assert result.status == "Completed"
    assert result.final_context["pid"] != pid


def open_fds() -> set[str]:
    gc.collect()
    return {
        os.readlink(f"/proc/self/fd/{fd}")
        for fd in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{fd}")
    }


@ON_BOTH
def test_a_shutdown_leaves_nothing_behind(open_runner: Open, define: Define, wire: NamedPipe) -> None:
    said = wire.path
    first = open_runner()  # a process has one helper that renews leases on PostgreSQL, from its first body on
    first.execute(define("first", ("a", lambda context: None, {})))
    first.shutdown()
    before = open_fds()

    def busy(context: Context) -> None:
        write_line(said, os.getpid())
        signal.pause()

    observed: list[str] = []
    with assert_no_new_threads():
        runner = open_runner(**process_executor_options(2), shutdown_timeout_seconds=0)
        idle = execute_task(runner, define, lambda context: {"pid": os.getpid()}).final_context["pid"]
        pids = [idle]
        watched = [WatchedProcess(idle)]
        options = {"on_failure": lambda *a: observed.append(a[1]), "retry_attempts": 5}
        handle = runner.submit(define("busy", ("a", busy, options), ("b", busy, options)))
        for _ in range(2):
            pids.append(int(wire.read_line()))
            watched.append(WatchedProcess(pids[-1]))
        runner.shutdown()
        for process in watched:
            process.wait_ended()
        for pid in set(pids):  # collected, no zombies
            with pytest.raises(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
    assert open_fds() == before
    assert observed == []
    define("busy", ("a", lambda context: {"x": 1}, {}), ("b", lambda context: {"y": 2}, {}))
    second = open_runner(**process_executor_options())
    result = second.handle(handle.run_id).result(SIGNAL_TIMEOUT_SECONDS)
    assert result.status == "Completed"
    assert result.final_context == {"x": 1, "y": 2}


@ON_BOTH
def test_no_file_of_the_parent_is_open_in_a_worker(runner: DefaultRunner, define: Define) -> None:
    def body(context: Context) -> None:
        directory = "/proc/self/fd"
        paths = [f"{directory}/{fd}" for fd in os.listdir(directory) if int(fd) > 2]
        context["files"] = [os.readlink(path) for path in paths if os.path.exists(path)]

    files = execute_task(runner, define, body).final_context["files"]
    stderr = os.readlink("/proc/self/fd/2")
    assert [f for f in files if not f.startswith(("pipe:", "/proc")) and f != stderr] == []
    assert sum(f.startswith("pipe:") for f in files) == 3


PROGRAM = """
import dataclasses, os, signal, sys
from holdwater import DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task
from holdwater.executors import ProcessExecutor, Router

@dataclasses.dataclass
class Money:
    amount: int

def helper(x):
    return x + 1

with WorkflowBuilder("w"):
    @task(executor="default")
    def first(context):
        context["m"] = Money(1)
    @task(dependencies=[first])
    def second(context, handle):
        tell(os.getpid())
        if handle.attempt == 1 and len(sys.argv) > 1 and sys.argv[1] == "hang":
            pid = os.fork()
            if not pid:
                signal.pause()
            tell(pid)
            pow(7, 10 ** 9)  # keeps the interpreter to itself for minutes
        context["m"].amount = helper(context["m"].amount)
    @task(dependencies=[second])
    def third(context):
        context["n"] = Money(context["m"].amount + 1)

def tell(said, path={path!r}):
    with open(path, "w") as pipe:
        pipe.write(str(said) + "\\n")

config = DefaultRunnerConfig(executors={{"cpu": ProcessExecutor(1)}}, routing=Router([("**", "cpu")]))
config.shutdown_timeout_seconds = 0
config.lease_seconds, config.recovery_interval_seconds = 5, 1
with DefaultRunner({url!r}, config=config) as runner:
    result = runner.execute("w", idempotency_key="k")
print(result.status, result.final_context.to_dict() if result.error_message is None else result.error_message)
"""


def program(wire: NamedPipe, url: str) -> str:
    return textwrap.dedent(PROGRAM).format(path=wire.path, url=url)


def test_a_script_without_a_guard(wire: NamedPipe, url: str, tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(program(wire, url))
    done = subprocess.run([sys.executable, "-W", "error", str(path)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("Completed {'m': Money(amount=2), 'n': Money(amount=3)}\n", "")


def test_a_program_from_stdin(wire: NamedPipe, url: str) -> None:
    done = subprocess.run([sys.executable, "-"], input=program(wire, url), capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("Completed {'m': Money(amount=2), 'n': Money(amount=3)}\n", "")


@ON_BOTH
def test_workers_die_with_their_parent_and_the_next_one_goes_on(wire: NamedPipe, url: str, tmp_path: Path) -> None:
    """Even while a body is in C code that never lets anybody else run."""
    path = tmp_path / "script.py"
    path.write_text(program(wire, url))
    parent = subprocess.Popen([sys.executable, str(path), "hang"], stdout=subprocess.DEVNULL)
    watched = [WatchedProcess(int(wire.read_line())), WatchedProcess(int(wire.read_line()))]
    parent.kill()
    parent.wait()
    for process in watched:
        process.wait_ended()
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("Completed {'m': Money(amount=2), 'n': Money(amount=3)}\n", "")


def test_ctrl_c_does_not_reach_the_workers(wire: NamedPipe, url: str, tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(program(wire, url))
    parent = subprocess.Popen([sys.executable, str(path), "hang"], stderr=subprocess.PIPE, text=True, process_group=0)
    watched = [WatchedProcess(int(wire.read_line())), WatchedProcess(int(wire.read_line()))]
    os.killpg(parent.pid, signal.SIGINT)
    _, errors = parent.communicate(timeout=SIGNAL_TIMEOUT_SECONDS)
    assert errors.strip().endswith("KeyboardInterrupt")
    assert errors.count("Traceback") == 1
    for process in watched:
        process.wait_ended()
