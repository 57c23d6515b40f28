"""Addresses of clients, as limits and the audit log use them; the HTTP server reads those behind trusted proxies."""

from __future__ import annotations

import ipaddress

from starlette.requests import HTTPConnection


def address_of(connection: HTTPConnection) -> str:
    """Return the address of a client; of IPv6 its network of 64 bits, all of which one client has."""
    host = connection.client.host if connection.client is not None else ""
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False))
