"""Liveness of owners in a PostgreSQL database, by their leases and their sessions.

A lease ends at an instant of a clock that may be set, on a server that may hang.  So it counts as expired only when
its owner was also observed not to renew it: for half a lease by the observer's monotonic clock, and, after the instant
has passed, for a sixth of a lease without a longer pause between two observations.  Owners renew every third.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from holdwater.model.time import MONOTONIC_UNSET, Micros, MonotonicMicros


@dataclass(slots=True)
class LeaseObservation:
    """An owner as observed, by the monotonic clock.

    `last_expires_at`: end of its latest lease.  `first_seen_at`: first observation of that.  `expired_since`: first
    observation at which its earliest lease was over; None if it is not.
    """

    last_expires_at: Micros
    first_seen_at: MonotonicMicros
    expired_since: MonotonicMicros | None = None


class LeaseObserver:
    """Observations of the owners of other stores."""

    def __init__(self) -> None:
        self._observations: dict[str, LeaseObservation] = {}
        self._last_observed_at = MONOTONIC_UNSET

    def find_expired_owners(
        self, leases: Sequence[tuple[str, Micros, Micros]], now: Micros, monotonic_now: MonotonicMicros, lease_us: int
    ) -> list[str]:
        """List the owners whose expired work may be taken.  `leases`: (owner, end of its first, end of its last)."""
        blind = monotonic_now - self._last_observed_at > lease_us // 3  # the server may have hung, for all its clients
        seen: dict[str, LeaseObservation] = {}
        found = []
        for owner, first, last in leases:
            sight = self._observations.get(owner)
            if sight is None or sight.last_expires_at != last:
                sight = LeaseObservation(last, monotonic_now)
            seen[owner] = sight
            if first > now:
                sight.expired_since = None
                continue
            if sight.expired_since is None or blind:
                sight.expired_since = monotonic_now
            unrenewed_us, expired_us = monotonic_now - sight.first_seen_at, monotonic_now - sight.expired_since
            if unrenewed_us >= lease_us // 2 and expired_us >= lease_us // 6:
                found.append(owner)
        self._observations, self._last_observed_at = seen, monotonic_now
        return found


def owner_lock_key(owner: str) -> int:
    """Return the key of the advisory lock a session of the owner holds while its process lives, a signed bigint."""
    return int.from_bytes(
        blake2b(f"holdwater owner {owner}".encode(errors="backslashreplace"), digest_size=8).digest(), signed=True
    )
