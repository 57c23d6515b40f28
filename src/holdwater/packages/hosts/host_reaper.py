"""The thread that waits for the end of hosts that have no caller: idle ones, and those that are replaced."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Final

from holdwater.packages.hosts.host_process import HostProcess

JOIN_SECONDS: Final = 10.0


class HostReaper:
    """Collects hosts that were told to end.  Its thread begins with the first of them."""

    def __init__(self) -> None:
        self._ending: SimpleQueue[HostProcess | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def end(self, host: HostProcess) -> None:
        """Have a host end that has no call.  Does not wait for it."""
        host.send_goodbye()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._reap_all, name="holdwater-host-reaper", daemon=True)
                self._thread.start()
        self._ending.put(host)

    def close(self) -> None:
        """Wait until all of them have ended."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._ending.put(None)
            thread.join(JOIN_SECONDS)

    def _reap_all(self) -> None:
        while (host := self._ending.get()) is not None:
            host.reap()
