"""Messages between processes: plain data as JSON with byte strings behind it, never pickles.

Four bytes with the length of the header (big-endian), the header `[data, [length of each blob, ...]]`, the blobs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from holdwater.errors import DecodingError

MAX_HEADER_BYTES: Final = 1 << 28

_to_json: Final = json.JSONEncoder(separators=(",", ":")).encode


def frame_parts(data: Any, *blobs: bytes) -> list[bytes]:
    """The frame of this data, in pieces to be written one after the other."""
    header = _to_json([data, [len(blob) for blob in blobs]]).encode()
    return [len(header).to_bytes(4, "big") + header, *blobs]


def pack_frame(data: Any, *blobs: bytes) -> bytes:
    """The frame of this data."""
    return b"".join(frame_parts(data, *blobs))


def read_frame(read_exactly: Callable[[int], bytes]) -> tuple[Any, list[bytes]]:
    """The next frame: its data and blobs.  `take(n)` gives the next n bytes.  Raises DecodingError."""
    length = int.from_bytes(read_exactly(4), "big")
    if length > MAX_HEADER_BYTES:
        raise DecodingError("not a frame: its header would be larger than any")
    try:
        data, lengths = json.loads(read_exactly(length))
    except ValueError as error:
        raise DecodingError(f"not a frame: {error}") from error
    return data, [read_exactly(n) for n in lengths]


def unpack_frame(frame: bytes) -> tuple[Any, list[bytes]]:
    """Return the arguments of `pack_frame`.  Raises DecodingError."""
    at = 0

    def take(count: int) -> bytes:
        nonlocal at
        at += count
        if at > len(frame):
            raise DecodingError(f"not a frame: it ends after {len(frame)} bytes")
        return frame[at - count : at]

    return read_frame(take)
