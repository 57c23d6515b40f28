from __future__ import annotations

import os
from pathlib import Path

import pytest

from holdwater.errors import PackageError, ReleaseNotFound, VersionExists
from holdwater.packages.archives.archive import read_archive
from holdwater.packages.registries import filesystem
from holdwater.packages.registries.filesystem import FilesystemWorkflowRegistry, write_file
from holdwater.packages.registries.folder_scans import ScannedFolder
from holdwater.packages.registries.registry import RegistryListing
from tests.daemon.packages import one_task_package


@pytest.fixture
def registry(tmp_path: Path) -> FilesystemWorkflowRegistry:
    return FilesystemWorkflowRegistry(tmp_path, ScannedFolder(tmp_path, 0.0))


def test_archives_are_registered_listed_read_and_removed(registry: FilesystemWorkflowRegistry, tmp_path: Path) -> None:
    data = one_task_package("orders", "1.0")
    release = registry.register(data, b"signature")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["orders-1.0.cloacina", "orders-1.0.cloacina.sig"]
    (entry,) = registry.list().entries
    assert (entry.release, entry.package, entry.version) == (release, "orders", "1.0")
    stored = registry.get("orders", "1.0")
    assert (stored.archive.release, stored.signature) == (release, b"signature")
    assert registry.register(data) == release
    with pytest.raises(VersionExists):
        registry.register(one_task_package("orders", "1.0", note="other"))
    with pytest.raises(PackageError):
        registry.register(b"")
    with pytest.raises(ReleaseNotFound):
        registry.get("orders", "2.0")
    registry.unregister("orders", "1.0")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ReleaseNotFound):
        registry.unregister("orders", "1.0")


def test_of_two_files_with_equal_content_the_newer_one(registry: FilesystemWorkflowRegistry, tmp_path: Path) -> None:
    for name, at in (("b", 100), ("a", 200), ("c", 150)):
        (tmp_path / f"{name}.cloacina").write_bytes(one_task_package("orders", "1.0"))
        os.utime(tmp_path / f"{name}.cloacina", (at, at))
    (entry,) = registry.list().entries
    assert entry.source == str(tmp_path / "a.cloacina")
    registry.unregister("orders", "1.0")
    assert registry.list().entries == ()


def test_a_file_that_changes_while_it_is_read_says_nothing(
    registry: FilesystemWorkflowRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.cloacina"
    path.write_bytes(one_task_package("orders", "1.0"))

    def read_and_write(*arguments: object) -> object:
        path.write_bytes(b"half")
        return read_archive(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(filesystem, "read_archive", read_and_write)
    assert registry.list() == RegistryListing()
    assert not registry.is_available(str(path))
    monkeypatch.setattr(filesystem, "read_archive", read_archive)
    (rejected,) = registry.list().rejected
    assert rejected.source == str(path)
    assert registry.is_available(str(path))


def test_an_unexpected_error_is_one_of_its_file(
    registry: FilesystemWorkflowRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.cloacina").write_bytes(b"")
    monkeypatch.setattr(filesystem, "read_archive", lambda *_: [][0])
    (rejected,) = registry.list().rejected
    assert "IndexError" in rejected.error


def test_a_file_that_is_not_complete_yet_is_no_reason_to_remove_its_package(tmp_path: Path) -> None:
    registry = FilesystemWorkflowRegistry(tmp_path, ScannedFolder(tmp_path, 3600.0))
    path = tmp_path / "a.cloacina"
    path.write_bytes(one_task_package("orders", "1.0"))
    assert registry.list().entries == ()
    assert not registry.is_available(str(path))
    assert registry.is_available(str(tmp_path / "b.cloacina"))


def test_files_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file(tmp_path / "a", b"1")
    monkeypatch.setattr(os, "replace", lambda *_: [][0])
    with pytest.raises(IndexError):
        write_file(tmp_path / "a", b"2")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"1")]
