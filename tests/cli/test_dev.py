"""`holdwater dev` for real: a process, files that are saved, hosts, a web UI."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from holdwater import Client
from tests.suite.dev_server import StartDev, dev_starter
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS
from tests.suite.waiting import poll_pause


@pytest.fixture
def start_dev(tmp_path: Path) -> Iterator[StartDev]:
    with dev_starter(tmp_path) as start:
        yield start


def save(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def children_of(pid: int) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = place.read_text()
        except OSError:
            continue
        if int(text.rpartition(")")[2].split()[1]) == pid:
            found.append(int(place.parent.name))
    return found


def test_the_first_ten_minutes(start_dev: StartDev, tmp_path: Path) -> None:
    dev = start_dev("flows.py")
    dev.wait_for("Holdwater dev .*flows.py as package flows")
    dev.wait_for("Web UI .*http://127.0.0.1:[0-9]+/ui")
    dev.wait_for(r"Database .*\.holdwater/holdwater\.db, kept")
    dev.wait_for(r"✓ flows 0\.dev0\+1 is active: orders")
    command = dev.wait_for("Start a run: ")
    assert command.endswith("holdwater submit orders --database sqlite:///.holdwater/holdwater.db")
    assert (tmp_path / ".holdwater" / ".gitignore").read_text() == "*\n"
    with Client(f"sqlite:///{tmp_path}/.holdwater/holdwater.db") as client:
        # a run that is open keeps its code, and what is saved is served at once
        first = client.submit("orders", {"waits": True})
        while not (tmp_path / "waiting").exists():
            poll_pause()
        save(tmp_path / "numbers_of_shop.py", "N = 100\n")
        dev.wait_for(r"✓ flows 0\.dev0\+2 is active: orders")
        second = client.submit("orders", {})
        assert second.result(SIGNAL_TIMEOUT_SECONDS).to_plain_context()["doubled"] == 200
        save(tmp_path / "go", "")
        assert first.result(SIGNAL_TIMEOUT_SECONDS).to_plain_context()["doubled"] == 42
        dev.wait_for("✓ orders [0-9a-f]{8} completed")

        # what cannot be imported is shown, and the release before it stays
        save(tmp_path / "numbers_of_shop.py", "N = 100\nimport no_such_module\n")
        dev.wait_for(r"✗ flows 0\.dev0\+3 is broken; new runs take 0\.dev0\+2")
        dev.wait_for('File "numbers_of_shop.py", line 2')
        dev.wait_for("ModuleNotFoundError: No module named 'no_such_module'")
        with httpx.Client(follow_redirects=True, timeout=SIGNAL_TIMEOUT_SECONDS) as browser:
            browser.get(dev.link).raise_for_status()
            page = browser.get(f"{dev.link.partition('?')[0]}/public/packages").text
            assert "No module named &#39;no_such_module&#39;" in page
            assert "data-host=" in page, "its processes are listed"
        save(tmp_path / "flows.py", "def (\n")
        dev.wait_for(r"✗ flows 0\.dev0\+4 is broken; new runs take 0\.dev0\+2")
        dev.wait_for('File "flows.py", line 1')
        failing = client.submit("orders", {"by": 0})
        assert failing.result(SIGNAL_TIMEOUT_SECONDS).status == "Failed"
        dev.wait_for("✗ orders [0-9a-f]{8} failed after .*: double: ZeroDivisionError")
        dev.wait_for('File "flows.py", line [0-9]+, in double')

    hosts = children_of(dev.process.pid)
    assert hosts
    assert dev.stop() == 0
    assert "stopped; `holdwater dev flows.py` goes on" in dev.lines[-2]
    assert [pid for pid in hosts if Path(f"/proc/{pid}").exists()] == []


def test_it_goes_on_where_it_was(start_dev: StartDev, tmp_path: Path) -> None:
    dev = start_dev("flows.py")
    dev.wait_for(r"0\.dev0\+1 is active")
    with Client(f"sqlite:///{tmp_path}/.holdwater/holdwater.db") as client:
        run = client.submit("orders", {"waits": True})
        while not (tmp_path / "waiting").exists():
            poll_pause()
    os.killpg(dev.process.pid, signal.SIGKILL)
    dev.process.wait()
    again = start_dev("flows.py")
    again.wait_for(r"0\.dev0\+1 is active")  # nothing has changed: it is no other release
    save(tmp_path / "go", "")
    again.wait_for(f"orders {run.run_id[-8:]} completed")
    assert again.stop(signal.SIGTERM) == 0
    save(tmp_path / "numbers_of_shop.py", "N = 22\n")
    third = start_dev("flows.py")
    third.wait_for(r"0\.dev0\+2 is active")
    other = start_dev("flows.py")
    other.wait_for("works on .* already")
    assert other.process.wait(SIGNAL_TIMEOUT_SECONDS) != 0
    assert third.stop() == 0
    with sqlite3.connect(tmp_path / ".holdwater" / "holdwater.db") as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (1,)


def test_a_package_that_is_not_built(start_dev: StartDev, tmp_path: Path) -> None:
    package = tmp_path / "shop"
    (package / "workflow").mkdir(parents=True)
    for name in ("flows.py", "numbers_of_shop.py"):
        (tmp_path / name).rename(package / "workflow" / name)
    manifest = 'format = 1\n[package]\nname = "shop"\nversion = "1.0"\n[entry]\nmodules = ["flows"]\n'
    save(
        package / "holdwater.toml",
        f'{manifest}[[schedules]]\nname = "tick"\nworkflow = "orders"\ncron = "* * * * * *"\n',
    )
    dev = start_dev("shop")
    dev.wait_for(r"✓ shop 0\.dev0\+1 is active: orders")
    dev.wait_for("✓ orders [0-9a-f]{8} completed")  # by its schedule
    save(package / "holdwater.toml", "format = 1\n")
    dev.wait_for(r"✗ shop cannot be read; new runs take 0\.dev0\+1")
    dev.wait_for("holdwater.toml")
    assert dev.stop() == 0


@pytest.mark.parametrize(
    ("place", "says"), [("nothing.py", "there is no file"), (".", "neither a package nor a module")]
)
def test_what_cannot_be_served(start_dev: StartDev, tmp_path: Path, place: str, says: str) -> None:
    dev = start_dev(place)
    dev.wait_for(f"error: .*{says}")
    assert dev.process.wait(SIGNAL_TIMEOUT_SECONDS) == 1
    assert not (tmp_path / ".holdwater").exists()


def test_graphs_that_are_variables(start_dev: StartDev, tmp_path: Path) -> None:
    save(
        tmp_path / "articles.py",
        "from holdwater import Graph, node\n\n\n@node(output_name='length')\ndef measure(text: str) -> int:\n"
        "    return len(text)\n\n\narticles = Graph([measure], name='articles')\n",
    )
    dev = start_dev("articles.py")
    dev.wait_for(r"✓ articles 0\.dev0\+1 is active: articles")
    with Client(f"sqlite:///{tmp_path}/.holdwater/holdwater.db") as client:
        run = client.submit("articles", {"text": "four"})
        assert run.result(SIGNAL_TIMEOUT_SECONDS).to_plain_context()["length"] == 4
    assert dev.stop() == 0
