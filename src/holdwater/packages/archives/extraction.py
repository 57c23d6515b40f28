"""Writing of a judged archive into a folder, which appears complete or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from holdwater.packages.archives.file_list import ArchivedFile
from holdwater.packages.archives.path_rules import refuse
from holdwater.packages.archives.tar_reading import TarEntry

FOLDER_MODE: Final = 0o755
FILE_MODE: Final = 0o644
EXECUTABLE_MODE: Final = 0o755


def extract_files(folder: Path, contents: Iterable[tuple[str, TarEntry]], files: Mapping[str, ArchivedFile]) -> None:
    """Write files into a new folder, under another name beside it until all are there.

    `contents`: (path, entry) in the order of the archive; `files`: what was judged, which the contents are held
    against.  Raises FileExistsError if the folder is there; ArchiveError for content that was not judged; OSError.
    """
    if os.path.lexists(folder):
        raise FileExistsError(f"{folder} is there already")
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name[:64]}.", suffix=".part", dir=folder.parent))
    try:
        root = draft / "files"
        _make_folder(root)
        for path, entry in contents:
            _write_file(root, path, entry, files.get(path))
        root.rename(folder)  # fails if another process was faster: a folder with files is not replaced
    finally:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(draft)


def _write_file(root: Path, path: str, entry: TarEntry, judged: ArchivedFile | None) -> None:
    if judged is None:
        raise refuse(path, "it is not what was judged")
    target = root / path
    for folder in reversed(list(target.relative_to(root).parents)[:-1]):
        _make_folder(root / folder)
    sha256 = hashlib.sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as file:
        for piece in entry.pieces():
            sha256.update(piece)
            file.write(piece)
        os.fchmod(file.fileno(), EXECUTABLE_MODE if judged.is_executable else FILE_MODE)
    if sha256.hexdigest() != judged.sha256:
        raise refuse(path, "it is not what was judged")


def _make_folder(folder: Path) -> None:
    """Make a folder with its mode, whatever the umask is; one that is there already stays."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(FOLDER_MODE)
