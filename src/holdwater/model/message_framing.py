"""Messages between processes: plain data as JSON with byte strings behind it, never pickles.

Four bytes with the length of the header (big-endian), the header `[data, [length of each blob, ...]]`, the blobs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from holdwater.errors import DecodingError

HEADER_LIMIT_BYTES: Final = 1 << 28

_compact: Final = json.JSONEncoder(separators=(",", ":")).encode


def parts(data: Any, *blobs: bytes) -> list[bytes]:
    """The frame of this data, in pieces to be written one after the other."""
    header = _compact([data, [len(blob) for blob in blobs]]).encode()
    return [len(header).to_bytes(4, "big") + header, *blobs]


def pack(data: Any, *blobs: bytes) -> bytes:
    """The frame of this data."""
    return b"".join(parts(data, *blobs))


def read(take: Callable[[int], bytes]) -> tuple[Any, list[bytes]]:
    """The next frame: its data and blobs.  `take(n)` gives the next n bytes.  Raises DecodingError."""
    length = int.from_bytes(take(4), "big")
    if length > HEADER_LIMIT_BYTES:
        raise DecodingError("not a frame: its header would be larger than any")
    try:
        data, lengths = json.loads(take(length))
    except ValueError as error:
        raise DecodingError(f"not a frame: {error}") from error
    return data, [take(n) for n in lengths]


def unpack(frame: bytes) -> tuple[Any, list[bytes]]:
    """What `pack` was given.  Raises DecodingError."""
    at = 0

    def take(count: int) -> bytes:
        nonlocal at
        at += count
        if at > len(frame):
            raise DecodingError(f"not a frame: it ends after {len(frame)} bytes")
        return frame[at - count : at]

    return read(take)
