"""The queue for hosts: limits of packages and of the process, in the order of coming."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from holdwater.packages.hosts.host_process import HostProcess
from holdwater.packages.hosts.release_hosts import ReleaseHosts


class HostWaiter:
    """One call that waits for a host.  `host` None when it is `decided`: it may start one.

    `beyond_limits`: it may start one where the limits have no room, as the poll of a trigger.
    """

    def __init__(self, release: ReleaseHosts, *, beyond_limits: bool = False) -> None:
        self.release: Final = release
        self.beyond_limits: Final = beyond_limits
        self.host: HostProcess | None = None
        self.error: BaseException | None = None
        self.decided: Final = threading.Event()

    def refuse(self, error: BaseException) -> None:
        """Let it wait no more; the lock of the budget is held."""
        if not self.decided.is_set():
            self.error = error
            self.decided.set()


class HostQueue:
    """The waiting calls; the lock of their budget is held whenever it is used.

    `count_hosts`: hosts that count towards the limit.  `make_room`: ends an idle host of another release; returns False
    if there is none.  `may_stay`: returns True if a host may take calls of its release before those of others that came
    first: a start costs more than most calls.
    """

    def __init__(
        self,
        max_hosts: int,
        count_hosts: Callable[[], int],
        make_room: Callable[[], bool],
        may_stay: Callable[[HostProcess], bool],
    ) -> None:
        self._max_hosts, self._count_hosts, self._make_room, self._may_stay = (
            max_hosts, count_hosts, make_room, may_stay,
        )  # fmt: skip
        self._waiting: deque[HostWaiter] = deque()

    def add(self, waiter: HostWaiter) -> None:
        """Serve a call, or have it wait."""
        if not self._serve(waiter):
            self._waiting.append(waiter)

    def discard(self, waiter: HostWaiter) -> None:
        """Take back a call that was given up."""
        if waiter in self._waiting:
            self._waiting.remove(waiter)

    def serve_all(self) -> None:
        """Serve those that can be served now, and refuse those whose release has no more hosts."""
        self._serve_by_free_hosts()
        left: deque[HostWaiter] = deque()
        for waiter in self._waiting:
            error = waiter.release.refuse()
            if error is not None:
                waiter.refuse(error)
            elif not waiter.decided.is_set() and not self._serve(waiter):
                left.append(waiter)
        self._waiting = left

    def _serve_by_free_hosts(self) -> None:
        """Have free hosts stay with their release, unless their time is over and one with fewer hosts waits."""
        fewest = min([waiter.release.count for waiter in self._waiting], default=0)
        for waiter in self._waiting:
            host = None if waiter.decided.is_set() else waiter.release.find_free()
            if host is not None and (self._may_stay(host) or waiter.release.count <= fewest):
                host.running_calls += 1
                waiter.host = host
                waiter.decided.set()

    def _serve(self, waiter: HostWaiter) -> bool:
        release = waiter.release
        host = release.find_free()
        if host is not None:
            host.running_calls += 1
            waiter.host = host
        elif waiter.beyond_limits or (
            release.may_start() and (self._count_hosts() < self._max_hosts or self._make_room())
        ):
            release.starting += 1
            release.starting_extra += waiter.beyond_limits
        else:
            return False
        waiter.decided.set()
        return True
