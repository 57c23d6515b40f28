"""`files.json`: every file of a package with its size and SHA-256."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from holdwater.packages.archives.path_rules import refuse
from holdwater.packages.manifests.strict_tables import SourceFile, parse_json

FILE_NAME: Final = "files.json"
_FORMAT: Final = 1
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A file of a package.  `size`: bytes; `sha256`: of its content, in hex."""

    size: int
    sha256: str
    is_executable: bool = False


def write_file_list(files: Mapping[str, ArchivedFile]) -> bytes:
    """Return the content of `files.json` for the other files of a package, the same for the same files."""
    listed = {path: {"size": file.size, "sha256": file.sha256} for path, file in sorted(files.items())}
    return (json.dumps({"format": _FORMAT, "files": listed}, indent=1, ensure_ascii=False) + "\n").encode()


def check_file_list(text: str, files: Mapping[str, ArchivedFile]) -> None:
    """Compare `files.json` with the files of an archive.  Raises ArchiveError, and ManifestError for its form."""
    top = parse_json(SourceFile(FILE_NAME, text))
    top.integer("format", least=_FORMAT, most=_FORMAT)
    listed = top.table("files", required=True)
    top.close()
    for path, file in files.items():
        if path == FILE_NAME:
            continue
        if path not in listed:
            raise refuse(path, f"{FILE_NAME} does not list it")
        row = listed.table(path)
        size, sha256 = row.integer("size", least=0, most=1 << 62), row.text("sha256")
        row.close()
        if not _SHA256.fullmatch(sha256) or (size, sha256) != (file.size, file.sha256):
            raise refuse(path, f"its content is not the one that {FILE_NAME} lists: size or SHA-256 differ")
    for path in listed.keys():  # noqa: SIM118 - a table is no mapping
        if path not in files or path == FILE_NAME:
            raise refuse(path, f"{FILE_NAME} lists it, and the archive does not have it")
