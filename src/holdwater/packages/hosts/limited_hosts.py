"""Hosts within limits: started when there is work, kept while there is, and ended one by one.

A host has the code of one release, and is a process of its own.  A call that needs one waits in a queue until the
limits of its package and of this process have room.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from holdwater.errors import HoldwaterError, ReleaseNotFound, RunnerClosed
from holdwater.packages.hosts.host_budget import HostBudget
from holdwater.packages.hosts.host_environment import HostEnvironment
from holdwater.packages.hosts.host_process import HostProcess
from holdwater.packages.hosts.host_queue import HostWaiter
from holdwater.packages.hosts.host_reaper import HostReaper
from holdwater.packages.hosts.host_starts import HostNotStarted, start_host
from holdwater.packages.hosts.host_status import broken
from holdwater.packages.hosts.release_hosts import ReleaseHosts
from holdwater.packages.installing.installed import InstalledRelease
from holdwater.packages.settings import PackageSettings

_MIB: Final = 1024 * 1024


class LimitedHosts:
    """The hosts of one process, or of one tenant of it, within their limits.  Thread-safe.

    `budget`: shared by the pools of several tenants; None: one of its own.
    Raises IsolationUnavailable naming what this machine lacks for `settings.isolation`, OSError for a home that cannot
    be written.
    """

    def __init__(
        self,
        settings: PackageSettings,
        home: Path,
        monotonic: Callable[[], float] = time.monotonic,
        budget: HostBudget | None = None,
    ) -> None:
        self.settings: Final = settings
        self._monotonic = monotonic
        self._environment = HostEnvironment(settings, home)
        self._budget = budget or HostBudget(settings.max_hosts, monotonic)
        self._lock, self._queue = self._budget.lock, self._budget.queue
        self._releases: dict[str, ReleaseHosts] = {}
        self._reaper = HostReaper()
        self._idle_timer: threading.Timer | None = None
        self._is_closed = False
        self._budget.add(self)

    # -- releases

    def add(self, installed: InstalledRelease) -> None:
        """Perform nodes of a release from now on; its hosts are started when there is work for them."""
        with self._lock:
            self._entry(installed).is_added = True

    def retire(self, release: str) -> None:
        """Perform nothing more of a release: its hosts finish what they have, and end.

        Calls that wait for one fail with ReleaseNotFound.  One that is not there is no error.
        """
        with self._lock:
            entry = self._releases.get(release)
            if entry is None:
                return
            entry.is_added, entry.is_retired = False, True
            for host in list(entry.hosts):
                host.is_retired = True
                if not host.running_calls:
                    self._end(entry, host)
            self._forget_if_unused(entry)
            self._queue.serve_all()

    def close(self) -> None:
        """End all hosts: idle ones at once, others are killed.  Idempotent."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            idle_timer = self._idle_timer
            for entry in self._releases.values():
                for host in list(entry.hosts):
                    if host.running_calls:
                        host.kill()  # the thread that waits for it collects it
                    else:
                        self._end(entry, host)
            self._queue.serve_all()
        if idle_timer is not None:  # without the lock, which it takes
            idle_timer.cancel()
            idle_timer.join()
        self._reaper.close()
        self._budget.remove(self)
        self._environment.close()

    # -- one call

    def find_release(self, release: str | None) -> ReleaseHosts:
        """Find the hosts of a release that was added.  Raises ReleaseNotFound."""
        with self._lock:
            entry = None if release is None else self._releases.get(release)
            if entry is None or not entry.is_added:
                raise ReleaseNotFound(f"release {release} of a package is not loaded in this process")
            return entry

    def max_calls_of(self, release: str) -> int:
        """Return the number of calls of a release that may run at once; the number of hosts if it is not there."""
        with self._lock:
            entry = self._releases.get(release)
        if entry is None:
            return self.settings.max_hosts
        execution = entry.installed.manifest.execution
        return execution.max_concurrent * execution.bodies_per_host

    def take(self, waiter: HostWaiter, on_host: Callable[[HostProcess], None]) -> HostProcess:
        """Wait for a host, or start one; `give_back` or `bury` follows.

        `on_host`: given a host that starts, at once.  Raises ReleaseBroken, ReleaseNotFound, RunnerClosed.
        """
        with self._lock:
            self._admit(waiter)
        return self._take_admitted(waiter, on_host)

    def _admit(self, waiter: HostWaiter) -> None:
        error = waiter.release.refuse()
        if error is not None:
            raise error
        self._queue.add(waiter)

    def _take_admitted(self, waiter: HostWaiter, on_host: Callable[[HostProcess], None]) -> HostProcess:
        waiter.decided.wait()
        if waiter.error is not None:
            raise waiter.error
        if waiter.host is not None:
            on_host(waiter.host)
            return waiter.host
        return self._start(waiter, on_host)

    def give_up(self, waiter: HostWaiter, error: BaseException) -> None:
        """Have a call wait no more.  Does not block."""
        with self._lock:
            self._queue.discard(waiter)
            waiter.refuse(error)

    def give_back(self, host: HostProcess) -> None:
        """Take back a host after a call.  It ends if it has had enough of them, or has grown too large."""
        is_spent = (
            host.has_lost_supervisor
            or host.call_count >= self.settings.max_calls_per_host
            or host.memory_bytes > self._environment.memory_mb(host.installed) * _MIB
        )
        with self._lock:
            entry = self._releases[host.installed.release]
            host.running_calls -= 1
            host.idle_since = self._monotonic()
            host.is_retired = host.is_retired or is_spent or entry.is_retired
            if not host.running_calls:
                host.is_extra = False
                is_surplus = self._budget.is_exceeded or entry.has_surplus
                if host.is_retired or is_surplus or self._is_closed:
                    self._end(entry, host)
                else:
                    self._schedule_idle_check(self.settings.idle_seconds)
            self._forget_if_unused(entry)
            self._queue.serve_all()

    def count_waiting_call(self, host: HostProcess, change: int) -> None:
        """Count a call of a host that waits (1), or goes on (-1).  Does not block.

        A host whose calls all wait is beyond the limits, so that the child runs it waits for get a host.
        """
        with self._lock:
            host.waiting_calls += change
            self._queue.serve_all()

    def bury(self, host: HostProcess) -> int:
        """Wait for the end of a host that was lost in a call; returns its exit code, negative for a signal."""
        code = host.reap()
        with self._lock:
            entry = self._releases[host.installed.release]
            host.running_calls -= 1
            self._budget.crash_count += 1
            if host in entry.hosts:
                entry.hosts.remove(host)
            self._forget_if_unused(entry)
            self._queue.serve_all()
        return code

    # -- for the budget, which holds the lock

    def count_hosts(self) -> int:
        """Return the number of hosts that count towards the limit."""
        return sum([entry.working_count for entry in self._releases.values()])

    def longest_idle(self) -> tuple[float, Callable[[], None]] | None:
        """Return since when the longest idle host has had nothing to do, and what ends it; None without one."""
        idle = [(host.idle_since, entry, host) for entry in self._releases.values() for host in entry.idle_hosts()]
        if not idle:
            return None
        since, entry, host = min(idle, key=lambda one: one[0])
        return since, partial(self._end_idle, entry, host)

    # -- within

    def _start(self, waiter: HostWaiter, on_host: Callable[[HostProcess], None]) -> HostProcess:
        """Start a host in the place that was granted.  Raises ReleaseBroken."""
        entry = waiter.release
        began_at = self._monotonic()
        host: HostProcess | None = None
        reason = ""
        try:
            host = start_host(entry.installed, self._environment, self.settings.start_timeout_seconds, on_host)
        except HostNotStarted as error:
            reason = str(error)
            raise broken(entry.installed, reason) from error
        finally:
            with self._lock:
                entry.starting -= 1
                entry.starting_extra -= waiter.beyond_limits
                if host is not None:
                    entry.note_start()
                    self._budget.start_count += 1
                    host.running_calls, host.is_extra = 1, waiter.beyond_limits
                    host.started_at = self._monotonic()
                    entry.hosts.append(host)
                elif reason:
                    self._budget.failed_start_count += 1
                    entry.note_failed_start(began_at, self._monotonic(), reason)
                self._forget_if_unused(entry)
                self._queue.serve_all()
        return host

    def _entry(self, installed: InstalledRelease) -> ReleaseHosts:
        entry = self._releases.get(installed.release)
        if entry is None:
            entry = self._releases[installed.release] = ReleaseHosts(installed, self._refusal)
        entry.is_retired = False
        return entry

    def _refusal(self, entry: ReleaseHosts) -> HoldwaterError | None:
        """Return the reason why a release has no more hosts; None: it has."""
        if self._is_closed:
            return RunnerClosed("the hosts of packages are closed")
        if entry.is_retired:
            return ReleaseNotFound(f"release {entry.installed.release} was removed from this process")
        seconds = entry.seconds_to_next_start(self._monotonic())
        if seconds and not entry.hosts:
            return broken(entry.installed, f"{entry.last_error}\nits hosts are tried again in {seconds:.0f} s")
        return None

    def _end(self, entry: ReleaseHosts, host: HostProcess) -> None:
        """Have an idle host end; the lock is held."""
        entry.hosts.remove(host)
        self._reaper.end(host)

    def _end_idle(self, entry: ReleaseHosts, host: HostProcess) -> None:
        self._end(entry, host)
        self._forget_if_unused(entry)

    def _forget_if_unused(self, entry: ReleaseHosts) -> None:
        """Drop a release that is not performed here and has no host; the lock is held."""
        if not entry.is_added and not entry.count and self._releases.get(entry.installed.release) is entry:
            del self._releases[entry.installed.release]

    def _schedule_idle_check(self, seconds: float) -> None:
        if self._idle_timer is None:
            self._idle_timer = threading.Timer(seconds, self._end_idle_hosts)
            self._idle_timer.daemon = True
            self._idle_timer.start()

    def _end_idle_hosts(self) -> None:
        with self._lock:
            self._idle_timer = None
            if self._is_closed:
                return
            ends = [
                (host.idle_since + self.settings.idle_seconds - self._monotonic(), entry, host)
                for entry in self._releases.values()
                for host in entry.idle_hosts()
            ]
            for left_seconds, entry, host in ends:
                if left_seconds <= 0:
                    self._end_idle(entry, host)
            if later := [left_seconds for left_seconds, *_ in ends if left_seconds > 0]:
                self._schedule_idle_check(min(later))
