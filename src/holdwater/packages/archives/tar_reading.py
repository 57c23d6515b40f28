"""The entries of a tar archive, from a stream, strictly: regular files and folders, and nothing that renames them.

An own reader, because the usual ones do what a package must not: they follow links, let extended headers replace paths
and sizes, skip what is damaged, and read several archives behind each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from holdwater.errors import ArchiveError
from holdwater.packages.archives.path_rules import check_path, decode_path, refuse
from holdwater.packages.settings import ArchiveLimits

BLOCK_BYTES: Final = 512
_MAX_EXTENSION_BYTES: Final = 8192
_MAX_PADDING_BYTES: Final = 1024 * 1024
_ZEROS: Final = bytes(BLOCK_BYTES)
_POSIX_MAGIC: Final = b"ustar\x0000"
_GNU_MAGIC: Final = b"ustar  \x00"
_NUMBER: Final = re.compile(rb"[ \0]*([0-7]+)[ \0]*\Z")
_HARMLESS_PAX_KEYS: Final = frozenset({"atime", "comment", "ctime", "gid", "gname", "mtime", "uid", "uname"})
_SPECIAL_MODE_BITS: Final = 0o7000
_OWNER_EXECUTES: Final = 0o100

_FILE_TYPES: Final = (b"0", b"\0")
_FOLDER_TYPE: Final = b"5"
_GNU_LONG_NAME: Final = b"L"
_PAX_TYPES: Final = (b"x", b"g")
_OTHER_TYPES: Final = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a named pipe",
    b"7": "a contiguous file",
    b"K": "a long name of a link",
    b"S": "a sparse file",
    b"D": "a dump of a directory",
    b"M": "the rest of a file of another volume",
    b"V": "a volume label",
}


class UnpackedStream:
    """Bytes of decompressed pieces, read by number."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""
        self._position = 0

    def read(self, size: int) -> bytes:
        """Return exactly so many bytes.  Raises ArchiveError at the end of the stream."""
        parts, missing = [], size
        while missing:
            piece = self.read_some(missing)
            if not piece:
                raise ArchiveError("the archive is cut off: the tar file has no end")
            parts.append(piece)
            missing -= len(piece)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_some(self, most: int) -> bytes:
        """Return at least one byte and at most `most`; nothing at the end of the stream."""
        if self._position == len(self._held):
            self._held, self._position = next(self._pieces, b""), 0
        piece = self._held[self._position : self._position + most]
        self._position += len(piece)
        return piece


@dataclass(slots=True)
class TarEntry:
    """A file or a folder of an archive.  `path`: checked, without a trailing slash.  `size`: bytes of a file.

    Its content has to be read before the next entry is asked for; what is left is skipped.
    """

    path: str
    size: int
    is_folder: bool
    is_executable: bool
    _stream: UnpackedStream = field(repr=False)
    _unread: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._unread = self.size

    def pieces(self) -> Iterator[bytes]:
        """Yield the content piece by piece, once.  Raises ArchiveError if the archive ends before."""
        while self._unread:
            piece = self._stream.read_some(self._unread)
            if not piece:
                raise refuse(self.path, "the archive ends in the middle of it")
            self._unread -= len(piece)
            yield piece

    def skip(self) -> None:
        """Read to the end of the last block of the content."""
        for _ in self.pieces():
            pass
        if self._stream.read(-self.size % BLOCK_BYTES).strip(b"\0"):
            raise refuse(self.path, "there is data between it and the next entry")


def iter_entries(pieces: Iterator[bytes], limits: ArchiveLimits) -> Iterator[TarEntry]:
    """Yield the entries of a tar archive, each judged by its header before its content is unpacked.

    Raises ArchiveError with the entry and the rule it breaks.
    """
    stream, tally = UnpackedStream(pieces), _Tally(limits)
    long_name = ""
    while (header := stream.read(BLOCK_BYTES)) != _ZEROS:
        _check_header(header)
        kind, path = header[156:157], long_name or _path(header)
        size = _number(header[124:136], path, "size")
        tally.count(path, size)
        if kind == _GNU_LONG_NAME and not long_name:
            long_name = _read_long_name(stream, size, limits)
            continue
        if kind in _PAX_TYPES:
            _check_pax(_read_extension(stream, size, path), path)
            continue
        long_name = ""
        entry = _make_entry(kind, path, size, _number(header[100:108], path, "mode"), stream, limits)
        yield entry
        entry.skip()
    if long_name:
        raise refuse(long_name, "a long name without its entry")
    _check_end(stream)


class _Tally:
    """Counts headers and bytes against the limits."""

    def __init__(self, limits: ArchiveLimits) -> None:
        self._limits = limits
        self._headers = 0
        self._bytes = 0

    def count(self, path: str, size: int) -> None:
        self._headers += 1
        self._bytes += size
        if self._headers > self._limits.max_entries:
            raise refuse(path, f"the archive has more than {self._limits.max_entries:,} entries")
        if size > self._limits.max_file_bytes:
            raise refuse(path, f"the file has {size:,} bytes; at most {self._limits.max_file_bytes:,} are allowed")
        if self._bytes > self._limits.max_unpacked_bytes:
            raise refuse(path, f"the archive has more than {self._limits.max_unpacked_bytes:,} bytes unpacked")


def _check_header(header: bytes) -> None:
    if header[257:265] not in (_POSIX_MAGIC, _GNU_MAGIC):
        raise ArchiveError("the archive is not a tar file, or has no ustar headers")
    wanted = _number(header[148:156], _shown_name(header), "checksum")
    if wanted != sum(header[:148]) + 8 * ord(" ") + sum(header[156:]):
        raise refuse(_shown_name(header), "the header is damaged: its checksum differs")


def _shown_name(header: bytes) -> str:
    return header[:100].partition(b"\0")[0].decode("utf-8", "backslashreplace")


def _path(header: bytes) -> str:
    name = header[:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0] if header[257:265] == _POSIX_MAGIC else b""
    return decode_path(prefix + b"/" + name if prefix else name)


def _number(text: bytes, path: str, what: str) -> int:
    found = _NUMBER.match(text)
    if found is None:
        raise refuse(path, f"the {what} in the header is not an octal number")
    return int(found[1], 8)


def _make_entry(
    kind: bytes, path: str, size: int, mode: int, stream: UnpackedStream, limits: ArchiveLimits
) -> TarEntry:
    if kind not in (*_FILE_TYPES, _FOLDER_TYPE):
        shown = _OTHER_TYPES.get(kind, f"an entry of the unknown type {kind.decode('latin-1')!r}")
        raise refuse(path, f"it is {shown}; a package has regular files and folders only")
    is_folder = kind == _FOLDER_TYPE
    path = path.removesuffix("/") if is_folder else path
    check_path(path, limits)
    if is_folder and size:
        raise refuse(path, "a folder with content")
    if mode & _SPECIAL_MODE_BITS:
        raise refuse(path, f"the mode {mode:o} has setuid, setgid or the sticky bit")
    return TarEntry(path, size, is_folder, bool(mode & _OWNER_EXECUTES), stream)


def _read_extension(stream: UnpackedStream, size: int, path: str) -> bytes:
    if size > _MAX_EXTENSION_BYTES:
        raise refuse(path, f"an extended header of more than {_MAX_EXTENSION_BYTES:,} bytes")
    content = stream.read(size)
    stream.read(-size % BLOCK_BYTES)
    return content


def _read_long_name(stream: UnpackedStream, size: int, limits: ArchiveLimits) -> str:
    """Read the name that GNU tar writes before the entry of a path of more than 100 bytes."""
    content = _read_extension(stream, size, "a long name")
    name = content.removesuffix(b"\0")
    if b"\0" in name or len(name) <= 100:
        raise refuse(decode_path(name), "a long name that is short, or has NUL")
    path = decode_path(name)
    check_path(path.removesuffix("/"), limits)
    return path


def _check_pax(content: bytes, path: str) -> None:
    """Let times and owners pass, which are not used.  Raises ArchiveError for a header that changes path or size."""
    while content:
        length, space, _ = content.partition(b" ")
        if not space or not length.isdigit() or len(length) > 5 or not len(length) + 1 < int(length) <= len(content):
            raise refuse(path, "an extended header that is damaged")
        record, content = content[len(length) + 1 : int(length)], content[int(length) :]
        key = record.partition(b"=")[0].decode("utf-8", "backslashreplace")
        if not record.endswith(b"\n") or b"=" not in record:
            raise refuse(path, "an extended header that is damaged")
        if key not in _HARMLESS_PAX_KEYS:
            raise refuse(path, f"an extended header sets {key[:100]!r}", hint="write the archive in the format ustar")


def _check_end(stream: UnpackedStream) -> None:
    padding = 0
    while piece := stream.read_some(BLOCK_BYTES * 128):
        padding += len(piece)
        if piece.strip(b"\0"):
            raise ArchiveError("the archive is refused: there is data after the end of the tar file")
        if padding > _MAX_PADDING_BYTES:
            raise ArchiveError(f"the archive is refused: more than {_MAX_PADDING_BYTES:,} zeros after its end")
    if padding < BLOCK_BYTES:
        raise ArchiveError("the archive is cut off: the tar file has no end")
