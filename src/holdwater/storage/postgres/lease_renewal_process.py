"""A program: renews the leases of the process that started it, while that process runs and cannot do so itself.

A body may hold the interpreter's lock for as long as it likes; then nothing in its process renews.  This program is
started without `site` and imports nothing of the project; the driver of the database is imported only when it has to
act, which is hardly ever.  One that was stopped (SIGSTOP, Ctrl-Z) is not helped: nothing of it runs.

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

PARENT_LOOK_SECONDS = 60.0
"""how long it may take to notice the end of a parent whose pipe others have inherited"""


def steady_us() -> int:
    """The monotonic clock its parent goes by."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1000


def is_stopped(pid: int) -> bool:
    """Whether a process was stopped by a signal."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2]
    except OSError:
        shown = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)
        state = shown.stdout.strip()
    return state[:1] in ("T", "t")


class Owner:
    """Leases to renew.  `due`: when its process is late with renewing them, by the monotonic clock."""

    def __init__(self) -> None:
        self.order: dict[str, Any] = {}
        self.due = 0
        self._connection: Any = None

    def renewed(self, order: dict[str, Any]) -> None:
        self.order, self.due = order, steady_us() + order["lease_us"] // 2
        self.close()

    def renew(self) -> None:
        import psycopg

        lease_us: int = self.order["lease_us"]
        self.due = steady_us() + lease_us // 3
        try:
            if self._connection is None:
                self._connection = psycopg.connect(**self.order["parameters"], autocommit=True)
                for text in self.order["settings"]:
                    self._connection.execute(text)
            until = steady_us() + self.order["offset_us"] + lease_us
            psycopg.RawCursor(self._connection).execute(self.order["statement"], (until, self.order["owner"]))
        except psycopg.Error:  # its process will hear of it from its own connection
            self.close()
            self.due = steady_us() + lease_us // 12

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def obey(line: bytes, owners: dict[str, Owner]) -> None:
    order = json.loads(line)
    if "path" in order:
        sys.path[:] = order["path"]
    elif "statement" in order:
        owners.setdefault(order["owner"], Owner()).renewed(order)
    elif order["owner"] in owners:
        owners.pop(order["owner"]).close()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for its parent, which may have work to end
    parent, rest = os.getppid(), b""
    owners: dict[str, Owner] = {}
    while os.getppid() == parent:
        now = steady_us()
        patience = min([PARENT_LOOK_SECONDS, *[max(0.0, (owner.due - now) / 1e6) for owner in owners.values()]])
        if select.select([0], [], [], patience)[0]:
            said = os.read(0, 65_536)
            if not said:
                return
            *lines, rest = (rest + said).split(b"\n")
            for line in lines:
                obey(line, owners)
        for owner in owners.values():
            if owner.due > steady_us():
                continue
            if is_stopped(parent):
                owner.due = steady_us() + owner.order["lease_us"] // 12
            else:
                owner.renew()


if __name__ == "__main__":
    main()
