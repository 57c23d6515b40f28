"""Hosts end with the process that has started them, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from holdwater.errors import IsolationUnavailable
from holdwater.packages.hosts.host_pool import HostPool
from holdwater.packages.installing.interpreters import default_interpreter
from holdwater.packages.settings import Isolation, PackageSettings
from tests.packages.hosted import same_version_elsewhere, wait_until, write_release

MARK = f"86398.{os.getpid()}"
"""of this process of tests: others may run the same tests now"""

PACKAGE = f"""
import subprocess

subprocess.Popen(["sleep", "{MARK}"], start_new_session=True)

@trigger(workflow="parcels", poll_interval="1s")
def hang():
    Path(sys.argv[0]).name
    os.system("sleep {MARK} & ")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for name in os.listdir("/proc/self/fd"):  # the pipe that tells the end of the engine, if it had one
        try:
            import fcntl
            fcntl.fcntl(int(name), fcntl.F_SETFL, 0)
        except OSError:
            pass
    import re
    re.match(r"(a?){{64}}a{{64}}", "a" * 64)  # holds the interpreter
    while True:
        pass
"""

ENGINE = """
import sys
from pathlib import Path
from holdwater.packages.hosts.host_pool import HostPool
from tests.packages.hosted import with_python, write_release
from tests.packages.hosts.test_host_orphans import settings_of

home, folder, isolation, python = sys.argv[1:]
pool = HostPool(settings_of(isolation, python), Path(home))
pool.poll_trigger(with_python(write_release(Path(folder), Path(folder, "source").read_text()), python), "hang")
"""


def settings_of(isolation: Isolation, python: str) -> PackageSettings:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    return PackageSettings(isolation=isolation, user="nobody" if isolation == "user" else "", pythons={own: python})


def marked(mark: str) -> list[str]:
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in place.read_bytes():
                found.append(place.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("isolation", ["process", "user", "namespace"])
def test_kill_9_of_the_engine_leaves_nothing(isolation: Isolation, open_folder: Path, host_home: Path) -> None:
    python = default_interpreter(PackageSettings())
    if isolation == "user":
        python = same_version_elsewhere() or python
    try:
        HostPool(settings_of(isolation, python), host_home).close()
    except IsolationUnavailable as error:
        pytest.skip(error.message)
    folder = open_folder / f"orphans-{isolation}"
    folder.mkdir()
    (folder / "source").write_text(PACKAGE)
    release = write_release(folder, PACKAGE).release
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(host_home), str(folder), isolation, python], cwd=Path(__file__).parents[3]
    )
    wait_until(lambda: len(marked(MARK)) >= 2)  # both sleeps: the host hangs
    hosts = marked(f"/{release}/")
    assert len(hosts) >= 2
    os.kill(engine.pid, signal.SIGKILL)
    engine.wait()
    wait_until(lambda: not marked(MARK) and not marked(f"/{release}/"))
