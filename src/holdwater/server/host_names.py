"""Names in `Host` headers: a page whose foreign name resolves to this server is an attack (DNS rebinding)."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def host_name(host: str) -> str | None:
    """Return the name in a `Host` header in small letters, None if it is none."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises ValueError
        return None if parts.path or parts.query or parts.username is not None else parts.hostname
    except ValueError:
        return None


def requested_host(request: Request) -> str | None:
    """Return the name in the one `Host` header of a request; None if it has none, or several."""
    hosts = request.headers.getlist("host")
    return host_name(hosts[0]) if len(hosts) == 1 else None


class AllowedHosts:
    """Names of a server: that of its public URL, further ones, and those of the machine.

    `bind`: the address it listens at.  One that listens at the loopback has loopback names; any other can be called by
    every IP address, as probes do: an address in the place of a name is resolved by no attacker.
    """

    def __init__(self, bind: str, public_url: str = "", names: Iterable[str] = ()) -> None:
        self._is_loopback = bind in LOOPBACK_NAMES
        public = urlsplit(public_url).hostname
        machine = () if self._is_loopback else (socket.gethostname().lower(),)
        self._names = LOOPBACK_NAMES.union((name.lower() for name in names), machine, (public,) if public else ())

    def has(self, request: Request) -> bool:
        """Return True if a request was sent to this server by one of its names."""
        name = requested_host(request)
        return name is not None and (name in self._names or (not self._is_loopback and _is_address(name)))


def is_loopback_http(request: Request) -> bool:
    """Return True if a browser of this machine calls without TLS."""
    return request.url.scheme == "http" and requested_host(request) in LOOPBACK_NAMES


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
