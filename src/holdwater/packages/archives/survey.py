"""One pass through an archive: the paths, sizes and digests of its files, and the texts of its manifests."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from holdwater.errors import ArchiveError
from holdwater.packages.archives.compression import iter_decompressed
from holdwater.packages.archives.file_list import ArchivedFile
from holdwater.packages.archives.path_rules import PathSet, refuse
from holdwater.packages.archives.tar_reading import TarEntry, iter_entries
from holdwater.packages.archives.wheels import check_wheel
from holdwater.packages.settings import ArchiveLimits

_SPOOL_BYTES: Final = 1_048_576
MAX_TEXT_BYTES: Final = {
    "holdwater.toml": 65_536,
    "package.toml": 65_536,
    "manifest.json": 1_048_576,
    "files.json": 8 * 1_048_576,
    "descriptor.json": 16 * 1_048_576,
}
"""files whose texts are kept, if they are at the top"""


@dataclass(slots=True)
class Survey:
    """The content of an archive.  `top`: its one folder, "" if its manifest.json lies beside several.

    `files`, `texts`: by path below `top`.
    """

    top: str = ""
    files: dict[str, ArchivedFile] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)


def survey_archive(data: bytes, limits: ArchiveLimits) -> Survey:
    """Read an archive once, entry by entry, and stop at the first that breaks a rule.  Raises ArchiveError."""
    paths, found = PathSet(), Survey()
    first_top: str | None = None
    for entry in iter_entries(iter_decompressed(data), limits):
        paths.add(entry.path, is_folder=entry.is_folder)
        top, _, below = entry.path.partition("/")
        first_top = top if first_top is None else first_top
        if entry.is_folder:
            continue
        name = below if top == first_top and below else entry.path
        kept: list[bytes] | None = [] if name in MAX_TEXT_BYTES and entry.size <= MAX_TEXT_BYTES[name] else None
        found.files[entry.path] = _digest(entry, limits, kept)
        if kept is not None:
            found.texts[entry.path] = b"".join(kept)
    return _below_top(found)


def iter_contents(data: bytes, limits: ArchiveLimits, top: str) -> Iterator[tuple[str, TarEntry]]:
    """Yield the files of an archive that was surveyed, with their paths below `top`, to be read in this order."""
    prefix = f"{top}/" if top else ""
    for entry in iter_entries(iter_decompressed(data), limits):
        if not entry.is_folder:
            yield entry.path.removeprefix(prefix), entry


def _digest(entry: TarEntry, limits: ArchiveLimits, kept: list[bytes] | None) -> ArchivedFile:
    """Read a file, keep it where it is wanted, and judge it if it is a wheel."""
    sha256 = hashlib.sha256()
    if entry.path.endswith(".whl"):
        with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as spool:
            for piece in entry.pieces():
                sha256.update(piece)
                spool.write(piece)
            check_wheel(entry.path, spool, entry.size, limits)
    else:
        for piece in entry.pieces():
            sha256.update(piece)
            if kept is not None:
                kept.append(piece)
    return ArchivedFile(entry.size, sha256.hexdigest(), entry.is_executable)


def _below_top(found: Survey) -> Survey:
    """Take the one folder off the paths.  Raises ArchiveError if there are several, or files beside it."""
    if not found.files:
        raise ArchiveError("the archive is refused: it has no files")
    if "manifest.json" in found.files:
        return found  # the oldest form has its manifest beside its folders
    top = next(iter(found.files)).partition("/")[0]
    for path in found.files:
        if not path.startswith(f"{top}/"):
            raise refuse(path, "a package has one folder at its top, NAME-VERSION, and everything in it")
    return Survey(
        top,
        {path.removeprefix(f"{top}/"): file for path, file in found.files.items()},
        {path.removeprefix(f"{top}/"): text for path, text in found.texts.items()},
    )
