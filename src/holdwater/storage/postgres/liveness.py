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
class Sight:
    """An owner as it was seen.  `last`: when the last of its leases ends; `since`: when that was first seen.

    `late_since`: since when the first of its leases is over; None: it is not.
    """

    last: int
    since: int
    late_since: int | None = None


class Watch:
    """What one store has seen of the owners of others."""

    def __init__(self) -> None:
        self._seen: dict[str, Sight] = {}
        self._looked_at = 0

    def silent(self, leases: Sequence[tuple[str, int, int]], now: int, steady_us: int, lease_us: int) -> list[str]:
        """The owners whose expired work may be taken.  `leases`: of each owner when the first and the last one ends."""
        blind = steady_us - self._looked_at > lease_us // 3  # the server may have hung, for everybody
        seen: dict[str, Sight] = {}
        found = []
        for owner, first, last in leases:
            sight = self._seen.get(owner)
            if sight is None or sight.last != last:
                sight = Sight(last, steady_us)
            seen[owner] = sight
            if first > now:
                sight.late_since = None
                continue
            if sight.late_since is None or blind:
                sight.late_since = steady_us
            if steady_us - sight.since >= lease_us // 2 and steady_us - sight.late_since >= lease_us // 6:
                found.append(owner)
        self._seen, self._looked_at = seen, steady_us
        return found


def lock_key(owner: str) -> int:
    """The advisory lock a session of the owner holds as long as its process lives: a signed 64-bit number."""
    return int.from_bytes(
        blake2b(f"holdwater owner {owner}".encode(errors="backslashreplace"), digest_size=8).digest(), signed=True
    )
