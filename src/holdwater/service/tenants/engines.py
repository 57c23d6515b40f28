"""Engines of tenants: made when they are needed, ended when they are idle, and not more than a limit at once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, Protocol, TypeVar

from holdwater.errors import RunnerClosed, TenantWaking

MAX_WAIT_SECONDS: Final = 10.0
"""longest wait of a request for an engine, while all are in use"""
MIN_AWAKE_SECONDS: Final = 60.0
"""time that an engine with work has before others that wait"""


class AwakeEngine(Protocol):
    """An engine of a tenant, with what belongs to it."""

    @property
    def is_busy(self) -> bool:
        """True while it has runs, hosts, streams or jobs."""
        ...

    def close_streams_soon(self) -> None:
        """Have its streams end: their clients connect again."""
        ...

    def close(self) -> None:
        """End it in order; functions that run have some time."""
        ...


EngineT = TypeVar("EngineT", bound=AwakeEngine)


@dataclass(slots=True)
class _Entry(Generic[EngineT]):
    engine: EngineT | None = None
    """None while it is made"""
    state: Literal["waking", "awake", "closing"] = "waking"
    borrowers: int = 0
    awake_since: float = 0.0
    used_at: float = 0.0


@dataclass(slots=True)
class TenantEngines(Generic[EngineT]):
    """At most `limit` engines.  Thread-safe.

    `make`: makes the engine of a tenant; called by one thread at a time for each.  `idle_seconds`: time after which one
    without work or requests is ended.  `on_asleep`: called when an engine has ended.
    """

    make: Callable[[str], EngineT]
    limit: int = 64
    idle_seconds: float = 60.0
    on_asleep: Callable[[str], None] = lambda name: None
    monotonic: Callable[[], float] = time.monotonic
    _entries: OrderedDict[str, _Entry[EngineT]] = field(default_factory=OrderedDict, init=False)
    """the least recently used first"""
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)
    _is_closed: bool = field(default=False, init=False)

    def borrow(self, name: str, wait_seconds: float = MAX_WAIT_SECONDS) -> EngineT:
        """Return the engine of a tenant, which stays awake until it is given back; made if need be.

        Raises TenantWaking if there is no room for it for so long, RunnerClosed, and what `make` raises.
        """
        give_up = time.monotonic() + wait_seconds
        while True:
            with self._changed:
                self._check_open()
                entry = self._entries.get(name)
                if entry is not None and entry.state == "awake":
                    return self._lend(name, entry)
                victim = None
                if entry is None:
                    if len(self._entries) < self.limit:
                        entry = self._entries[name] = _Entry()
                        break
                    victim = self._choose_victim()
                if victim is None:
                    left = give_up - time.monotonic()
                    if left <= 0 or not self._changed.wait(left):
                        raise TenantWaking(
                            f"tenant {name!r} is being woken, and {self.limit} others are at work",
                            hint="try again in a few seconds, or raise tenant_engines",
                        )
                    continue
            self._close(*victim)
        return self._make(name, entry)

    def borrow_awake(self, name: str) -> EngineT | None:
        """Return the engine of a tenant as `borrow` does, None if that might block.  Raises RunnerClosed."""
        if not self._changed.acquire(blocking=False):
            return None
        try:
            self._check_open()
            entry = self._entries.get(name)
            return self._lend(name, entry) if entry is not None and entry.state == "awake" else None
        finally:
            self._changed.release()

    def give_back(self, name: str) -> None:
        """End one use of an engine.  Does not block."""
        with self._changed:
            entry = self._entries.get(name)
            if entry is not None and entry.borrowers:
                entry.borrowers -= 1
                entry.used_at = self.monotonic()
                self._changed.notify_all()

    def is_awake(self, name: str) -> bool:
        """Return True while there is an engine of the tenant, or it is made."""
        with self._changed:
            entry = self._entries.get(name)
            return entry is not None and entry.state != "closing"

    def awake(self) -> list[str]:
        """Return the names of the tenants that are awake, sorted."""
        with self._changed:
            return sorted([name for name, entry in self._entries.items() if entry.state == "awake"])

    def engines(self) -> list[EngineT]:
        """Return the engines that are awake."""
        with self._changed:
            return [entry.engine for entry in self._entries.values() if entry.engine is not None]

    def idle(self) -> list[str]:
        """Return the tenants that have been idle for long enough, and note which are not."""
        found = []
        with self._changed:
            now = self.monotonic()
            for name, entry in self._entries.items():
                if entry.state != "awake" or entry.engine is None:
                    continue
                if entry.borrowers or entry.engine.is_busy:
                    entry.used_at = now
                elif now - entry.used_at >= self.idle_seconds:
                    found.append(name)
        return found

    def keep(self, name: str) -> None:
        """Keep an idle engine awake: something is due soon."""
        with self._changed:
            if name in self._entries:
                self._entries[name].used_at = self.monotonic()

    def put_to_sleep(self, name: str) -> bool:
        """End an engine, unless it is borrowed or busy; returns True if it has ended."""
        with self._changed:
            entry = self._entries.get(name)
            if entry is None or entry.state != "awake" or entry.engine is None:
                return False
            if entry.borrowers or entry.engine.is_busy:
                return False
            entry.state = "closing"
        self._close(name, entry)
        return True

    def remove(self, name: str) -> bool:
        """End an engine whatever it does, its streams first; returns True if there was one."""
        with self._changed:
            while (entry := self._entries.get(name)) is not None and entry.state != "awake":
                self._changed.wait()
            if entry is None:
                return False
            entry.state = "closing"
        self._close(name, entry)
        return True

    def close(self) -> None:
        """End all engines, side by side, and make no more.  Idempotent."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            while any([entry.state == "waking" for entry in self._entries.values()]):
                self._changed.wait()
            ending = [(name, entry) for name, entry in self._entries.items() if entry.state == "awake"]
            for _, entry in ending:
                entry.state = "closing"
        threads = [threading.Thread(target=self._close, args=one, name="holdwater-tenant-end") for one in ending]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with self._changed:
            while self._entries:
                self._changed.wait()

    # -- within

    def _check_open(self) -> None:
        if self._is_closed:
            raise RunnerClosed("this server is shutting down")

    def _lend(self, name: str, entry: _Entry[EngineT]) -> EngineT:
        """Count a use of an engine that is awake.  The lock is held."""
        assert entry.engine is not None
        entry.borrowers += 1
        entry.used_at = self.monotonic()
        self._entries.move_to_end(name)
        return entry.engine

    def _make(self, name: str, entry: _Entry[EngineT]) -> EngineT:
        try:
            engine = self.make(name)
        except BaseException:
            with self._changed:
                del self._entries[name]
                self._changed.notify_all()
            raise
        with self._changed:
            entry.engine, entry.state, entry.borrowers = engine, "awake", 1
            entry.awake_since = entry.used_at = self.monotonic()
            self._entries.move_to_end(name)
            self._changed.notify_all()
        return engine

    def _choose_victim(self) -> tuple[str, _Entry[EngineT]] | None:
        """Choose an engine to end for another one; None: there is none now.  The lock is held.

        First the least recently used one without work, then one that has worked for a while; the streams of one that
        requests have are asked to end.
        """
        awake = [(name, entry) for name, entry in self._entries.items() if entry.state == "awake"]
        if len(awake) < len(self._entries) and any([entry.state == "closing" for entry in self._entries.values()]):
            return None  # there is room soon
        free = [
            (name, entry, entry.engine) for name, entry in awake if not entry.borrowers and entry.engine is not None
        ]
        chosen = next(((name, entry) for name, entry, engine in free if not engine.is_busy), None)
        if chosen is None:
            now = self.monotonic()
            aged = [one for one in free if now - one[1].awake_since >= MIN_AWAKE_SECONDS]
            chosen = next(((name, entry) for name, entry, _ in aged), None)
        if chosen is None:
            for _, entry in awake:
                if entry.borrowers and entry.engine is not None:
                    entry.engine.close_streams_soon()
                    break
            return None
        chosen[1].state = "closing"
        return chosen

    def _close(self, name: str, entry: _Entry[EngineT]) -> None:
        """End an engine whose state is "closing"."""
        assert entry.engine is not None
        try:
            entry.engine.close()
        finally:
            with self._changed:
                del self._entries[name]
                self._changed.notify_all()
            self.on_asleep(name)
