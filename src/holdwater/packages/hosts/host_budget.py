"""The number of host processes of one process: one limit, whatever the number of pools."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from holdwater.packages.hosts.host_process import HostProcess
from holdwater.packages.hosts.host_queue import HostQueue

MIN_STAY_SECONDS: Final = 5.0
"""time that a host has for the calls of its release, before it makes room for others that wait for longer"""


class PoolOfHosts(Protocol):
    """A pool that draws on a budget; the lock of the budget is held whenever it is called."""

    def count_hosts(self) -> int:
        """Return the number of its hosts that count towards the limit."""
        ...

    def longest_idle(self) -> tuple[float, Callable[[], None]] | None:
        """Return since when its longest idle host has had nothing to do, and what ends that host; None without one."""
        ...


class HostBudget:
    """The hosts that the pools of one process may have at once; those of several tenants share it.

    The pools share its lock and its queue: a call waits in the order of coming, whichever pool it came to.
    """

    def __init__(self, max_hosts: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.lock: Final = threading.Lock()
        self.queue: Final = HostQueue(max_hosts, self._count_hosts, self._make_room, self._may_stay)
        self.max_hosts: Final = max_hosts
        self._monotonic = monotonic
        self._pools: list[PoolOfHosts] = []
        self.start_count = self.failed_start_count = self.crash_count = 0
        """since the budget was made; a crash is the end of a host in a call"""

    def add(self, pool: PoolOfHosts) -> None:
        """Count the hosts of a pool, too."""
        with self.lock:
            self._pools.append(pool)

    def remove(self, pool: PoolOfHosts) -> None:
        """Forget a pool, whose hosts have ended.  Idempotent."""
        with self.lock:
            if pool in self._pools:
                self._pools.remove(pool)
            self.queue.serve_all()

    @property
    def is_exceeded(self) -> bool:
        """There are more hosts than the limit allows: calls that waited go on.  The lock is held."""
        return self._count_hosts() > self.max_hosts

    def _count_hosts(self) -> int:
        return sum([pool.count_hosts() for pool in self._pools])

    def _may_stay(self, host: HostProcess) -> bool:
        return self._monotonic() - host.started_at < MIN_STAY_SECONDS

    def _make_room(self) -> bool:
        """End the host that is idle for longest; False if none is."""
        idle = [found for pool in self._pools if (found := pool.longest_idle()) is not None]
        if not idle:
            return False
        min(idle, key=lambda one: one[0])[1]()
        return True
