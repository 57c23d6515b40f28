"""Which owners of work are alive, as a PostgreSQL store can know: by their leases, and by their sessions.

A lease is an instant of a clock that may be set, and of a server that may hang.  So it has ended only when its owner
was also seen not to renew it: for half a lease by the monotonic clock of whoever looks, and, from when it is over on,
for a sixth of one without a longer pause between two looks.  Owners renew by thirds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b


@dataclass(slots=True)
class LeaseObservation:
    """An owner as it was seen.  `last`: when the last of its leases ends; `since`: when that was first seen.

    `expired_since_us`: since when the first of its leases is over; None: it is not.
    """

    last_expiry_us: int
    first_seen_us: int
    expired_since_us: int | None = None


class LeaseObserver:
    """What one store has seen of the owners of others."""

    def __init__(self) -> None:
        self._observations: dict[str, LeaseObservation] = {}
        self._last_observed_us = 0

    def find_expired_owners(
        self, leases: Sequence[tuple[str, int, int]], now: int, steady_us: int, lease_us: int
    ) -> list[str]:
        """The owners whose expired work may be taken.

        `lease_keeper`: of each owner when the first and the last one ends.
        """
        blind = steady_us - self._last_observed_us > lease_us // 3  # the server may have hung, for everybody
        seen: dict[str, LeaseObservation] = {}
        found = []
        for owner, first, last in leases:
            sight = self._observations.get(owner)
            if sight is None or sight.last_expiry_us != last:
                sight = LeaseObservation(last, steady_us)
            seen[owner] = sight
            if first > now:
                sight.expired_since_us = None
                continue
            if sight.expired_since_us is None or blind:
                sight.expired_since_us = steady_us
            if steady_us - sight.first_seen_us >= lease_us // 2 and steady_us - sight.expired_since_us >= lease_us // 6:
                found.append(owner)
        self._observations, self._last_observed_us = seen, steady_us
        return found


def owner_lock_key(owner: str) -> int:
    """The advisory lock a session of the owner holds as long as its process lives: a signed 64-bit number."""
    return int.from_bytes(
        blake2b(f"holdwater owner {owner}".encode(errors="backslashreplace"), digest_size=8).digest(), signed=True
    )
