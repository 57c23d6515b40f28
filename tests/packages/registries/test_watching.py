"""The watcher of folders, on real folders."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchdog.observers.api import BaseObserver

from holdwater.packages.registries.watching import PackageWatcher, is_archive_name
from tests.suite.waiting import poll_pause

MakeWatcher = Callable[..., PackageWatcher]


@pytest.fixture
def watch() -> Iterator[MakeWatcher]:
    made: list[PackageWatcher] = []

    def make(*folders: Path, rescan_seconds: float = 3600.0, debounce_seconds: float = 0.05) -> PackageWatcher:
        changed = threading.Event()
        watcher = PackageWatcher(
            folders, debounce_seconds=debounce_seconds, rescan_seconds=rescan_seconds, on_change=changed.set
        )
        watcher.changed = changed  # type: ignore[attr-defined]
        watcher.start()
        made.append(watcher)
        return watcher

    yield make
    for one in made:
        one.close()
        one.close()


def wait_for(watcher: PackageWatcher, *names: str) -> None:
    while {path.name for path in watcher.files()} != set(names):
        watcher.changed.wait()  # type: ignore[attr-defined]
        watcher.changed.clear()  # type: ignore[attr-defined]


def test_names() -> None:
    assert is_archive_name("a.cloacina")
    for name in (".a.cloacina", "a.cloacina.part", "a.cloacina.tmp", "a.zip", "cloacina"):
        assert not is_archive_name(name)


def test_events_tell_of_files(tmp_path: Path, watch: MakeWatcher) -> None:
    (tmp_path / "old.cloacina").touch()
    watcher = watch(tmp_path)  # it looks by itself once an hour
    wait_for(watcher, "old.cloacina")
    (tmp_path / "x.part").write_bytes(b"1")
    (tmp_path / "x.part").rename(tmp_path / "new.cloacina")
    wait_for(watcher, "old.cloacina", "new.cloacina")
    (tmp_path / "old.cloacina").unlink()
    (tmp_path / "folder.cloacina").mkdir()
    (tmp_path / "link.cloacina").symlink_to(tmp_path / "nothing")
    wait_for(watcher, "new.cloacina")


def test_a_folder_that_is_made_anew_is_watched(tmp_path: Path, watch: MakeWatcher) -> None:
    folder = tmp_path / "w"
    watcher = watch(folder, rescan_seconds=0.05)
    assert not watcher.is_available(folder / "a.cloacina")
    folder.mkdir()
    (folder / "a.cloacina").touch()
    wait_for(watcher, "a.cloacina")
    assert watcher.is_available(folder / "a.cloacina")
    (folder / "a.cloacina").unlink()
    wait_for(watcher)
    (folder / "b.cloacina").touch()
    wait_for(watcher, "b.cloacina")
    (folder / "b.cloacina").rename(tmp_path / "b.cloacina")
    wait_for(watcher)
    folder.rmdir()
    while watcher.is_available(folder / "b.cloacina"):
        poll_pause()
    folder.mkdir()
    (folder / "c.cloacina").touch()
    wait_for(watcher, "c.cloacina")


def test_without_events_it_looks(
    tmp_path: Path, watch: MakeWatcher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def exhausted(*args: object, **options: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(BaseObserver, "schedule", exhausted)
    with caplog.at_level(logging.WARNING):
        watcher = watch(tmp_path, rescan_seconds=0.02)
        (tmp_path / "a.cloacina").touch()
        wait_for(watcher, "a.cloacina")
        (tmp_path / "a.cloacina").write_bytes(b"2")
        while watcher.files()[tmp_path / "a.cloacina"].size_bytes != 1:
            poll_pause()
    assert len([one for one in caplog.records if "inotify watch limit" in one.getMessage()]) == 1


def test_folders_change(tmp_path: Path, watch: MakeWatcher) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        (folder / f"{folder.name}.cloacina").touch()
    (tmp_path / "link").symlink_to(one)
    watcher = watch(one, one / ".." / "one", tmp_path / "link")
    wait_for(watcher, "one.cloacina")
    assert len(watcher.folders) == 1
    watcher.set_folders([two])
    wait_for(watcher, "two.cloacina")
    watcher.set_intervals(debounce_seconds=0.01, rescan_seconds=0.01)
    (two / "more.cloacina").touch()
    wait_for(watcher, "two.cloacina", "more.cloacina")
