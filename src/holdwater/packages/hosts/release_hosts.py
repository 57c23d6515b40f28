"""The hosts of one release: which are there, which are free, and when the next may be started."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from holdwater.packages.hosts.host_process import HostProcess
from holdwater.packages.installing.installed import InstalledRelease

MAX_BACKOFF_SECONDS: Final = 60.0


class ReleaseHosts:
    """The hosts of one release; the lock of their budget is held whenever it is used.

    `is_added`: nodes of it are performed; `is_retired`: nothing more of it is.
    `starting`: hosts that are about to be there, `starting_extra` of them beyond the limits.  `hosts`: all that are
    there.
    """

    def __init__(self, installed: InstalledRelease, refusal: Callable[[ReleaseHosts], BaseException | None]) -> None:
        """Create it.  `refusal`: of its pool; returns the reason why a release has no more hosts, None if it has."""
        self.installed = installed
        self._refusal = refusal
        self.is_added = False
        self.is_retired = False
        self.starting = self.starting_extra = 0
        self.hosts: list[HostProcess] = []
        self._failures = 0
        self._failed_at = 0.0
        self.last_error = ""
        """the end of the last host that did not start; "" if the last one did"""

    def refuse(self) -> BaseException | None:
        """Return the reason why it has no more hosts; None: it has."""
        return self._refusal(self)

    @property
    def count(self) -> int:
        """Hosts that are there or about to be."""
        return len(self.hosts) + self.starting

    @property
    def working_count(self) -> int:
        """Hosts that count towards limits: without those whose calls all wait, perhaps for calls of other hosts.

        A host that was started beyond the limits does not count during its first call, as it would displace others.
        """
        uncounted = [host for host in self.hosts if host.is_waiting or host.is_extra]
        return self.count - self.starting_extra - len(uncounted)

    @property
    def has_surplus(self) -> bool:
        """True if there are more hosts than the package allows: calls that waited go on."""
        return self.working_count > self.installed.manifest.execution.max_concurrent

    def find_free(self) -> HostProcess | None:
        """Return a host that can take one more call: the one used last, so that the others become idle."""
        limit = self.installed.manifest.execution.bodies_per_host
        free = [
            host
            for host in self.hosts
            if host.running_calls - (host.waiting_calls if limit > 1 else 0) < limit and not host.is_retired
        ]
        return max(free, key=lambda host: (host.running_calls, host.idle_since), default=None)

    def may_start(self) -> bool:
        """Return True if the package allows one more host."""
        return self.working_count < self.installed.manifest.execution.max_concurrent

    def idle_hosts(self) -> list[HostProcess]:
        """Hosts that have nothing to do."""
        return [host for host in self.hosts if not host.running_calls]

    # -- starts that fail

    def seconds_to_next_start(self, now: float) -> float:
        """Seconds until a host may be started, 0 for at once; `now` in seconds of the monotonic clock."""
        if not self._failures:
            return 0.0
        return max(0.0, self._failed_at + min(2.0 ** (self._failures - 1), MAX_BACKOFF_SECONDS) - now)

    def note_failed_start(self, began_at: float, now: float, error: str) -> None:
        """Note that a host did not start; several that began together count once."""
        if not self._failures or began_at >= self._failed_at:
            self._failures += 1
            self._failed_at = now
        self.last_error = error

    def note_start(self) -> None:
        """Note that a host has started."""
        self._failures, self.last_error = 0, ""
