"""A program that renews the leases of its parent process while the parent runs but cannot renew them itself.

A task function may hold the GIL for any time; then no thread of its process renews.  The program is started without
`site` and imports nothing of the project; psycopg is imported only when a renewal is needed, which is rare.  The leases
of a stopped parent (SIGSTOP, Ctrl-Z) are not renewed: it executes nothing.

It reads JSON lines: {"path": sys.path}, and then for an owner {"owner", "parameters", "settings", "statement",
"lease_us", "offset_us"} each time its leases were renewed, or {"owner"} when it holds nothing.  It ends with its
parent.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PARENT_POLL_SECONDS = 60.0
"""longest time until it notices the end of a parent whose pipe other processes have inherited"""


def monotonic_now() -> int:
    """Read the monotonic clock its parent uses, µs."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1000


def is_process_stopped(pid: int) -> bool:
    """Return True if a process was stopped by a signal."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2]
    except OSError:
        shown = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)
        state = shown.stdout.strip()
    return state[:1] in ("T", "t")


class OwnerLeases:
    """The leases of one owner.  `due_at`: they are renewed then, by the monotonic clock, unless its process has."""

    def __init__(self) -> None:
        self.request: dict[str, Any] = {}
        self.due_at = 0
        self._connection: Any = None

    def note_renewed(self, request: dict[str, Any]) -> None:
        self.request, self.due_at = request, monotonic_now() + request["lease_us"] // 2
        self.close()

    def renew_leases(self) -> None:
        import psycopg

        lease_us: int = self.request["lease_us"]
        self.due_at = monotonic_now() + lease_us // 3
        try:
            if self._connection is None:
                self._connection = psycopg.connect(**self.request["parameters"], autocommit=True)
                for text in self.request["settings"]:
                    self._connection.execute(text)
            until = monotonic_now() + self.request["offset_us"] + lease_us
            psycopg.RawCursor(self._connection).execute(self.request["statement"], (until, self.request["owner"]))
        except psycopg.Error:  # the parent meets the same error on its own connection
            self.close()
            self.due_at = monotonic_now() + lease_us // 12

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def handle_message(line: bytes, owners: dict[str, OwnerLeases]) -> None:
    order = json.loads(line)
    if "path" in order:
        sys.path[:] = order["path"]
    elif "statement" in order:
        owners.setdefault(order["owner"], OwnerLeases()).note_renewed(order)
    elif order["owner"] in owners:
        owners.pop(order["owner"]).close()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which may shut down gracefully
    parent, rest = os.getppid(), b""
    owners: dict[str, OwnerLeases] = {}
    while os.getppid() == parent:
        now = monotonic_now()
        patience = min([PARENT_POLL_SECONDS, *[max(0.0, (owner.due_at - now) / 1e6) for owner in owners.values()]])
        if select.select([0], [], [], patience)[0]:
            said = os.read(0, 65_536)
            if not said:
                return
            *lines, rest = (rest + said).split(b"\n")
            for line in lines:
                handle_message(line, owners)
        for owner in owners.values():
            if owner.due_at > monotonic_now():
                continue
            if is_process_stopped(parent):
                owner.due_at = monotonic_now() + owner.request["lease_us"] // 12
            else:
                owner.renew_leases()


if __name__ == "__main__":
    main()
