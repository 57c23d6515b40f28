"""Rules for the paths of an archive: each is refused unless it means the same file on every system.

A path has segments between slashes.  Besides the obvious (absolute, `..`), names are refused that some file system
reads as another one: by case, by Unicode form, by a trailing dot, as a device of DOS.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from holdwater.errors import ArchiveError
from holdwater.packages.settings import ArchiveLimits

_SHOWN_CHARS: Final = 200
_DOS_DEVICES: Final = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"]
    + [f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"]
)


def refuse(entry: str, rule: str, *, hint: str = "") -> ArchiveError:
    """Make the error for an entry of an archive that breaks a rule; line breaks and the like are escaped."""
    shown = repr(entry if len(entry) <= _SHOWN_CHARS else f"{entry[:_SHOWN_CHARS]}…")
    return ArchiveError(f"the archive is refused: {shown}: {rule}", hint=hint)


def decode_path(raw: bytes) -> str:
    """Decode the path of an entry.  Raises ArchiveError unless it is UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise refuse(raw.decode("utf-8", "backslashreplace"), "the path is not UTF-8") from None


def check_path(path: str, limits: ArchiveLimits) -> None:
    """Check a path without a trailing slash, by itself.  Raises ArchiveError."""
    if len(path.encode("utf-8", "surrogatepass")) > limits.max_path_bytes:
        raise refuse(path, f"the path is longer than {limits.max_path_bytes} bytes")
    if not path:
        raise refuse(path, "the path is empty")
    if path.startswith("/"):
        raise refuse(path, "the path is absolute")
    for forbidden, rule in (("\\", "a backslash"), (":", "a colon, which names a drive or a stream"), ("\0", "NUL")):
        if forbidden in path:
            raise refuse(path, f"the path has {rule}")
    if not path.isprintable():
        raise refuse(path, "the path has control characters, or such that are not shown")
    if unicodedata.normalize("NFC", path) != path:
        raise refuse(path, "the path is not in Unicode's composed form (NFC)")
    segments = path.split("/")
    if len(segments) > limits.max_depth_levels:
        raise refuse(path, f"the path is deeper than {limits.max_depth_levels} levels")
    for segment in segments:
        _check_segment(path, segment)


def _check_segment(path: str, segment: str) -> None:
    if segment == "..":
        raise refuse(path, "the path has `..`")
    if segment in ("", "."):
        raise refuse(path, "the path has an empty segment or `.`")
    look_alike = unicodedata.normalize("NFKC", segment)
    if set(look_alike) & set("/\\:") or look_alike in (".", ".."):
        raise refuse(path, "the path has characters that look like `/`, `\\`, `:` or `..`")
    if segment[-1] in ". " or segment[0] == " ":
        raise refuse(path, "a name begins or ends with a space, or ends with a dot")
    if look_alike.partition(".")[0].rstrip(" ").casefold() in _DOS_DEVICES:
        raise refuse(path, "a name is that of a device of DOS")


class PathSet:
    """The paths of an archive beside each other: no two may be one file on some system, and none be file and folder."""

    def __init__(self) -> None:
        self._spelling: dict[str, str] = {}
        self._is_folder: dict[str, bool] = {}
        self._files: set[str] = set()

    def add(self, path: str, *, is_folder: bool) -> None:
        """Add a path that `check_path` has passed.  Raises ArchiveError."""
        parent = ""
        for segment in path.split("/")[:-1]:
            parent = f"{parent}/{segment}" if parent else segment
            self._note(path, parent, is_folder=True, is_entry=False)
        self._note(path, path, is_folder=is_folder, is_entry=True)

    def _note(self, entry: str, path: str, *, is_folder: bool, is_entry: bool) -> None:
        key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())
        known = self._spelling.setdefault(key, path)
        if known != path:
            raise refuse(entry, f"{path!r} and {known!r} are one name where case or form does not count")
        was_folder = self._is_folder.setdefault(path, is_folder)
        if was_folder != is_folder:
            raise refuse(entry, f"{path!r} is a file and a folder")
        if is_entry and not is_folder:
            if path in self._files:
                raise refuse(entry, "the path comes twice")
            self._files.add(path)
