"""Archives and their signatures, as commands name them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdwater.cli import exit_codes
from holdwater.cli.exit_codes import CommandError

if TYPE_CHECKING:
    from holdwater.packages.archives.archive import PackageArchive

_UNITS: Final = ("bytes", "kB", "MB", "GB")


def load_archive(path: str) -> PackageArchive:
    """Read and judge an archive.  Raises CommandError if there is no such file, PackageError."""
    from holdwater.packages.archives.archive import read_archive

    try:
        return read_archive(Path(path))
    except FileNotFoundError:
        raise CommandError(f"there is no file {path}", code=exit_codes.NOT_FOUND) from None
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error


def load_signature(archive: str, given: str | None) -> bytes | None:
    """Read a signature: the file that is given, or the one beside an archive; None if there is none beside it.

    Raises CommandError for a given file that is not there.
    """
    from holdwater.packages.signatures.statements import MAX_SIGNATURE_FILE_BYTES

    path = given or signature_path(archive)
    try:
        with open(path, "rb") as file:
            return file.read(MAX_SIGNATURE_FILE_BYTES + 1)
    except FileNotFoundError:
        if given is None:
            return None
        raise CommandError(f"there is no file {path}", code=exit_codes.NOT_FOUND) from None
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error


def signature_path(archive: str) -> str:
    """Return the name of the file beside an archive that has its signature."""
    from holdwater.packages.signatures.statements import SUFFIX

    return f"{archive}{SUFFIX}"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, in place of the one that is there; it is never seen half written.  Raises CommandError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(draft, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error


def format_size(count: int) -> str:
    """`812 bytes`, `2.9 kB`."""
    number, unit = float(count), 0
    while number >= 1000 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{count} bytes" if unit == 0 else f"{number:.1f} {_UNITS[unit]}"
