"""Archives that are as they must be: what is read of them, and what is written to disk."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import os
import stat
from pathlib import Path

import pytest

from holdwater.errors import ArchiveError, PackageBuildError
from holdwater.packages.archives.archive import read_archive
from holdwater.packages.archives.file_list import ArchivedFile, write_file_list
from holdwater.packages.archives.writing import FileContent, write_archive
from tests.packages.archive_files import FLOWS, TOP, Entry, package, package_entries, package_of_05, tar, wheel


def test_an_archive_is_read_from_bytes_and_from_a_file(tmp_path: Path) -> None:
    data = package({"vendor/helpers.py": "x = 1\n"})
    (tmp_path / "orders.cloacina").write_bytes(data)
    archive = read_archive(tmp_path / "orders.cloacina")
    assert archive == read_archive(data)
    assert archive.digest == hashlib.sha256(data).hexdigest()
    assert archive.release == archive.digest[:16]
    assert (archive.manifest.name, archive.manifest.version, archive.manifest.format) == (
        "orders",
        "1.2.0",
        "holdwater",
    )
    assert archive.files["vendor/helpers.py"] == ArchivedFile(6, hashlib.sha256(b"x = 1\n").hexdigest())
    assert archive.read_file("workflow/orders/flows.py") == FLOWS.encode()
    with pytest.raises(KeyError):
        archive.read_file("workflow/none.py")
    assert archive.descriptor is None


def test_bzip2_and_gzip_are_read() -> None:
    unpacked = tar(package_entries())
    assert read_archive(bz2.compress(unpacked)).files == read_archive(gzip.compress(unpacked)).files


def test_the_files_of_an_archive_are_written_with_modes_of_their_own(tmp_path: Path) -> None:
    entries = [
        Entry(f"{TOP}/".encode(), kind=b"5", mode=b"0000700\0"),
        *package_entries(),
        Entry(f"{TOP}/workflow/orders/run.sh".encode(), b"#!/bin/sh\n", mode=b"0000700\0"),
        Entry(f"{TOP}/workflow/orders/read.txt".encode(), b"text", mode=b"0000666\0"),
    ]
    umask = os.umask(0o077)
    try:
        read_archive(bz2.compress(tar(entries))).extract_to(tmp_path / "release")
    finally:
        os.umask(umask)
    modes = {
        str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "release").rglob("*")
    }
    assert modes == {
        "release/holdwater.toml": 0o644,
        "release/workflow": 0o755,
        "release/workflow/orders": 0o755,
        "release/workflow/orders/__init__.py": 0o644,
        "release/workflow/orders/flows.py": 0o644,
        "release/workflow/orders/read.txt": 0o644,
        "release/workflow/orders/run.sh": 0o755,
    }
    assert stat.S_IMODE((tmp_path / "release").stat().st_mode) == 0o755
    assert (tmp_path / "release/workflow/orders/flows.py").read_text() == FLOWS
    assert os.listdir(tmp_path) == ["release"]


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    archive = read_archive(package())
    (tmp_path / "release").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("release", "link"):
        with pytest.raises(FileExistsError, match="is there already"):
            archive.extract_to(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["link", "release"]
    assert os.listdir(tmp_path / "release") == []


def test_nothing_is_left_of_an_archive_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = read_archive(package())
    changed = {**archive.files, "workflow/orders/flows.py": ArchivedFile(1, "0" * 64)}
    object.__setattr__(archive, "files", changed)
    with pytest.raises(ArchiveError, match="not what was judged"):
        archive.extract_to(tmp_path / "release")
    assert os.listdir(tmp_path) == []


def test_a_pipe_and_a_folder_are_no_archives_and_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.cloacina")
    with pytest.raises(ArchiveError, match="no regular file"):
        read_archive(tmp_path / "pipe.cloacina")
    with pytest.raises((ArchiveError, IsADirectoryError)):
        read_archive(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_archive(tmp_path / "none.cloacina")


def test_long_paths_of_both_kinds_of_tar_are_read() -> None:
    long = f"workflow/orders/{'d' * 60}/{'e' * 60}/x.py"
    assert long in read_archive(package_of_05(files={long: "x = 1"})).files
    name, prefix = f"{'e' * 60}/x.py".encode(), f"{TOP}/workflow/orders/{'d' * 60}".encode()
    assert long in read_archive(package(more=[Entry(name, b"x = 1", prefix=prefix)])).files


def test_files_json_is_held_against_the_files() -> None:
    files: dict[str, bytes | str] = {"workflow/orders/__init__.py": "", "workflow/orders/flows.py": FLOWS}
    first = read_archive(package(files))
    listed = write_file_list(first.files)
    assert read_archive(package({**files, "files.json": listed})).files.keys() == {*first.files, "files.json"}
    for changed, rule in (
        ({"workflow/orders/more.py": ""}, r"more\.py': files\.json does not list it"),
        ({"workflow/orders/flows.py": FLOWS + "#"}, r"flows\.py': its content is not the one that files\.json lists"),
        ({"workflow/orders/flows.py": FLOWS.upper()}, r"flows\.py': its content is not the one that files\.json lists"),
    ):
        with pytest.raises(ArchiveError, match=rule):
            read_archive(package({**files, **changed, "files.json": listed}))
    more = write_file_list({**first.files, "workflow/gone.py": ArchivedFile(0, hashlib.sha256().hexdigest())})
    with pytest.raises(ArchiveError, match=r"gone\.py': files\.json lists it, and the archive does not have it"):
        read_archive(package({**files, "files.json": more}))


def test_written_archives_are_reproducible_and_read_back(tmp_path: Path) -> None:
    files = {entry.name.decode().removeprefix(f"{TOP}/"): FileContent(entry.content) for entry in package_entries()}
    files["workflow/orders/run.sh"] = FileContent(b"#!/bin/sh\n", is_executable=True)
    data = write_archive(TOP, files)
    assert data == write_archive(TOP, dict(reversed(files.items())))
    archive = read_archive(data)
    assert list(archive.files) == sorted(files)
    assert archive.files["workflow/orders/run.sh"].is_executable
    assert not archive.files["workflow/orders/flows.py"].is_executable
    with pytest.raises(PackageBuildError, match="too long"):
        write_archive(TOP, {"x" * 120: FileContent(b"")})


def test_a_wheel_with_harmless_names_is_read() -> None:
    path = "vendor/wheels/lib-1.0-py3-none-any.whl"
    data = wheel({"lib/__init__.py": "", "lib/json.py": "", "lib-1.0.dist-info/METADATA": ""})
    assert path in read_archive(package({path: data, "requirements.lock": "lib==1.0\n"})).files


def test_what_is_no_file_is_not_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(5):
        with pytest.raises(ArchiveError, match="no regular file"):
            read_archive(tmp_path)
    if before:
        assert len(os.listdir("/proc/self/fd")) == before
