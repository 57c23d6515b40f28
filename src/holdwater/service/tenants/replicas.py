"""The replica that a tenant prefers: all agree on it, and few tenants move when one comes or goes."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b


def preferred_replica(tenant: str, replicas: Collection[str]) -> str | None:
    """Return the id of the replica that wakes a tenant first (rendezvous hashing); None if there are no replicas."""
    return max(replicas, key=lambda replica: (_weight(tenant, replica), replica), default=None)


def _weight(tenant: str, replica: str) -> bytes:
    return blake2b(f"{tenant}\0{replica}".encode(), digest_size=8).digest()
