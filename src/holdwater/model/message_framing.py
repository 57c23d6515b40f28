"""Messages between processes: plain data as JSON with byte strings behind it, never pickles.

Four bytes with the length of the header (big-endian), the header `[data, [length of each blob, ...]]`, the blobs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from holdwater.errors import BadAnswer, DecodingError
from holdwater.model.strict_json import parse_untrusted_json

MAX_HEADER_BYTES: Final = 1 << 28
MAX_HEADER_DEPTH: Final = 10
"""levels of nesting in the header of a process that is not trusted"""

_to_json: Final = json.JSONEncoder(separators=(",", ":")).encode

ReadExactly = Callable[[int], bytes]
"""n -> the next n bytes"""


@dataclass(frozen=True, slots=True)
class FrameLimits:
    """Bounds of one frame from a process that is not trusted.  `max_blob_bytes`: of all its blobs together."""

    max_header_bytes: int
    max_blobs: int
    max_blob_bytes: int


def frame_parts(data: Any, *blobs: bytes) -> list[bytes]:
    """The frame of this data, in pieces to be written one after the other."""
    header = _to_json([data, [len(blob) for blob in blobs]]).encode()
    return [len(header).to_bytes(4, "big") + header, *blobs]


def pack_frame(data: Any, *blobs: bytes) -> bytes:
    """The frame of this data."""
    return b"".join(frame_parts(data, *blobs))


def read_frame(read_exactly: ReadExactly) -> tuple[Any, list[bytes]]:
    """The next frame: its data and blobs.  Raises DecodingError."""
    length = int.from_bytes(read_exactly(4), "big")
    if length > MAX_HEADER_BYTES:
        raise DecodingError("not a frame: its header would be larger than any")
    try:
        data, lengths = json.loads(read_exactly(length))
    except ValueError as error:
        raise DecodingError(f"not a frame: {error}") from error
    return data, [read_exactly(n) for n in lengths]


def read_untrusted_frame(read_exactly: ReadExactly, limits: FrameLimits) -> tuple[Any, list[bytes]]:
    """The next frame of a process that is not trusted.  Nothing is read before its length is known to be bearable.

    Raises BadAnswer.
    """
    length = int.from_bytes(read_exactly(4), "big")
    if length > limits.max_header_bytes:
        raise BadAnswer(f"the header of a message has {length:,} bytes, more than {limits.max_header_bytes:,}")
    header = parse_untrusted_json(read_exactly(length), "the header of a message", MAX_HEADER_DEPTH)
    if type(header) is not list or len(header) != 2 or type(header[1]) is not list:
        raise BadAnswer("a message has no list of the lengths of its parts")
    data, lengths = header
    if len(lengths) > limits.max_blobs or not all([type(n) is int and n >= 0 for n in lengths]):
        raise BadAnswer(f"a message has parts of wrong lengths, or more than {limits.max_blobs:,} of them")
    if sum(lengths) > limits.max_blob_bytes:
        raise BadAnswer(f"a message has {sum(lengths):,} bytes, more than {limits.max_blob_bytes:,}")
    return data, [read_exactly(n) for n in lengths]


def unpack_frame(frame: bytes) -> tuple[Any, list[bytes]]:
    """Return the arguments of `pack_frame`.  Raises DecodingError."""
    return read_frame(_FrameBytes(frame).take)


def unpack_untrusted_frame(frame: bytes, limits: FrameLimits) -> tuple[Any, list[bytes]]:
    """Return the arguments of `pack_frame`, which a process that is not trusted called.  Raises BadAnswer."""
    source = _FrameBytes(frame)
    try:
        made = read_untrusted_frame(source.take, limits)
    except DecodingError as error:
        raise BadAnswer(error.message) from error
    if source.position != len(frame):
        raise BadAnswer(f"a message has {len(frame) - source.position:,} bytes behind its end")
    return made


class _FrameBytes:
    """The bytes of a frame, taken in pieces."""

    def __init__(self, frame: bytes) -> None:
        self._frame = frame
        self.position = 0

    def take(self, count: int) -> bytes:
        """Return the next bytes.  Raises DecodingError if there are fewer."""
        start, self.position = self.position, self.position + count
        if self.position > len(self._frame):
            raise DecodingError(f"not a frame: it ends after {len(self._frame)} bytes")
        return self._frame[start : self.position]
