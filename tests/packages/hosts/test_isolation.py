"""Isolation that this machine cannot give is refused at the start, with what is missing."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from holdwater.errors import IsolationUnavailable
from holdwater.packages.hosts.host_pool import HostPool
from tests.packages.hosted import OpenPool, WritePackage, same_version_elsewhere, with_python, write_release

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts processes of other users")


@AS_ROOT
def test_a_user_that_is_not_there(open_pool: OpenPool) -> None:
    with pytest.raises(IsolationUnavailable, match="there is no user 'holdwater-none' on this machine") as caught:
        open_pool(isolation="user", user="holdwater-none")
    assert "useradd" in caught.value.hint


@AS_ROOT
def test_root_is_no_other_user(open_pool: OpenPool) -> None:
    with pytest.raises(IsolationUnavailable, match="separates nothing"):
        open_pool(isolation="user", user="root")


@AS_ROOT
def test_an_interpreter_that_the_user_may_not_start(open_pool: OpenPool, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    (hidden / "python").symlink_to(sys.executable)
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    with pytest.raises(IsolationUnavailable, match=r"user 'nobody' cannot start .*hidden/python"):
        open_pool(isolation="user", user="nobody", pythons={own: str(hidden / "python")})


def test_a_user_needs_root(open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(IsolationUnavailable, match="only root may"):
        open_pool(isolation="user", user="nobody")


def test_namespaces_need_the_program_unshare(
    open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(IsolationUnavailable, match="needs Linux and the program unshare"):
        open_pool(isolation="namespace")


def test_namespaces_that_the_kernel_refuses(
    open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tool = tmp_path / "unshare"
    tool.write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(IsolationUnavailable, match="unshare failed: Operation not permitted") as caught:
        open_pool(isolation="namespace")
    assert "unprivileged_userns_clone" in caught.value.hint


LOOK = """
found = {
    "devices": sorted(os.listdir("/dev")),
    "written": Path("/dev/null").write_text("x"),
    "random": len(os.urandom(4) + Path("/dev/urandom").open("rb", buffering=0).read(4)),
    "rights": [
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(("CapBnd", "NoNewPrivs"))
    ],
}

@trigger(workflow="parcels", poll_interval="1s")
def look():
    return TriggerResult.fire(found)
"""


def look(pool: HostPool, write_package: WritePackage) -> dict[str, Any]:
    context = pool.poll_trigger(write_package(LOOK), "look").context or {}
    return {name: value.copy() for name, value in context.items()}


@AS_ROOT
def test_a_host_in_namespaces_has_no_devices_of_the_machine(open_pool: OpenPool, write_package: WritePackage) -> None:
    try:
        pool = open_pool(isolation="namespace")
    except IsolationUnavailable as error:
        pytest.skip(str(error))
    found = look(pool, write_package)
    assert set(found["devices"]) <= {
        "fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero"
    }  # fmt: skip
    assert found["written"] == 1
    assert found["random"] == 8
    assert found["rights"] == ["CapBnd:\t0000000000000000", "NoNewPrivs:\t1"]


@AS_ROOT
@pytest.mark.skipif(same_version_elsewhere() is None, reason="no interpreter that other users may start")
def test_programs_of_root_give_a_host_of_another_user_no_rights(
    open_pool: OpenPool, write_package: WritePackage, open_folder: Path
) -> None:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = str(same_version_elsewhere())
    pool = open_pool(isolation="user", user="nobody", pythons={own: python})
    installed = with_python(write_release(open_folder, LOOK), python)
    context = pool.poll_trigger(installed, "look").context or {}
    assert context["rights"].copy()[-1] == "NoNewPrivs:\t1"  # sudo and the like start as this user
