"""Abuse by the code of a package: its host dies or is refused, one attempt is lost, the work of others goes on."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdwater import DefaultRunner, DefaultRunnerConfig
from holdwater.errors import IsolationUnavailable
from holdwater.model.registry import registry
from holdwater.packages.hosts.host_executor import HostExecutor
from holdwater.packages.hosts.host_pool import HostPool
from holdwater.packages.settings import EXECUTOR_NAME, Isolation, PackageSettings
from tests.packages import hostile_package
from tests.packages.hosted import load, same_version_elsewhere, wait_until, with_python, write_release

USER = "nobody"
SECRET = "postgresql://secret"
MARK = f"86399.{os.getpid()}"
"""of this process of tests: others may run the same tests now"""
IS_ROOT = os.geteuid() == 0

YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
TRACES_CHILDREN_ALONE = not IS_ROOT and YAMA.exists() and YAMA.read_text().strip() != "0"
LOST = "lost"
"""the host was killed, or killed itself"""

OUTCOMES: dict[str, Any] = {
    "use_memory": "MemoryError",
    "open_files": "EMFILE",
    "write_a_large_file": "EFBIG",
    "raise_a_limit": {"process": "ValueError", "user": "ValueError", "namespace": "ValueError"},
    "fork_without_end": {
        "process": LOST if IS_ROOT else "EAGAIN",  # the limit of processes is not for root
        "user": "EAGAIN",
        "namespace": LOST if IS_ROOT else "EAGAIN",
    },
    "loop": LOST,
    "end_the_process": LOST,
    "read_own_environment": [],
    "read_environment_of_the_engine": {"process": True, "user": "EACCES", "namespace": "ENOENT"},
    "read_the_database": {"process": True, "user": "EACCES", "namespace": "ENOENT"},
    "write_to_the_package": {"process": None, "user": "EACCES", "namespace": "EROFS"},
    "write_to_the_library": {"process": None, "user": "EACCES", "namespace": "EROFS"},
    "signal_the_engine": {"process": "it may", "user": "EPERM", "namespace": "ESRCH"},
    "trace_the_engine": {
        "process": "EPERM" if TRACES_CHILDREN_ALONE else "it may",
        "user": "EPERM",
        "namespace": "ESRCH",
    },
    "see_other_processes": {"process": True, "user": True, "namespace": False},
    "connect_to_the_network": {"process": "connected", "user": "connected", "namespace": "ENETUNREACH"},
    "leave_a_daemon": "left",
    "flood_the_output": "flooded",
    "write_to_the_pipe_of_the_runner": "BadAnswer",
    "answer_twice": "BadAnswer",
    "close_everything_and_loop": LOST,
    "kill_the_supervisor": {"process": "it lives", "user": "EPERM", "namespace": "it lives"},
    "stop_the_supervisor_and_loop": {"process": LOST, "user": "EPERM", "namespace": LOST},
    "leave_the_group_and_loop": LOST,
}


class Attacked:
    """A runner whose hosts are attacked, and its neighbour."""

    def __init__(self, isolation: Isolation, folder: Path, home: Path) -> None:
        self.isolation = isolation
        self.database = folder / "runs.db"
        python = same_version_elsewhere() if isolation == "user" and IS_ROOT else None
        settings = PackageSettings(
            isolation=isolation,
            user=USER if isolation == "user" else "",
            max_hosts=2,
            max_file_write_mb=16,
            max_processes=40,
            pythons={} if python is None else {f"{sys.version_info.major}.{sys.version_info.minor}": python},
        )
        try:
            self.pool = HostPool(settings, home)
        except IsolationUnavailable as error:
            pytest.skip(error.message)
        for name, source in (("hostile", hostile_package.SOURCE), ("neighbour", hostile_package.NEIGHBOUR)):
            installed = write_release(
                folder, source, name=name, network=False, timeout_seconds=1.0, memory_mb=500, max_concurrent=1
            )
            load(self.pool, installed if python is None else with_python(installed, python))
        config = DefaultRunnerConfig(executors={EXECUTOR_NAME: HostExecutor(self.pool)})
        self.runner = DefaultRunner(f"sqlite:///{self.database}", config=config)
        self.database.chmod(0o600)
        self.server = socket.create_server(("127.0.0.1", 0))

    def attack(self, name: str) -> Any:
        """The outcome of an attack as its function has seen it, or `LOST`, or the class of the error."""
        inputs = {
            "name": name,
            "engine": os.getpid(),
            "database": str(self.database),
            "port": self.server.getsockname()[1],
            "mark": MARK,
            "forks": 60,
        }
        result = self.runner.execute("abuse", inputs)
        if result.status == "Completed":
            return result.final_context["outcome"]
        kind = str(result.error_message).split(": ")[1]
        return LOST if kind in ("WorkerCrashed", "TimeoutError") else kind

    def close(self) -> None:
        self.runner.shutdown()
        self.pool.close()
        self.server.close()
        for release in registry.releases():
            registry.remove_release(release)


@pytest.fixture(scope="module", params=["process", "user", "namespace"])
def attacked(request: pytest.FixtureRequest, open_folder: Path, host_home: Path) -> Iterator[Attacked]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DATABASE_URL", SECRET)
        folder = open_folder / request.param
        folder.mkdir()
        made = Attacked(request.param, folder, host_home)
        yield made
        made.close()


def marked_processes() -> list[str]:
    """The processes that attacks have left behind."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if MARK.encode() in place.read_bytes():
                found.append(place.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("abuse", OUTCOMES)
def test_abuse_hurts_its_own_host_alone(abuse: str, attacked: Attacked) -> None:
    modules = set(sys.modules)
    expected = OUTCOMES[abuse]
    assert attacked.attack(abuse) == (expected[attacked.isolation] if isinstance(expected, dict) else expected)
    result = attacked.runner.execute("neighbour")
    assert result.status == "Completed"
    assert [one.attempt_count for one in result.task_results] == [1]
    assert {name for name in set(sys.modules) - modules if name.startswith(("parcel", "evil"))} == set()


def test_nothing_is_left_of_hosts_that_have_ended(attacked: Attacked) -> None:
    assert attacked.attack("leave_a_daemon") == "left"
    assert marked_processes()
    assert attacked.attack("end_the_process") == LOST
    wait_until(lambda: not marked_processes())
