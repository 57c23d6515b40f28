"""Identifiers: UUIDs of version 7 (RFC 9562), so that runs sort by their birth and indexes grow at one end."""

from __future__ import annotations

import os


def run_id(now_us: int) -> str:
    """A new id for a run born at this instant (microseconds since the epoch)."""
    ms, us = divmod(now_us, 1000)
    tail = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF
    number = (ms & 0xFFFF_FFFF_FFFF) << 80 | 7 << 76 | (us << 2) << 64 | 2 << 62 | tail
    h = f"{number:032x}"
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def incarnation() -> str:
    """A new id for a process that executes; never the same again, also not after a restart on the same host."""
    return os.urandom(8).hex()
