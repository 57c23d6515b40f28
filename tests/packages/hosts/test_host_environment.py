"""The environment of hosts: nothing of the process that starts them but what they need."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.packages.hosted import OpenPool, WritePackage

LOOK = """
import io, json, resource, sys

print("looking")
found = {
    "environ": dict(os.environ),
    "path": sys.path,
    "flags": [sys.flags.isolated, sys.flags.no_site, sys.flags.utf8_mode],
    "fds": {
        fd: os.readlink(f"/proc/self/fd/{fd}").split(":")[0]
        for fd in sorted(map(int, os.listdir("/proc/self/fd")))
        if os.path.lexists(f"/proc/self/fd/{fd}")
    },
    "stdin": sys.stdin.read(),
    "folder": os.getcwd(),
    "mode": oct(os.umask(0o077)),
    "argv": sys.argv,
    "limits": {
        name: resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in ("CORE", "NOFILE", "FSIZE", "AS")
    },
    "home_mode": oct(os.stat(os.environ["HOME"]).st_mode & 0o777),
    "modules": sorted(name for name in sys.modules if name.partition(".")[0] in ("click", "rich", "pytest", "numpy")),
}
Path(os.environ["HOME"], "mine").write_text("x")

@trigger(workflow="parcels", poll_interval="1s")
def look():
    return TriggerResult.fire({"found": json.dumps(found)})
"""


@pytest.fixture
def found(write_package: WritePackage, open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("BUCKET", "parcels")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    before, after = socket.socketpair()
    os.set_inheritable(before.fileno(), True)
    pool = open_pool(max_open_files=99, max_file_write_mb=7)
    answer = pool.poll_trigger(write_package(LOOK, env=("BUCKET", "NOT_SET"), memory_mb=300), "look")
    before.close()
    after.close()
    data: dict[str, Any] = json.loads((answer.context or {})["found"].copy())
    return data


def test_a_host_has_nothing_of_the_process_that_starts_it(found: dict[str, Any], host_home: Path) -> None:
    environ = found["environ"]
    assert {"HOME", "TMPDIR", "PATH", "TZ", "BUCKET"} <= environ.keys() <= {
        "HOME", "TMPDIR", "PATH", "TZ", "BUCKET", "LANG", "LC_CTYPE",
    }  # fmt: skip
    assert environ["HOME"] == environ["TMPDIR"] == found["folder"]
    assert Path(environ["HOME"]).parent.parent == host_home / "hosts"
    assert (found["home_mode"], found["mode"]) == ("0o700", "0o77")
    assert found["flags"] == [1, 1, 1]
    assert found["argv"] == ["release"]
    assert found["stdin"] == ""
    assert found["modules"] == []
    kinds = [kind for kind in found["fds"].values() if not kind.startswith("/proc/")]  # of the listing itself
    assert kinds[0] == "/dev/null"
    assert sorted(kinds) == ["/dev/null"] * kinds.count("/dev/null") + ["pipe"] * 4
    assert found["limits"] == {
        "CORE": [0, 0],
        "NOFILE": [99, 99],
        "FSIZE": [7 << 20, 7 << 20],
        "AS": [(300 + 512) << 20, (300 + 512) << 20],
    }


def test_the_path_of_a_host_has_the_library_and_the_package_alone(found: dict[str, Any], host_home: Path) -> None:
    library, package = found["path"][-2:]
    assert Path(library).parent == host_home / "hostlib"
    assert sorted(one.name for one in Path(library).iterdir()) == ["cloudpickle", "cronsim", "holdwater"]
    assert package.endswith("/workflow")
    assert all(path.startswith((sys.base_prefix, sys.base_exec_prefix)) for path in found["path"][:-2])
    assert not any("site-packages" in path for path in found["path"])


def test_the_folder_of_a_host_is_removed_with_it(
    write_package: WritePackage, open_pool: OpenPool, host_home: Path
) -> None:
    pool = open_pool()
    pool.poll_trigger(write_package(LOOK), "look")
    (mine,) = (host_home / "hosts").glob("pool-*/*/mine")
    pool.close()
    assert not mine.parent.parent.exists()


def test_folders_of_a_pool_that_was_killed_are_removed_by_the_next(open_pool: OpenPool, host_home: Path) -> None:
    left = host_home / "hosts" / "pool-left" / "1"
    left.mkdir(parents=True)
    (left.parent / "lock").touch()
    deep = left
    for _ in range(30):
        deep = deep / ("d" * 100)
        deep.mkdir()
    kept = open_pool()
    assert not left.parent.exists()
    open_pool()
    assert len(list((host_home / "hosts").glob("pool-*"))) == 2
    assert kept.hosts() == []
