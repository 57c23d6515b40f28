"""The executor of packages: nodes performed by the hosts of their releases."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from holdwater.errors import BadAnswer, TaskCancelled, WorkerCrashed
from holdwater.packages.hosts.host_caller import HostCaller
from holdwater.packages.hosts.host_pool import HostPool
from holdwater.packages.hosts.host_process import HostProcess, bad_answer_error, describe_exit
from holdwater.packages.hosts.host_queue import HostWaiter
from holdwater.runtime.executors.base import TaskInvocation

MAX_IDLE_DEATHS: Final = 5
"""hosts that end one after the other before they have been given a call"""


@dataclass(frozen=True)
class HostExecutor:
    """Nodes of packages run in hosts of a pool, which outlives the runner.

    One that times out or does not heed a cancellation is killed with its host and all that this has started; a host
    that dies costs each of its nodes one attempt, of kind "CRASHED".
    """

    pool: HostPool

    @property
    def max_concurrent(self) -> int:
        """The number of hosts."""
        return self.pool.settings.max_hosts

    def max_concurrent_of(self, release: str) -> int:
        """Return the number of functions of a release that may run at once: its hosts, and what each of them takes."""
        return self.pool.max_calls_of(release)

    def open(self, name: str) -> HostBackend:
        """No host is started yet."""
        return HostBackend(self.pool)


class HostBackend:
    """The calls of one runner.  Thread-safe."""

    def __init__(self, pool: HostPool) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._calls: dict[TaskInvocation, HostCall] = {}
        self._is_closed = False

    def run_invocation(self, invocation: TaskInvocation) -> bytes:
        """Perform a node.  Raises WorkerCrashed, BadAnswer, ReleaseBroken, ReleaseNotFound, TaskCancelled, OSError."""
        call = HostCall(self._pool, invocation)
        with self._lock:
            self._calls[invocation] = call
        try:
            if invocation.is_abandoned or self._is_closed:  # given up before it was known here
                call.kill()
            return call.run()
        finally:
            with self._lock:
                del self._calls[invocation]

    def kill(self, invocation: TaskInvocation) -> None:
        """Kill the host, with everything it has started, or have the call wait no more for one."""
        with self._lock:
            call = self._calls.get(invocation)
        if call is not None:
            call.kill()

    def close(self) -> None:
        """Kill the calls that run; their pool and its idle hosts stay."""
        with self._lock:
            self._is_closed = True
            calls = list(self._calls.values())
        for call in calls:
            call.kill()


@dataclass(eq=False)
class HostCall:
    """One invocation on its way to a host."""

    pool: HostPool
    invocation: TaskInvocation
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _waiter: HostWaiter | None = None
    _host: HostProcess | None = None
    _is_killed: bool = False

    def run(self) -> bytes:
        """Perform the node.  Raises WorkerCrashed, BadAnswer, ReleaseBroken, ReleaseNotFound, TaskCancelled."""
        entry = self.pool.find_release(self.invocation.release)
        for _ in range(MAX_IDLE_DEATHS):
            self.invocation.hold_timeout()
            self._waiter = HostWaiter(entry)
            self.invocation.on_cancel(self._stop_waiting)
            if self._is_killed:
                raise self._given_up()
            host = self.pool.take(self._waiter, self._begin_host)
            self.invocation.start_timeout()
            answer = self._perform_in(host)
            if answer is not None:
                return answer
        raise WorkerCrashed(
            f"{MAX_IDLE_DEATHS} hosts of task {self.invocation.name!r} ended before they had it",
            hint="see what the modules of the package start when they are imported",
        )

    def _perform_in(self, host: HostProcess) -> bytes | None:
        """Perform the node in a host, and give that back; None if the host had ended before."""
        invocation = self.invocation
        try:
            answer = self._perform(host)
            invocation.check_answer(answer)
            self._leave(host)
        except (EOFError, OSError, BadAnswer) as error:
            if isinstance(error, BadAnswer):
                host.kill()
            code = self.pool.bury(host)
            if _died_idle(host) and not self._is_killed:
                return None
            if isinstance(error, BadAnswer):
                raise bad_answer_error(host, f"task {invocation.name!r}", error) from error
            raise WorkerCrashed(
                f"the host process {host.pid} of task {invocation.name!r} {describe_exit(code)} while it ran",
                hint="see its log; SIGKILL may mean that it was out of memory, or was killed",
            ) from error
        except BaseException:
            host.kill()
            self.pool.bury(host)
            raise
        self.pool.give_back(host)
        return answer

    def _leave(self, host: HostProcess) -> None:
        """Have the host killed no more for this call.  Raises EOFError if it has been."""
        with self._lock:
            self._host = None
            if self._is_killed:
                raise EOFError

    def _perform(self, host: HostProcess) -> bytes:
        reference = self.invocation.reference
        assert reference is not None
        secrets = host.installed.manifest.execution.secrets
        caller = HostCaller(self.invocation, partial(self.pool.count_waiting_call, host), secrets)
        try:
            return host.perform(caller, reference.to_data(), self.invocation.payload)
        finally:
            caller.end()

    def kill(self) -> None:
        """End it soon.  Does not block."""
        with self._lock:
            self._is_killed = True
            waiter = self._waiter
            if self._host is not None:
                self._host.kill()  # under the lock: when the call has left the host, that has others
        if waiter is not None:
            self.pool.give_up(waiter, self._given_up())

    def _stop_waiting(self, reason: str) -> None:
        """Have it wait no more for a host: what is to stop does not begin first.  Does not block."""
        if self._waiter is not None:
            self.pool.give_up(self._waiter, TaskCancelled(reason))

    def _begin_host(self, host: HostProcess) -> None:
        with self._lock:
            self._host = host
            if self._is_killed:
                host.kill()

    def _given_up(self) -> WorkerCrashed:
        return WorkerCrashed(f"task {self.invocation.name!r} was given up before a host was free")


def _died_idle(host: HostProcess) -> bool:
    """Return True if it died, or said what it must not, while it had nothing to do: no fault of the next task.

    With several calls at once that is not known.
    """
    is_shared = host.installed.manifest.execution.bodies_per_host > 1
    return not host.is_call_sent and host.call_count > 1 and not is_shared
