"""The named pipes next to a database file."""

from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path
from queue import SimpleQueue

import pytest

from holdwater.model.records import Notification
from holdwater.storage import open_store
from tests.storage.factories import make_work_row, new_run_update
from tests.storage.helpers import run_script

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes on Windows")

LISTENER = """
import sys
import threading
from holdwater.storage import open_store
store = open_store(sys.argv[1])
store.listen(lambda notification: print(notification.work_available, flush=True))
print("ready", flush=True)
sys.stdin.readline()
store.close()
"""


def list_pipes(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.iterdir() if stat.S_ISFIFO(path.stat().st_mode)]


def test_another_process_hears(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    store = open_store(url)
    with run_script(LISTENER, url) as listener:
        assert listener.read_line() == "ready"
        assert len(list_pipes(tmp_path)) == 1
        store.commit([new_run_update("r1", [make_work_row("r1")])])
        assert listener.read_line() == "True"
        listener.write_line()
    assert not list_pipes(tmp_path)
    store.close()


def test_the_pipe_of_a_dead_subscriber_is_removed_at_the_next_publish(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    store = open_store(url)
    with run_script(LISTENER, url) as listener:
        assert listener.read_line() == "ready"
        listener.process.kill()
        listener.process.wait()
        assert len(list_pipes(tmp_path)) == 1
        store.commit([new_run_update("r1", [make_work_row("r1")])])
        assert not list_pipes(tmp_path)
    store.close()


def test_a_full_pipe_neither_blocks_nor_loses_the_hint(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db?_synchronous=OFF"
    store, other = open_store(url), open_store(url)
    entered, heard = SimpleQueue[Notification](), SimpleQueue[None]()

    def slow(news: Notification) -> None:
        entered.put(news)
        heard.get(timeout=20)

    assert store.listen(slow)
    other.commit([new_run_update("r0", [make_work_row("r0")])])
    assert entered.get(timeout=20).work_available
    for i in range(6000):  # more lines than a pipe holds
        other.release_work("nobody", [make_work_row(f"r{i}")])
    heard.put(None)
    assert entered.get(timeout=20).work_available
    for _ in range(100):
        heard.put(None)
    store.close()
    other.close()


def test_a_directory_without_pipes_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: int = 0) -> None:
        raise PermissionError(path)

    monkeypatch.setattr(os, "mkfifo", refuse)
    store = open_store(f"sqlite:///{tmp_path}/a.db")
    assert not store.listen(lambda news: None)
    store.close()


def test_closing_ends_a_reader_that_has_already_taken_the_byte_that_wakes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader looks whether it is to end, then reads; closing in between writes what the same read takes."""
    store = open_store(f"sqlite:///{tmp_path}/a.db")
    store.listen(lambda notification: None)
    (pipe,) = list_pipes(tmp_path)
    reading, written = threading.Event(), threading.Event()
    real_read, real_write = os.read, os.write

    def read(fd: int, count: int) -> bytes:
        if threading.current_thread().name == "holdwater-notify":
            reading.set()
            assert written.wait(30)
        return real_read(fd, count)

    def write(fd: int, data: bytes) -> int:
        count = real_write(fd, data)
        if data == b"\n":
            written.set()
        return count

    monkeypatch.setattr(os, "read", read)
    monkeypatch.setattr(os, "write", write)
    with pipe.open("wb", buffering=0) as another:
        another.write(b"[]\n")
        assert reading.wait(30)
        closing = threading.Thread(target=store.close, daemon=True)
        closing.start()
        closing.join(30)
        assert not closing.is_alive()
