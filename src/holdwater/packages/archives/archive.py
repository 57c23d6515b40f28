"""Archives of packages: judged before anything is unpacked, and no code of them is executed.

An archive is a tar file with one folder, `NAME-VERSION/`, compressed with bzip2 (or gzip).  Its manifest is
`holdwater.toml`, or one of Cloacina's: `package.toml`, `manifest.json` version 2.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from holdwater.errors import ArchiveError
from holdwater.model.claim_keys import RELEASE_DIGITS
from holdwater.packages.archives import file_list
from holdwater.packages.archives.content_rules import check_contents
from holdwater.packages.archives.extraction import extract_files
from holdwater.packages.archives.file_list import ArchivedFile
from holdwater.packages.archives.path_rules import refuse
from holdwater.packages.archives.survey import MAX_TEXT_BYTES, Survey, iter_contents, survey_archive
from holdwater.packages.manifests.manifest import PackageManifest
from holdwater.packages.manifests.manifest_reading import read_manifest
from holdwater.packages.manifests.strict_tables import SourceFile, parse_json
from holdwater.packages.settings import ArchiveLimits

DESCRIPTOR: Final = "descriptor.json"
_DEFAULT_LIMITS: Final = ArchiveLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageArchive:
    """An archive that was judged.  `digest`: its SHA-256 in hex, which is its identity; `data`: its bytes.

    `top`: its one folder, "" without one; `files`: by path below it.  `texts`: of the manifests, `files.json` and
    `descriptor.json`, by name.
    """

    digest: str
    manifest: PackageManifest
    top: str
    files: Mapping[str, ArchivedFile]
    texts: Mapping[str, str] = field(repr=False)
    data: bytes = field(repr=False)
    limits: ArchiveLimits = field(repr=False)

    @property
    def release(self) -> str:
        """The first digits of the digest, to which runs are pinned."""
        return self.digest[:RELEASE_DIGITS]

    @property
    def descriptor(self) -> dict[str, Any] | None:
        """The content of `descriptor.json`, untrusted; None without one.  Raises ManifestError if it is no JSON."""
        text = self.texts.get(DESCRIPTOR)
        return None if text is None else dict(parse_json(SourceFile(DESCRIPTOR, text)).data)

    def read_file(self, path: str) -> bytes:
        """Return the content of a file; the archive is decompressed up to it.  Raises KeyError if there is none."""
        for found, entry in iter_contents(self.data, self.limits, self.top):
            if found == path:
                return b"".join(entry.pieces())
        raise KeyError(path)

    def extract_to(self, folder: Path) -> None:
        """Write the files into a folder that is not there yet; it appears complete, or not at all.

        Modes are 755 for folders, 644 for files, 755 for executable ones.  Raises FileExistsError, OSError.
        """
        extract_files(folder, iter_contents(self.data, self.limits, self.top), self.files)


def read_archive(source: Path | bytes, limits: ArchiveLimits = _DEFAULT_LIMITS) -> PackageArchive:
    """Read and judge an archive: its names, contents and manifest.  Nothing is unpacked, nothing executed.

    Raises ArchiveError with the entry and the rule it breaks; ManifestError with file, line and key; PackageUnsupported
    for packages this engine does not execute; ConfigError without the extra `packages`; OSError if the file cannot be
    read.
    """
    data = source if isinstance(source, bytes) else read_regular_file(source, limits.max_packed_bytes)
    if len(data) > limits.max_packed_bytes:
        raise _too_large(limits.max_packed_bytes)
    found = survey_archive(data, limits)
    texts = _decode_texts(found)
    manifest = read_manifest(texts, found.files)
    wanted = f"{manifest.name}-{manifest.version}"
    if found.top != wanted and (found.top or manifest.format != "cloacina-v2"):
        raise refuse(found.top, f"the folder at the top is not named {wanted!r}, as its manifest says")
    check_contents(found.files)
    if file_list.FILE_NAME in texts:
        file_list.check_file_list(texts[file_list.FILE_NAME], found.files)
    return PackageArchive(
        digest=hashlib.sha256(data).hexdigest(),
        manifest=manifest,
        top=found.top,
        files=dict(sorted(found.files.items())),
        texts=texts,
        data=data,
        limits=limits,
    )


def read_regular_file(path: Path, most_bytes: int) -> bytes:
    """Read a file of bounded size, up to one byte beyond it; a pipe or a device is never waited for.

    Raises ArchiveError, OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ArchiveError(f"{path} is no regular file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(most_bytes + 1)
    finally:  # also for a folder, which `open` refuses and leaves open
        os.close(descriptor)


def _too_large(most_bytes: int) -> ArchiveError:
    return ArchiveError(f"the archive is refused: it has more than {most_bytes:,} bytes")


def _decode_texts(found: Survey) -> dict[str, str]:
    for name, most in MAX_TEXT_BYTES.items():
        if name in found.files and name not in found.texts:
            raise refuse(name, f"the file has more than {most:,} bytes")
    try:
        return {name: text.decode("utf-8") for name, text in found.texts.items() if name in MAX_TEXT_BYTES}
    except UnicodeDecodeError as error:
        raise ArchiveError(f"the archive is refused: a manifest is not UTF-8: {error}") from None
