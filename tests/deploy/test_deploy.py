"""The files of `deploy/`: their commands are the ones that work.

Neither containers nor units are started here: their commands are, as they would be.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.postgres.cluster import Cluster

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = ["holdwater-server.service", "holdwater-daemon.service"]
PROGRAM = str(Path(sys.executable).with_name("holdwater"))


def read_unit(name: str) -> dict[str, str]:
    """The settings of a unit; none is there twice."""
    lines = [line.partition("=") for line in (DEPLOY / name).read_text().splitlines() if re.match(r"\w+=", line)]
    settings = {key: value for key, _, value in lines}
    assert len(settings) == len(lines)
    return settings


def read_dockerfile() -> list[tuple[str, str]]:
    lines = [line.partition(" ") for line in (DEPLOY / "Dockerfile").read_text().splitlines()]
    return [(word, rest) for word, _, rest in lines if word and word != "#"]


@pytest.fixture
def database(postgres: Cluster) -> str:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS deployed WITH (FORCE)")
        connection.execute("CREATE DATABASE deployed")
    return postgres.url("deployed")


def run_until_ready(command: list[str], database: str, home: Path, check: Callable[[], None]) -> None:
    """Run a command as systemd does: it says that it is ready, ends at SIGTERM, and leaves nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        address = str(home.parent / "notify")
        notified.bind(address)
        environment = {**os.environ, "NOTIFY_SOCKET": address, "DATABASE_URL": database, "HOLDWATER_HOME": str(home)}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            try:
                notified.settimeout(60)
                assert notified.recv(100) == b"READY=1"
                check()
                process.send_signal(signal.SIGTERM)
                assert notified.recv(100) == b"STOPPING=1"
                assert process.wait(60) == 0
            finally:
                process.kill()
    assert not list(home.glob("*.lock"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_accepts_the_units(name: str, tmp_path: Path) -> None:
    text = (DEPLOY / name).read_text().replace("/opt/holdwater/bin/holdwater", "/bin/true")
    text = text.replace("User=holdwater", "User=daemon")
    (tmp_path / name).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if name in line] == []


@pytest.mark.parametrize("name", UNITS)
def test_the_commands_of_units_work(name: str, database: str, tmp_path: Path) -> None:
    settings = read_unit(name)
    assert (settings["Type"], settings["KillMode"]) == ("notify", "mixed")
    assert float(settings["TimeoutStopSec"]) > 30.0
    command = shlex.split(settings["ExecStart"])
    home = tmp_path / "home"
    assert command[0] == "/opt/holdwater/bin/holdwater"
    assert command[command.index("--home") + 1] == f"/var/lib/{settings['StateDirectory']}"
    command[0], command[command.index("--home") + 1] = PROGRAM, str(home)
    more = ["--bind", "127.0.0.1:0"] if command[1] == "serve" else []
    run_until_ready([*command, *more], database, home, lambda: None)


def test_the_image(database: str, tmp_path: Path) -> None:
    instructions = read_dockerfile()
    last = dict(instructions)
    words = [word for word, _ in instructions]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert last["USER"] == "holdwater"
    assert "--uid 10001" in last["RUN"]  # by number, too, for clusters that ask for it
    assert '"/src[server]"' in instructions[words.index("RUN")][1]
    entry, default = json.loads(last["ENTRYPOINT"]), json.loads(last["CMD"])
    assert (entry, default[default.index("--bind") + 1]) == (["holdwater"], f"0.0.0.0:{last['EXPOSE']}")
    default[default.index("--bind") + 1] = "127.0.0.1:0"
    home = tmp_path / "home"
    probe = json.loads(last["HEALTHCHECK"].partition("CMD ")[2])

    def check() -> None:
        said = subprocess.run(
            [PROGRAM, *probe[1:]], env={**os.environ, "HOLDWATER_HOME": str(home)}, capture_output=True, text=True
        )
        assert (said.returncode, json.loads(said.stdout)) == (0, {"status": "ok"})
        assert list(home.glob("bootstrap-key"))

    assert probe[0] == "holdwater"
    run_until_ready([PROGRAM, *default], database, home, check)


def test_the_folder_of_the_image_is_its_home() -> None:
    last = dict(read_dockerfile())
    assert f'HOLDWATER_HOME="{last["VOLUME"]}"' in last["ENV"]
    assert last["WORKDIR"] == last["VOLUME"]
    assert f"home:{last['VOLUME']}" in (DEPLOY / "compose.yaml").read_text()
