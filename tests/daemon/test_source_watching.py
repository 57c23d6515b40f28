"""Watching of source with real files; each wait is for a call."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdwater.daemon.source_watching import SourceWatcher
from tests.suite.runners import SIGNAL_TIMEOUT_SECONDS, assert_no_new_threads

Contents = dict[str, str]


class Watched:
    """A folder that is watched, and what was there at each call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: queue.SimpleQueue[Contents] = queue.SimpleQueue()
        self._latest: Contents = {}

    def read(self) -> list[Path]:
        files = sorted(self.folder.rglob("*.py"))
        self.calls.put({path.relative_to(self.folder).as_posix(): path.read_text() for path in files})
        return [self.folder, *files]

    def next_content(self) -> Contents:
        """The content of the next call that found another one."""
        found = self._latest
        while found == self._latest:
            found = self.calls.get(timeout=SIGNAL_TIMEOUT_SECONDS)
        self._latest = found
        return found


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    (tmp_path / "flows.py").write_text("1")
    found = Watched(tmp_path)
    with assert_no_new_threads():
        watcher = SourceWatcher(found.read)
        watcher.start()
        assert found.next_content() == {"flows.py": "1"}
        yield found
        watcher.close()
        watcher.close()


def write_at_once(path: Path, text: str) -> None:
    path.write_text(text)


def write_beside_and_rename(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_text(text)
    beside.replace(path)


def write_in_steps(path: Path, text: str) -> None:
    path.unlink()
    with path.open("w") as file:
        for character in text:
            file.write(character)
            file.flush()


@pytest.mark.parametrize("save", [write_at_once, write_beside_and_rename, write_in_steps])
def test_a_saved_file(watched: Watched, save: Callable[[Path, str], None]) -> None:
    save(watched.folder / "flows.py", "2 in several characters")
    assert watched.next_content() == {"flows.py": "2 in several characters"}
    save(watched.folder / "flows.py", "3")
    assert watched.next_content() == {"flows.py": "3"}


def test_a_new_file_and_one_that_went(watched: Watched) -> None:
    (watched.folder / "more.py").write_text("")
    assert watched.next_content() == {"flows.py": "1", "more.py": ""}
    (watched.folder / "more.py").unlink()
    assert watched.next_content() == {"flows.py": "1"}


def test_without_events_files_are_looked_at(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdwater.packages.registries.folder_events.Observer.schedule", _refuse)
    (watched.folder / "sub").mkdir()
    (watched.folder / "sub" / "deep.py").write_text("1")
    (watched.folder / "flows.py").write_text("2")
    assert watched.next_content() == {"flows.py": "2", "sub/deep.py": "1"}
    (watched.folder / "sub" / "deep.py").write_text("2")
    assert watched.next_content() == {"flows.py": "2", "sub/deep.py": "2"}


def _refuse(*_: object, **__: object) -> None:
    raise OSError(28, "inotify watch limit reached")
