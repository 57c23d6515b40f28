"""Frames taken apart, so that large values in them can be sent and stored by themselves, once for many invocations."""

from __future__ import annotations

import json
from itertools import accumulate, pairwise
from typing import Final

LARGE_BYTES: Final = 65_536
"""values from this size on are stored in the object store; Ray sends smaller ones with the call"""
_MAX_DEPTH: Final = 3


def split_frame(frame: bytes, *, depth: int = _MAX_DEPTH) -> list[bytes]:
    """Split a frame, and frames in its blobs, so that each large blob is a part; joined, the parts are the frame."""
    if len(frame) < LARGE_BYTES or not depth:
        return [frame]
    bounds = _blob_bounds(frame)
    parts: list[bytes] = []
    small_from = 0
    for start, end in pairwise(bounds):
        if end - start >= LARGE_BYTES:
            if small_from < start:
                parts.append(frame[small_from:start])
            parts += split_frame(frame[start:end], depth=depth - 1)
            small_from = end
    if small_from < len(frame):
        parts.append(frame[small_from:])
    return parts


def _blob_bounds(frame: bytes) -> list[int]:
    """Return the bounds of the blobs; those of the whole if it is no frame."""
    header_end = 4 + int.from_bytes(frame[:4], "big")
    if header_end <= len(frame):
        try:
            _, lengths = json.loads(frame[4:header_end])
            bounds = list(accumulate(lengths, initial=header_end))
            if bounds[-1] == len(frame) and bounds == sorted(bounds):
                return bounds
        except (ValueError, TypeError):
            pass  # bytes of another kind: they are one part
    return [0, len(frame)]
