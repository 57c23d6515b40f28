"""Isolation that this machine cannot give is refused at the start, with what is missing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from holdwater.errors import IsolationUnavailable
from tests.packages.hosted import OpenPool

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
