from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.daemon.daemon_process import DaemonProcess


@pytest.fixture
def make_daemon(tmp_path: Path) -> Iterator[Callable[[str], DaemonProcess]]:
    made: list[DaemonProcess] = []

    def make(name: str = "home") -> DaemonProcess:
        made.append(DaemonProcess(tmp_path / name))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def daemon(make_daemon: Callable[[str], DaemonProcess]) -> DaemonProcess:
    return make_daemon("home")
