"""Messages to systemd about the state of this process (sd_notify), if it has asked for them."""

from __future__ import annotations

import os
import socket


def notify(state: str) -> None:
    """Send `READY=1` or `STOPPING=1` to the socket in NOTIFY_SOCKET; nothing without one, or where there is none.

    Source: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address or not hasattr(socket, "AF_UNIX"):
        return
    if address.startswith("@"):  # a socket in the abstract namespace
        address = f"\0{address[1:]}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.connect(address)
            channel.sendall(state.encode())
        except OSError:  # the service manager went away: that is no reason to stop working
            return
