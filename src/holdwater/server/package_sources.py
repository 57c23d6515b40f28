"""The files of a package, as the archive that was uploaded has them, for reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from holdwater.errors import ReleaseNotFound
from holdwater.model.releases import ReleaseRow
from holdwater.operations.databases import Database
from holdwater.packages.archives.archive import read_archive
from holdwater.packages.archives.survey import iter_contents
from holdwater.packages.settings import ArchiveLimits

MAX_FILE_BYTES: Final = 1024 * 1024
"""a larger file is listed without its text"""
MAX_TOTAL_BYTES: Final = 16 * 1024 * 1024
"""of all texts; the files behind them are listed without theirs"""


@dataclass(frozen=True, slots=True)
class SourceText:
    """A file.  `size`: bytes.  `text`: None for one that is no UTF-8, or too large."""

    path: str
    size: int
    text: str | None


def read_package_source(database: Database, release: ReleaseRow, limits: ArchiveLimits) -> list[SourceText]:
    """Read the files of a release, by path.

    Raises ReleaseNotFound without its archive, PackageError, StoreUnavailable.
    """
    data = database.store.get_archive(release.release)
    if data is None:
        raise ReleaseNotFound(
            f"the archive of {release.package} {release.version} is not in the database",
            hint=f"it is the file {release.source}" if release.source else "",
        )
    archive = read_archive(data, limits)
    texts: dict[str, str] = {}
    left = MAX_TOTAL_BYTES
    for path, entry in iter_contents(archive.data, limits, archive.top):
        size = archive.files[path].size
        if size > min(MAX_FILE_BYTES, left):
            continue
        content = b"".join(entry.pieces())
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            texts[path] = text
            left -= size
    return [SourceText(path, file.size, texts.get(path)) for path, file in archive.files.items()]
