"""Cost of packages: the start of a host, its memory, a call in it beside a thread and a worker process, a new file.

usage: hosts.py [--rounds 5] [--runs 200] [--isolation process|namespace] [--no-daemon]

`start`: from the request of a description to it, in a new home (the library is copied for hosts), in a home that was
used, and in a host that is there.  `memory`: of a host with its supervisor; what is shared between processes is divided
among them (PSS).  `call`: a run of one task, submitted and awaited, one after the other; alternating rounds, medians.
`file`: from the moment a package has its name in the folder of a daemon to the first run its schedule has started,
which is due every second: half a second of it is chance.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdwater import Context, DefaultRunner, DefaultRunnerConfig, WorkflowBuilder, task
from holdwater.executors import ProcessExecutor, Router
from holdwater.model.registry import registry
from holdwater.packages.archives.archive import PackageArchive, read_archive
from holdwater.packages.building.build import build_package, describe_in_fresh_host
from holdwater.packages.hosts.host_executor import HostExecutor
from holdwater.packages.hosts.host_pool import HostPool
from holdwater.packages.installing.installation import install
from holdwater.packages.programs.loading import load_release
from holdwater.packages.settings import EXECUTOR_NAME, PackageSettings

MODULE = """
from holdwater import WorkflowBuilder, task

with WorkflowBuilder("hosted"):

    @task()
    def add(context):
        context["n"] = context["n"] + 1
"""
MANIFEST = """
format = 1

[package]
name = "hosted"
version = "1.0"

[entry]
modules = ["flows"]

[[schedules]]
name = "often"
workflow = "hosted"
cron = "* * * * * *"
context = { n = 1 }
"""


def build(folder: Path, settings: PackageSettings) -> bytes:
    (folder / "workflow").mkdir(parents=True)
    (folder / "workflow" / "flows.py").write_text(MODULE)
    (folder / "holdwater.toml").write_text(MANIFEST)
    return build_package(folder, settings, lambda archive: describe_in_fresh_host(archive, settings))


def measure_starts(archive: PackageArchive, settings: PackageSettings, folder: Path, rounds: int) -> None:
    found: dict[str, list[float]] = {"new home": [], "used home": [], "host that is there": []}
    for n in range(rounds):
        home = folder / f"home{n}"
        home.mkdir()
        for kind in ("new home", "used home"):
            began = time.perf_counter()
            installed = install(archive, home, settings)
            pool = HostPool(settings, home)
            began = began if kind == "new home" else time.perf_counter()
            pool.describe(installed)
            found[kind].append(time.perf_counter() - began)
            began = time.perf_counter()
            pool.describe(installed)
            found["host that is there"].append(time.perf_counter() - began)
            if kind == "used home" and not n:
                print(f"memory      {memory_mb(pool.hosts()[0].pid):6.1f} MB for a host and its supervisor")
            pool.close()
    for kind, seconds in found.items():
        print(f"start       {statistics.median(seconds) * 1000:6.1f} ms  {kind}")


def memory_mb(pid: int) -> float:
    """PSS of a process and what it has started."""
    total, todo = 0, [pid]
    while todo:
        one = todo.pop()
        rows = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        total += next(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
        todo += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
    return total / 1024


def measure_calls(archive: PackageArchive, settings: PackageSettings, folder: Path, rounds: int, runs: int) -> None:
    for name in ("threaded", "processed"):
        with WorkflowBuilder(name):

            @task(id="add")
            def add(context: Context) -> None:
                context["n"] = context["n"] + 1

    home = folder / "home0"
    installed = install(archive, home, settings)
    pool = HostPool(settings, home)
    pool.add(installed)
    registry.register_release(installed.release, load_release(pool.describe(installed), installed, pool).definitions)
    registry.activate(installed.release)
    config = DefaultRunnerConfig(
        executors={EXECUTOR_NAME: HostExecutor(pool), "processes": ProcessExecutor(1)},
        routing=Router([("**::processed::**", "processes"), ("**", "default")]),
    )
    found: dict[str, list[float]] = {"threaded": [], "processed": [], "hosted": []}
    with DefaultRunner("memory://", config=config) as runner:
        for n in range(rounds + 1):
            for name, seconds in found.items():
                took = time_of(lambda name=name: runner.execute(name, {"n": 1}), runs)  # type: ignore[misc]
                if n:
                    seconds.append(took)
    pool.close()
    base = statistics.median(found["threaded"])
    for name, seconds in found.items():
        median = statistics.median(seconds)
        print(f"call        {median * 1e6:6.0f} us  {name}, {median / base:.2f} of a thread")


def time_of(call: Callable[[], Any], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        assert call().status == "Completed"
    return (time.perf_counter() - began) / times


def measure_file(data: bytes, folder: Path) -> None:
    home = folder / "daemon"
    (home / "packages").mkdir(parents=True)
    command = [sys.executable, "-m", "holdwater", "daemon", "start", "--home", str(home)]
    with open(folder / "log", "wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        while not (home / "daemon.sock").exists():
            time.sleep(0.01)
        time.sleep(1)  # until it watches
        draft = home / "packages" / ".hosted.part"
        draft.write_bytes(data)
        draft.rename(home / "packages" / "hosted-1.0.cloacina")
        began = time.time()
        with DefaultRunner.with_config(f"sqlite:///{home}/holdwater.db", DefaultRunnerConfig()) as reader:
            while not (runs := reader.list_runs(limit=100)):
                assert daemon.poll() is None, (folder / "log").read_text()
                time.sleep(0.01)
        print(f"file        {time.time() - began:6.2f} s  to the first run: {runs[0].status}")
    finally:
        daemon.terminate()
        daemon.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--isolation", choices=["process", "namespace"], default="process")
    parser.add_argument("--no-daemon", action="store_true")
    given = parser.parse_args()
    settings = PackageSettings(isolation=given.isolation)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = build(folder / "source", settings)
        archive = read_archive(data)
        measure_starts(archive, settings, folder, given.rounds)
        measure_calls(archive, settings, folder, given.rounds, given.runs)
        if not given.no_daemon:
            measure_file(data, folder)


if __name__ == "__main__":
    main()
