"""Identifiers: UUIDs of version 7 (RFC 9562), so that runs sort by their birth and indexes grow at one end."""

from __future__ import annotations

import os
import re
import socket
from typing import Final

from holdwater.model.time import Micros

_HOSTNAME: Final = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:60] or "localhost"


def new_run_id(now: Micros) -> str:
    """A new id for a run born at this instant (microseconds since the epoch)."""
    ms, us = divmod(now, 1000)
    tail = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF
    number = (ms & 0xFFFF_FFFF_FFFF) << 80 | 7 << 76 | (us << 2) << 64 | 2 << 62 | tail
    h = f"{number:032x}"
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def new_owner_id(runner_id: str = "") -> str:
    """A new id for a runner of this process: `host.pid.random`; never the same again, also not after a restart.

    `runner_id`: stands before the random part, if it is given.  It has no dot.
    """
    return f"{_HOSTNAME}.{os.getpid()}.{runner_id}{'-' if runner_id else ''}{os.urandom(6).hex()}"


def parse_owner_id(owner: str) -> tuple[str | None, int | None]:
    """The host and the process of an owner's id; None for what it does not say."""
    host, *rest = owner.rsplit(".", 2)
    return (host, int(rest[0])) if len(rest) == 2 and rest[0].isdecimal() else (None, None)
