"""Decompression of bzip2 and gzip, piece by piece, so that a small archive cannot fill the memory."""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Iterator
from typing import Final

from holdwater.errors import ArchiveError

_IN_BYTES: Final = 64 * 1024
_OUT_BYTES: Final = 256 * 1024
BZIP2_MAGIC: Final = b"BZh"
GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW_BITS: Final = 31


def iter_decompressed(data: bytes) -> Iterator[bytes]:
    """Yield the content of a bzip2 or gzip stream in pieces of at most 256 kB.  The caller stops when it has too much.

    Raises ArchiveError for any other format, for damage, for a missing end and for data after it.
    """
    try:
        if data.startswith(BZIP2_MAGIC):
            yield from _iter_bzip2(data)
        elif data.startswith(GZIP_MAGIC):
            yield from _iter_gzip(data)
        else:
            raise ArchiveError(
                "the archive is neither compressed with bzip2 nor with gzip",
                hint="a package is made by `holdwater package build`",
            )
    except (OSError, zlib.error, EOFError) as error:
        raise ArchiveError(f"the archive is damaged: {error}") from error


def _iter_bzip2(data: bytes) -> Iterator[bytes]:
    stream, position = bz2.BZ2Decompressor(), 0
    while not stream.eof:
        piece = b""
        if stream.needs_input:
            piece = data[position : position + _IN_BYTES]
            if not piece:
                raise ArchiveError("the archive is cut off: the compressed data has no end")
            position += len(piece)
        unpacked = stream.decompress(piece, _OUT_BYTES)
        if unpacked:
            yield unpacked
    _check_end(len(data) - position + len(stream.unused_data))


def _iter_gzip(data: bytes) -> Iterator[bytes]:
    stream, position = zlib.decompressobj(_GZIP_WINDOW_BITS), 0
    while not stream.eof:
        piece = stream.unconsumed_tail
        if not piece:
            piece = data[position : position + _IN_BYTES]
            position += len(piece)
        unpacked = stream.decompress(piece, _OUT_BYTES)
        if unpacked:
            yield unpacked
        elif not piece and not stream.eof:
            raise ArchiveError("the archive is cut off: the compressed data has no end")
    _check_end(len(data) - position + len(stream.unused_data))


def _check_end(rest_bytes: int) -> None:
    if rest_bytes:
        raise ArchiveError(f"the archive has {rest_bytes:,} bytes after the end of its compressed data")
