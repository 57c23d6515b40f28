"""The raylet of this machine, whose end is the end of all that is connected through it."""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any, Final

LOST: Final = b"the Ray node of this machine (its raylet) has ended"


def watch_raylet(ray: Any, tell: Callable[[bytes], None]) -> None:
    """End this process when the raylet it is connected to ends, after `tell`; Linux only.

    Calls that run then would wait for ever: their workers live on, and Ray reports neither of the two.
    """
    if hasattr(os, "pidfd_open"):
        pidfd = os.pidfd_open(_peer_pid(ray._private.worker.global_worker.node.raylet_socket_name))
        threading.Thread(target=_wait_for_end, args=(pidfd, tell), name="holdwater-raylet", daemon=True).start()


def _peer_pid(socket_path: str) -> int:
    """The process that listens at a Unix socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(socket_path)
        pid: int = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    return pid


def _wait_for_end(pidfd: int, tell: Callable[[bytes], None]) -> None:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    poller.poll()
    tell(LOST)
    os._exit(1)
