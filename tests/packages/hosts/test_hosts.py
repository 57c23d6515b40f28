"""Hosts: they perform nodes of a release by name, and come and go within limits."""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.errors import ReleaseBroken, ReleaseNotFound
from holdwater.model.registry import registry
from holdwater.packages.hosts import host_pool as hosts
from holdwater.packages.hosts.host_executor import HostExecutor
from holdwater.packages.settings import EXECUTOR_NAME
from holdwater.runtime.attempt import RemoteTaskError
from tests.packages.hosted import MODULE, Load, OpenPool, WritePackage, is_alive, wait_until
from tests.suite.runners import assert_no_new_threads

ORDERS = """
import logging

print("imported")

with WorkflowBuilder("parcels"):

    @task()
    def weigh(context, handle: TaskHandle):
        print("weighing", context["n"])
        print("to stderr", file=sys.stderr)
        os.system("echo from a program")
        logging.getLogger("scales").info("weighed %d", context["n"])
        context["pid"], context["grams"] = os.getpid(), context["n"] * 1000

    @task(dependencies=["weigh"])
    def read(context):
        context["seen"] = context["grams"]

with WorkflowBuilder("parent"):

    @task()
    def start(context, handle: TaskHandle):
        found = handle.execute("parcels", {"n": 2})
        context["status"], context["grams"] = found.status, found.final_context["grams"]

with WorkflowBuilder("waits"):

    @task()
    def wait(context, handle: TaskHandle):
        handle.defer_until(lambda: Path(context["path"]).exists(), 10)
        context["done"] = True

with WorkflowBuilder("stops"):

    @task()
    def run_on(context, handle: TaskHandle):
        Path(context["path"]).touch()
        handle.defer_until(lambda: False, 10)

with WorkflowBuilder("raises"):

    @task()
    def fail(context):
        raise LookupError("no such parcel")

with WorkflowBuilder("dies"):

    @task(retry_attempts=2, retry_delay_ms=0)
    def die(context, handle: TaskHandle):
        if handle.attempt == 1:
            os._exit(7)
        context["attempt"] = handle.attempt


@trigger(workflow="parcels", poll_interval="1s")
def arrived():
    return TriggerResult.fire({"n": 7, "names": ["a"]})


@trigger(workflow="parcels", poll_interval="1s")
async def broken():
    raise RuntimeError("no connection")
"""


@pytest.fixture
def hosted(
    write_package: WritePackage, open_pool: OpenPool, loaded: Load, open_hosted: Callable[..., DefaultRunner]
) -> DefaultRunner:
    pool = open_pool(max_hosts=2)
    loaded(pool, write_package(ORDERS, max_concurrent=1))
    return open_hosted(pool)


def test_nodes_are_performed_in_a_host(hosted: DefaultRunner) -> None:
    before = set(sys.modules)
    first, second = hosted.execute("parcels", {"n": 1}), hosted.execute("parcels", {"n": 2})
    assert (first.status, second.status) == ("Completed", "Completed"), first.error_message
    assert second.to_plain_context()["seen"] == 2000
    assert first.final_context["pid"] == second.final_context["pid"] != os.getpid()
    assert MODULE not in set(sys.modules) - before


def test_output_and_records_are_in_the_log_of_the_run(hosted: DefaultRunner) -> None:
    run_id = hosted.execute("parcels", {"n": 3}).run_id
    hosted.shutdown()
    rows = [(row.stream, row.text) for row in read_logs(hosted, run_id)]
    assert sorted(rows) == [
        ("log", "weighed 3"),
        ("stderr", "to stderr"),
        ("stdout", "from a program"),
        ("stdout", "weighing 3"),
    ]


def read_logs(runner: DefaultRunner, run_id: str) -> list[Any]:
    with DefaultRunner(runner.database_url) as reader:
        return list(reader._engine.store.read_logs(run_id))


def test_child_runs_and_waits(hosted: DefaultRunner, tmp_path: Path) -> None:
    waiting = [hosted.submit("waits", {"path": f"{tmp_path}/go"}) for _ in range(4)]  # more than there are slots
    result = hosted.execute("parent")
    assert result.to_plain_context() == {"status": "Completed", "grams": 2000}
    (tmp_path / "go").touch()
    assert [handle.result().status for handle in waiting] == ["Completed"] * 4


def test_a_run_that_is_cancelled_stops(hosted: DefaultRunner, tmp_path: Path) -> None:
    handle = hosted.submit("stops", {"path": f"{tmp_path}/begun"})
    wait_until((tmp_path / "begun").exists)
    hosted.cancel(handle.run_id)
    assert handle.result().status == "Cancelled"


def test_an_exception_is_reported_with_its_traceback(hosted: DefaultRunner) -> None:
    result = hosted.execute("raises")
    assert result.error_message == "task 'fail' failed: LookupError: no such parcel"
    assert f"{MODULE}.py" in str(result.traceback)
    assert 'raise LookupError("no such parcel")' in str(result.traceback)


def test_hosts_that_end_before_they_are_given_a_function_fail_the_attempt(
    write_package: WritePackage,
    open_pool: OpenPool,
    loaded: Load,
    open_hosted: Callable[..., DefaultRunner],
    tmp_path: Path,
) -> None:
    source = f"""
with WorkflowBuilder("brief"):

    @task()
    def nothing(context):
        pass

from holdwater.packages.host.serving import PackageWorker

def end(worker, original=PackageWorker._send):
    def send(self, message, *blobs):
        original(self, message, *blobs)
        if message[0] == "done" and Path({str(tmp_path / "armed")!r}).exists():
            with open({str(tmp_path / "ended")!r}, "a") as log:
                log.write("x")
            os._exit(0)
    worker._send = send

end(PackageWorker)
"""
    pool = open_pool()
    loaded(pool, write_package(source))
    pool._budget._make_room()
    (tmp_path / "armed").touch()
    result = open_hosted(pool).execute("brief")
    assert result.error_message is not None
    assert "WorkerCrashed" in result.error_message
    assert 1 <= len((tmp_path / "ended").read_text()) <= 5


HANGS = """
with WorkflowBuilder("hangs"):

    @task()
    def hang(context):
        os.system("sleep 1000 & echo $! > " + context["path"])
        while context["for_ever"]:
            pass
"""


def test_a_function_over_its_time_is_killed_with_what_it_has_started(
    write_package: WritePackage,
    open_pool: OpenPool,
    loaded: Load,
    open_hosted: Callable[..., DefaultRunner],
    tmp_path: Path,
) -> None:
    pool = open_pool()
    loaded(pool, write_package(HANGS, timeout_seconds=1.0))
    runner = open_hosted(pool)
    result = runner.execute("hangs", {"path": f"{tmp_path}/pid", "for_ever": True})
    assert "ran longer than 1 s" in str(result.error_message)
    child = int((tmp_path / "pid").read_text())
    wait_until(lambda: not is_alive(child))
    assert runner.execute("hangs", {"path": f"{tmp_path}/pid", "for_ever": False}).status == "Completed"


def test_a_crash_costs_one_attempt(hosted: DefaultRunner) -> None:
    result = hosted.execute("dies")
    assert result.to_plain_context() == {"attempt": 2}


def test_triggers_are_polled(write_package: WritePackage, open_pool: OpenPool) -> None:
    pool, installed = open_pool(), write_package(ORDERS)
    found = pool.poll_trigger(installed, "arrived")
    assert found.is_fire_result()
    assert {name: value.copy() for name, value in (found.context or {}).items()} == {"n": 7, "names": ["a"]}
    with pytest.raises(RemoteTaskError, match="no connection"):
        pool.poll_trigger(installed, "broken")
    with pytest.raises(RemoteTaskError, match="this package has no trigger 'gone'"):
        pool.poll_trigger(installed, "gone")
    assert len(pool.hosts()) == 1


# -- limits


def test_no_more_hosts_than_the_package_and_the_process_allow(
    write_package: WritePackage,
    open_pool: OpenPool,
    loaded: Load,
    open_hosted: Callable[..., DefaultRunner],
    tmp_path: Path,
) -> None:
    source = """
with WorkflowBuilder("{0}"):

    @task()
    def hold(context):
        Path(context["path"], f"{0}-{{os.getpid()}}").touch()
        while not Path(context["path"], "go").exists():
            time.sleep(0.005)
"""
    held = tmp_path / "held"
    held.mkdir()
    pool = open_pool(max_hosts=3)
    for name, limit in (("one", 1), ("many", 5)):
        loaded(pool, write_package(source.format(name), name=name, max_concurrent=limit))
    runner = open_hosted(pool)
    handles = [runner.submit(name, {"path": str(held)}) for name in ("one", "many", "many")]
    wait_until(lambda: len(list(held.glob("*-*"))) == 3)
    handles += [runner.submit(name, {"path": str(held)}) for name in ("one", "many", "many")]
    assert sorted([(host.package, host.state) for host in pool.hosts()]) == [("many", "busy")] * 2 + [("one", "busy")]
    (held / "go").touch()
    assert [handle.result().status for handle in handles] == ["Completed"] * 6


def test_the_backlog_of_one_package_leaves_the_slots_of_others_free(
    write_package: WritePackage,
    open_pool: OpenPool,
    loaded: Load,
    open_hosted: Callable[..., DefaultRunner],
    tmp_path: Path,
) -> None:
    source = """
with WorkflowBuilder("slow"):

    @task()
    def hold(context):
        while not Path(context["path"]).exists():
            time.sleep(0.005)
"""
    pool = open_pool(max_hosts=2)
    slow = write_package(source, name="slow", max_concurrent=1)
    loaded(pool, slow)
    loaded(pool, write_package(SIMPLE.format("quick"), name="quick", max_concurrent=1))
    runner = open_hosted(pool)
    backlog = [runner.submit("slow", {"path": f"{tmp_path}/go"}) for _ in range(8)]
    wait_until(lambda: runner.executor_metrics()["packages"].active_tasks == 1)
    for _ in range(3):
        assert runner.execute("quick").status == "Completed"
    assert runner.executor_metrics()["packages"].total_executed == 3
    (tmp_path / "go").touch()
    assert {handle.result().status for handle in backlog} == {"Completed"}
    registry.remove_release(slow.release)
    loaded(pool, write_package(SIMPLE.format("next"), name="next"))
    assert runner.execute("next").status == "Completed"


SIMPLE = """
with WorkflowBuilder("{0}"):

    @task()
    def tell(context):
        context["pid"] = os.getpid()
"""


def test_an_idle_host_makes_room_for_another_release(
    write_package: WritePackage, open_pool: OpenPool, loaded: Load, open_hosted: Callable[..., DefaultRunner]
) -> None:
    pool = open_pool(max_hosts=2)
    for name in ("a", "b", "c"):
        loaded(pool, write_package(SIMPLE.format(name), name=name))
    runner = open_hosted(pool)
    for name in ("a", "b", "a", "c"):
        assert runner.execute(name).status == "Completed"
    assert sorted([host.package for host in pool.hosts()]) == ["a", "c"]


def test_descriptions_displace_no_host(
    write_package: WritePackage, open_pool: OpenPool, loaded: Load, open_hosted: Callable[..., DefaultRunner],
    tmp_path: Path,
) -> None:  # fmt: skip
    """Packages that come, however many, cost those at work no start of a host."""
    pool = open_pool(max_hosts=1)
    loaded(pool, write_package(SIMPLE.format("works"), name="works"))
    runner = open_hosted(pool)
    first = runner.execute("works").final_context["pid"]
    wait = f"""
while not Path({str(tmp_path / "go")!r}).exists():
    Path({str(tmp_path / "waits")!r}).touch()
"""
    describing = threading.Thread(target=pool.describe, args=(write_package(wait, name="comes"),))
    describing.start()
    wait_until((tmp_path / "waits").exists)
    pids = [runner.execute("works").final_context["pid"] for _ in range(3)]
    (tmp_path / "go").touch()
    describing.join()
    assert {first, *pids, runner.execute("works").final_context["pid"]} == {first}
    assert [host.package for host in pool.hosts()] == ["works"]


KEEPS = """
with WorkflowBuilder("keeps"):

    @task()
    def run_on(context, handle: TaskHandle):
        Path(context["path"]).touch()
        while not handle.cancelled:
            time.sleep(0.005)
"""
BEGINS = """
with WorkflowBuilder("begins"):

    @task()
    def begin(context):
        Path(context["path"]).touch()
"""


def test_what_waits_for_a_host_does_not_begin_when_its_runner_stops(
    write_package: WritePackage, open_pool: OpenPool, loaded: Load, open_hosted: Callable[..., DefaultRunner],
    tmp_path: Path,
) -> None:  # fmt: skip
    pool = open_pool(max_hosts=1)
    loaded(pool, write_package(KEEPS, name="works"))
    loaded(pool, write_package(BEGINS, name="waits"))
    runner = open_hosted(pool)
    runner.submit("keeps", {"path": str(tmp_path / "kept")})
    wait_until((tmp_path / "kept").exists)
    ids = [runner.submit("begins", {"path": str(tmp_path / f"begun-{n}")}).run_id for n in range(3)]
    wait_until(lambda: len(pool._queue._waiting) == 3)
    runner.shutdown()
    assert list(tmp_path.glob("begun-*")) == []
    config = DefaultRunnerConfig(executors={EXECUTOR_NAME: HostExecutor(pool)})
    with DefaultRunner(runner.database_url, config=config) as after:
        assert [after.handle(run_id).result().status for run_id in ids] == ["Completed"] * 3


HELD = """
with WorkflowBuilder("{0}"):

    @task()
    def tell(context):
        context["pid"] = os.getpid()
        Path(context["here"]).touch()
        while not Path(context["go"]).exists():
            time.sleep(0.005)
"""


@pytest.mark.parametrize(("seconds_per_look", "fewest", "most"), [(0.0, 2, 2), (100.0, 3, 7)])
def test_a_host_takes_what_waits_for_its_release_before_others_for_some_time(
    write_package: WritePackage, open_pool: OpenPool, loaded: Load, open_hosted: Callable[..., DefaultRunner],
    tmp_path: Path, seconds_per_look: float, fewest: int, most: int,
) -> None:  # fmt: skip
    """A backlog of several packages costs no start of a host for each call, and none of them waits for ever."""
    now = itertools.count(0.0, seconds_per_look)
    pool = open_pool(max_hosts=1, idle_seconds=1e6, monotonic=lambda: next(now))
    for name in ("a", "b"):
        loaded(pool, write_package(HELD.format(name), name=name))
    runner = open_hosted(pool)
    go = {"go": str(tmp_path / "go"), "here": str(tmp_path / "here")}
    handles = [runner.submit("a", go)]
    wait_until((tmp_path / "here").exists)
    handles += [runner.submit(name, go) for name in ("b", "a", "b", "a", "b", "a")]
    wait_until(lambda: len(pool._queue._waiting) == 6)
    (tmp_path / "go").touch()
    pids = {handle.result().final_context["pid"] for handle in handles}
    assert fewest <= len(pids) <= most


def test_a_host_is_replaced_after_so_many_calls_and_when_it_is_idle_it_ends(
    write_package: WritePackage, open_pool: OpenPool, loaded: Load, open_hosted: Callable[..., DefaultRunner]
) -> None:
    pool = open_pool(max_calls_per_host=4, idle_seconds=0.05)
    loaded(pool, write_package(SIMPLE.format("a")))
    runner = open_hosted(pool)
    pids = {runner.execute("a").final_context["pid"] for _ in range(4)}
    assert len(pids) >= 2
    wait_until(lambda: not pool.hosts() and not any(map(is_alive, pids)))


def test_a_host_that_has_grown_too_large_is_replaced(
    write_package: WritePackage, open_pool: OpenPool, loaded: Load, open_hosted: Callable[..., DefaultRunner]
) -> None:
    source = """
kept = []

with WorkflowBuilder("grows"):

    @task()
    def grow(context):
        kept.append(b"x" * (context["mb"] << 20))
        context["pid"] = os.getpid()
"""
    pool = open_pool()
    loaded(pool, write_package(source, memory_mb=150))
    runner = open_hosted(pool)
    pids = [runner.execute("grows", {"mb": mb}).final_context["pid"] for mb in (1, 1, 135, 1)]
    assert pids[0] == pids[1] == pids[2] != pids[3]


def test_a_release_that_is_retired_ends_what_it_has(
    write_package: WritePackage,
    open_pool: OpenPool,
    loaded: Load,
    open_hosted: Callable[..., DefaultRunner],
    tmp_path: Path,
) -> None:
    pool, installed = open_pool(), write_package(ORDERS)
    loaded(pool, installed)
    runner = open_hosted(pool)
    handle = runner.submit("waits", {"path": f"{tmp_path}/go"})
    wait_until(lambda: [host for host in pool.hosts() if host.running])
    pool.retire(installed.release)
    assert [host.state for host in pool.hosts()] == ["ending"]
    result = runner.execute("parcels", {"n": 1})
    assert "ReleaseNotFound" in str(result.error_message)
    (tmp_path / "go").touch()
    assert handle.result().status == "Completed"
    wait_until(lambda: not pool.hosts())
    with pytest.raises(ReleaseNotFound):
        pool.find_release(installed.release)


def test_several_functions_share_a_host_if_the_package_says_so(
    write_package: WritePackage,
    open_pool: OpenPool,
    loaded: Load,
    open_hosted: Callable[..., DefaultRunner],
) -> None:
    source = """
import asyncio
both = threading.Barrier(2)

with WorkflowBuilder("meets"):

    @task()
    def meet(context):
        print("before", context["n"])
        both.wait(20)
        print("after", context["n"])
        context["pid"] = os.getpid()

    @task(dependencies=["meet"])
    async def later(context):
        await asyncio.sleep(0)
        context["later"] = os.getpid()
"""
    pool = open_pool()
    loaded(pool, write_package(source, bodies_per_host=2, max_concurrent=1))
    runner = open_hosted(pool)
    results = [handle.result() for handle in [runner.submit("meets", {"n": n}) for n in range(2)]]
    assert [result.status for result in results] == ["Completed"] * 2
    assert len({result.final_context[name] for result in results for name in ("pid", "later")}) == 1
    runner.shutdown()
    for n, result in enumerate(results):
        assert [row.text for row in read_logs(runner, result.run_id)] == [f"before {n}", f"after {n}"]


# -- starts that fail


def test_a_module_that_cannot_be_imported_breaks_its_release(write_package: WritePackage, open_pool: OpenPool) -> None:
    pool = open_pool()
    installed = write_package("print('so far')\nimport nothing_of_that_name\n")
    with pytest.raises(ReleaseBroken, match="No module named 'nothing_of_that_name'") as caught:
        pool.describe(installed)
    assert f'File "workflow/{MODULE}.py", line' in str(caught.value)
    assert "importlib" not in str(caught.value)
    assert "[requires]" in caught.value.hint
    assert not pool.hosts()


def test_a_host_that_ends_during_the_import_says_so(write_package: WritePackage, open_pool: OpenPool) -> None:
    pool = open_pool()
    with pytest.raises(ReleaseBroken, match=r"(?s)ended with exit code 3 during the import of the package.*good-bye"):
        pool.describe(write_package("print('good-bye', flush=True)\nos._exit(3)\n"))
    with pytest.raises(ReleaseBroken, match=r"was killed by SIGKILL \(signal 9\) during the import"):
        pool.describe(write_package("os.kill(os.getpid(), signal.SIGKILL)\n"))


def test_a_package_that_is_not_imported_in_time_is_killed(write_package: WritePackage, open_pool: OpenPool) -> None:
    pool = open_pool(start_timeout_seconds=1.0)
    with pytest.raises(ReleaseBroken, match="took more than 1 s"):
        pool.describe(write_package("while True: pass\n"))


def test_a_release_that_does_not_start_backs_off(
    write_package: WritePackage, open_pool: OpenPool, tmp_path: Path
) -> None:
    now = [100.0]
    pool = open_pool(monotonic=lambda: now[0])
    starts = tmp_path / "starts"
    installed = write_package(
        f"Path({str(starts)!r}).open('a').write('x')\nassert Path({str(tmp_path / 'mended')!r}).exists()\n"
    )
    pool.add(installed)
    expected = 0
    for wait_seconds in (1, 2, 4):
        for again in range(2):
            with pytest.raises(ReleaseBroken, match="AssertionError") as caught:
                pool.describe(installed)
            expected += not again
            assert starts.read_text() == "x" * expected
            assert ("are tried again in" in str(caught.value)) == bool(again)
        assert [(one.release, one.retry_seconds) for one in pool.broken_releases()] == [
            (installed.release, wait_seconds)
        ]
        now[0] += wait_seconds
    (tmp_path / "mended").touch()
    assert pool.describe(installed)["workflows"] == []
    assert not pool.broken_releases()


def test_a_module_of_elsewhere_is_not_taken_for_one_of_the_package(
    write_package: WritePackage, open_pool: OpenPool
) -> None:
    installed = write_package("")
    (installed.folder / "workflow" / f"{MODULE}.py").rename(installed.folder / f"{MODULE}.py")
    with pytest.raises(ReleaseBroken, match=f"No module named '{MODULE}'"):
        open_pool().describe(installed)


# -- the end


def test_nothing_is_left_when_a_pool_is_closed(
    write_package: WritePackage,
    open_pool: OpenPool,
    loaded: Load,
    open_hosted: Callable[..., DefaultRunner],
    tmp_path: Path,
    host_home: Path,
) -> None:
    fds = len(os.listdir("/proc/self/fd"))
    with assert_no_new_threads():
        pool = open_pool()
        loaded(pool, write_package(ORDERS))
        runner = open_hosted(pool, shutdown_timeout_seconds=0)
        runner.execute("parcels", {"n": 1})
        runner.submit("stops", {"path": f"{tmp_path}/begun"})
        wait_until((tmp_path / "begun").exists)
        pids = [host.pid for host in pool.hosts()]
        assert pids
        runner.shutdown()
        pool.close()
    assert not any(map(is_alive, pids))
    assert not list((host_home / "hosts").glob("pool-*/[0-9]*"))
    assert len(os.listdir("/proc/self/fd")) <= fds
    assert registry.find("parcels") is not None


def test_a_trigger_that_does_not_answer_is_given_up(
    write_package: WritePackage, open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its host is beyond the limits, so it is not kept for as long as a task may take."""
    monkeypatch.setattr(hosts, "MAX_POLL_SECONDS", 0.2)
    source = """
@trigger(workflow="parcels", poll_interval="1s")
def silent():
    time.sleep(3600)
"""
    pool = open_pool()
    installed = write_package(source, timeout_seconds=3600.0)
    with pytest.raises(ReleaseBroken, match=r"the poll of trigger 'silent' took more than 0\.2 s"):
        pool.poll_trigger(installed, "silent")
    assert pool.hosts() == []


def test_a_manifest_that_is_longer_than_an_argument_of_a_program(
    write_package: WritePackage, open_pool: OpenPool
) -> None:
    installed = write_package("")
    manifest = replace(installed.manifest, description="\U0001f4e6" * 10_000, author="\U0001f4e6" * 1_000)
    assert open_pool().describe(replace(installed, manifest=manifest))["workflows"] == []
