"""Writing of archives: the same files make the same bytes."""

from __future__ import annotations

import bz2
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

from holdwater.errors import PackageBuildError
from holdwater.packages.archives.extraction import EXECUTABLE_MODE, FILE_MODE


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file that goes into an archive."""

    data: bytes
    is_executable: bool = False


def write_archive(top: str, files: Mapping[str, FileContent]) -> bytes:
    """Return a bzip2 tar file: paths below the folder `top`, sorted, at time 0, of owner 0, with modes 644 and 755.

    Raises PackageBuildError for a path that does not fit into a tar header.
    """
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w", format=tarfile.USTAR_FORMAT, encoding="utf-8") as tar:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(f"{top}/{path}")
            entry.size = len(content.data)
            entry.mode = EXECUTABLE_MODE if content.is_executable else FILE_MODE
            try:
                tar.addfile(entry, io.BytesIO(content.data))
            except ValueError as error:
                raise PackageBuildError(f"{path}: {error}") from error
    return bz2.compress(unpacked.getbuffer(), 9)
