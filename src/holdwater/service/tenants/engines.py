"""Engines of tenants: made when they are needed, ended when they are idle, and not more than a limit at once."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, Protocol, TypeVar, get_args

from holdwater.errors import RunnerClosed, TenantWaking

MAX_WAIT_SECONDS: Final = 10.0
"""longest wait of a request for an engine, while all are in use"""
LOOK_SECONDS: Final = 0.1
"""between two looks for an engine that has become idle, which it does not say"""
MIN_AWAKE_SECONDS: Final = 60.0
"""time that an engine with work has before others that wait"""
MAX_ENDING_SHARE: Final = 8
"""one engine of so many may be ending beyond the limit, so that what comes in its place need not wait for it"""

WakeCause = Literal["request", "news", "due", "daily"]
"""the reason an engine was made for: a request, news of a channel, an instant that has come, the look of once a day"""
WAKE_CAUSES: Final[tuple[WakeCause, ...]] = get_args(WakeCause)

logger = logging.getLogger("holdwater.tenants")


class AwakeEngine(Protocol):
    """An engine of a tenant, with what belongs to it."""

    @property
    def is_busy(self) -> bool:
        """True while it has runs, hosts, streams or jobs."""
        ...

    def close_streams_soon(self) -> None:
        """Have its streams end: their clients connect again."""
        ...

    def end_work_soon(self) -> None:
        """Have what it executes end at once; `close` takes no time for it then.  Does not block; idempotent."""
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
    """At most `limit` engines, and a few beyond it that are ending.  Thread-safe.

    `make`: makes the engine of a tenant; called by one thread at a time for each, and not before the one it had has
    ended.  `idle_seconds`: time after which one without work or requests is ended.  `on_awake`: called when an engine
    was made.  `on_asleep`: called when one has ended.
    """

    make: Callable[[str], EngineT]
    limit: int = 64
    idle_seconds: float = 60.0
    on_awake: Callable[[WakeCause], None] = lambda cause: None
    on_asleep: Callable[[str], None] = lambda name: None
    monotonic: Callable[[], float] = time.monotonic
    _entries: OrderedDict[str, _Entry[EngineT]] = field(default_factory=OrderedDict, init=False)
    """the least recently used first"""
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)
    _is_closed: bool = field(default=False, init=False)

    @property
    def max_ending(self) -> int:
        """The number of engines that may be ending beyond the limit."""
        return max(1, self.limit // MAX_ENDING_SHARE)

    def borrow(self, name: str, wait_seconds: float = MAX_WAIT_SECONDS, cause: WakeCause = "request") -> EngineT:
        """Return the engine of a tenant, which stays awake until it is given back; made if need be.

        One that has to end for it ends in a thread of its own.  Raises TenantWaking if there is no room for it for so
        long, RunnerClosed, and what `make` raises.
        """
        give_up = time.monotonic() + wait_seconds
        with self._changed:
            while True:
                self._check_open()
                entry = self._entries.get(name)
                if entry is not None and entry.state == "awake":
                    return self._lend(name, entry)
                if entry is None and self._make_room():
                    entry = self._entries[name] = _Entry()
                    break
                left = give_up - time.monotonic()
                if left <= 0:
                    raise self._refusal(name)
                self._changed.wait(min(left, LOOK_SECONDS))
        return self._make(name, entry, cause)

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

    def give_back(self, name: str, engine: EngineT) -> None:
        """End one use of an engine that was borrowed; does nothing for one that has ended.  Does not block."""
        with self._changed:
            entry = self._entries.get(name)
            if entry is not None and entry.engine is engine and entry.borrowers:
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

    def names(self) -> set[str]:
        """Return the tenants that have an engine, also one that is made or ends."""
        with self._changed:
            return set(self._entries)

    def remove(self, name: str) -> bool:
        """End an engine at once, whatever it does; returns True if there was one."""
        with self._changed:
            was_there = name in self._entries
            while (entry := self._entries.get(name)) is not None and entry.state != "awake":
                if entry.engine is not None:  # it ends, and is not to take its time any more
                    entry.engine.end_work_soon()
                self._changed.wait()
            if entry is None:
                return was_there
            assert entry.engine is not None
            entry.state = "closing"
            entry.engine.end_work_soon()
        self._close(name, entry)
        return True

    def close(self) -> None:
        """End all engines, side by side, and make no more.  Idempotent."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            while any([entry.state == "waking" for entry in self._entries.values()]):
                self._changed.wait()
            for name, entry in self._entries.items():
                if entry.state == "awake":
                    self._end_soon(name, entry)
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

    def _refusal(self, name: str) -> TenantWaking:
        entry = self._entries.get(name)
        if entry is not None and entry.state == "closing":
            why = f"tenant {name!r} made room for others, and what it executes has some time to end"
        else:
            why = f"tenant {name!r} is being woken, and {self.limit} others are at work"
        return TenantWaking(why, hint="try again in a few seconds, or raise tenant_engines")

    def _make(self, name: str, entry: _Entry[EngineT], cause: WakeCause) -> EngineT:
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
        self.on_awake(cause)
        return engine

    def _make_room(self) -> bool:
        """Return True if there is room for one more, or another one ends for it.  The lock is held."""
        if len(self._entries) >= self.limit + self.max_ending:
            return False
        ending = [entry for entry in self._entries.values() if entry.state == "closing"]
        if len(self._entries) - len(ending) < self.limit:
            return True
        victim = self._choose_victim()
        if victim is None:
            return False
        self._end_soon(*victim)
        return True

    def _choose_victim(self) -> tuple[str, _Entry[EngineT]] | None:
        """Choose an engine to end for another one; None: there is none now.  The lock is held.

        First the least recently used one without work, then one that has worked for a while; the streams of one that
        requests have are asked to end.
        """
        awake = [(name, entry) for name, entry in self._entries.items() if entry.state == "awake"]
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
        return chosen

    def _end_soon(self, name: str, entry: _Entry[EngineT]) -> None:
        """End an engine in a thread of its own.  The lock is held."""
        entry.state = "closing"
        threading.Thread(target=self._close_or_log, args=(name, entry), name="holdwater-tenant-end").start()

    def _close_or_log(self, name: str, entry: _Entry[EngineT]) -> None:
        try:
            self._close(name, entry)
        except Exception:
            logger.exception("tenant %s does not end in order", name)

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
