"""A registry in a folder: no file keeps the others from being seen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from holdwater.errors import ArchiveError
from holdwater.packages.archives.archive import PackageArchive, read_archive
from holdwater.packages.registries import filesystem
from holdwater.packages.registries.filesystem import FilesystemWorkflowRegistry
from holdwater.packages.registries.folder_scans import ScannedFolder
from holdwater.packages.settings import ArchiveLimits
from tests.daemon.packages import one_task_package


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("orders", "parcels"):
        (tmp_path / f"{name}.cloacina").write_bytes(one_task_package(name, "1.0"))
    return tmp_path


def registry_of(folder: Path) -> FilesystemWorkflowRegistry:
    return FilesystemWorkflowRegistry(folder, ScannedFolder(folder, settled_seconds=0))


def test_whatever_reading_a_file_raises_is_an_error_of_that_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path, limits: ArchiveLimits) -> PackageArchive:
        if path.name == "orders.cloacina":
            raise OverflowError("nothing that was foreseen")
        return read_archive(path, limits)

    monkeypatch.setattr(filesystem, "read_archive", read)
    found = registry_of(folder).list()
    assert [one.package for one in found.entries] == ["parcels"]
    assert [(Path(one.source).name, one.error) for one in found.rejected] == [
        ("orders.cloacina", "OverflowError: nothing that was foreseen")
    ]


def test_a_signature_that_is_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "orders.cloacina.sig")
    with pytest.raises(ArchiveError, match="no regular file"):
        registry_of(folder).get("orders", "1.0")
    assert registry_of(folder).get("parcels", "1.0").signature is None
