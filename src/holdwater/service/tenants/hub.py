"""The thread that wakes tenants and puts them to sleep: by news of their channels, and by what is due."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Generic, Protocol

from holdwater.errors import HoldwaterError, RunnerClosed, TenantWaking
from holdwater.model.next_work import NextWork
from holdwater.model.ports.clock import Clock
from holdwater.model.time import Micros, add_seconds
from holdwater.service.tenants.engines import EngineT, TenantEngines, WakeCause
from holdwater.service.tenants.replicas import preferred_replica
from holdwater.service.tenants.sleepers import BROKEN_SECONDS, Sleepers
from holdwater.storage import notifications
from holdwater.storage.listening import SharedListener, Subscription

DIRECTORY_SECONDS: Final = 5.0
"""between two looks at the list of tenants and at the other replicas"""
MAX_SWEEP_SECONDS: Final = 5.0
"""between two looks for idle engines"""
BUSY_RETRY_SECONDS: Final = 1.0
"""before a tenant is woken again for which there was no room"""
WAKING_THREADS: Final = 4
MAX_PAUSE_SECONDS: Final = 60.0

logger = logging.getLogger("holdwater.tenants")


class TenantSource(Protocol):
    """The tenants, the other replicas, and the work of a tenant that is asleep."""

    def names(self) -> Sequence[str]:
        """List the tenants.  Raises StoreUnavailable."""
        ...

    def beat(self, awake: Collection[str]) -> Collection[str]:
        """Note that this replica lives, and which tenants are awake; returns the ids of all that do.

        Raises StoreUnavailable.
        """
        ...

    def read_next(self, name: str) -> NextWork | None:
        """Read the next work of a tenant; None before its first use, which makes its tables.

        Raises StoreUnavailable, StoreError, TenantNotFound.
        """
        ...


@dataclass
class TenantHub(Generic[EngineT]):
    """`own_id`: of this replica.  `listener`: of the database of all tenants."""

    engines: TenantEngines[EngineT]
    source: TenantSource
    listener: SharedListener
    own_id: str
    clock: Clock
    _posted: deque[Callable[[Micros], None]] = field(default_factory=deque, init=False)
    _wakeup: threading.Event = field(default_factory=threading.Event, init=False)
    _subscriptions: dict[str, tuple[str, Subscription]] = field(default_factory=dict, init=False)
    _replicas: Collection[str] = field(default_factory=tuple, init=False)
    _left: dict[str, NextWork] = field(default_factory=dict, init=False)
    _falling_asleep: set[str] = field(default_factory=set, init=False)
    _being_removed: set[str] = field(default_factory=set, init=False)
    _is_closed: bool = field(default=False, init=False)
    _is_directory_old: bool = field(default=False, init=False)
    _directory_at: Micros = field(default=Micros(0), init=False)
    _sweep_at: Micros = field(default=Micros(0), init=False)

    def __post_init__(self) -> None:
        self._sleepers = Sleepers(self._read, self._is_preferred, self.engines.is_awake, self._wake_soon)
        self._pool = ThreadPoolExecutor(WAKING_THREADS, thread_name_prefix="holdwater-waking")
        self._thread = threading.Thread(target=self._run, name="holdwater-tenants", daemon=True)
        self.engines.on_asleep = self._on_asleep

    def start(self) -> None:
        """Start the thread, which reads the work of all tenants first."""
        self._thread.start()

    def close(self) -> None:
        """Wake no more tenants, and put none to sleep.  Idempotent."""
        self._is_closed = True
        self._wakeup.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for _, subscription in self._subscriptions.values():
            subscription.close()
        self._subscriptions.clear()

    def look_at_directory(self) -> None:
        """Look at the list of tenants at once: one was made or removed.  Does not block."""
        self._is_directory_old = True  # told many times, it looks once
        self._wakeup.set()

    # -- from any thread

    def _post(self, action: Callable[[Micros], None]) -> None:
        self._posted.append(action)
        self._wakeup.set()

    def _on_message(self, name: str, message: str) -> None:
        told = notifications.decode(message.partition(" ")[2])
        if told.work_available or told.schedules_changed:
            self._note_news(name)

    def _note_news(self, name: str) -> None:
        self._post(lambda now: self._sleepers.note_news(name, now))

    def _on_asleep(self, name: str) -> None:
        left = self._left.pop(name, None)
        self._post(lambda now: self._sleepers.note_asleep(name, left, now))

    # -- the thread

    def _run(self) -> None:
        while not self._is_closed:
            self._wakeup.clear()
            try:
                next_at = self._run_once(self.clock.now())
            except Exception:
                logger.exception("looking for work of tenants; it is tried again")
                next_at = add_seconds(self.clock.now(), BUSY_RETRY_SECONDS)
            seconds = self.clock.seconds_until(next_at)
            self._wakeup.wait(MAX_PAUSE_SECONDS if seconds is None else min(MAX_PAUSE_SECONDS, max(0.0, seconds)))

    def _run_once(self, now: Micros) -> Micros:
        """Do what is due; returns the next instant."""
        while self._posted:
            self._posted.popleft()(now)
        if self._is_directory_old or now >= self._directory_at:
            self._refresh(now)
        if now >= self._sweep_at:
            self._sweep_at = add_seconds(now, min(MAX_SWEEP_SECONDS, self.engines.idle_seconds / 4))
            self._sweep()
        due_at = self._sleepers.run_due(now)
        return min(self._directory_at, self._sweep_at, *([] if due_at is None else [due_at]))

    def _refresh(self, now: Micros) -> None:
        self._is_directory_old = False
        self._directory_at = add_seconds(now, DIRECTORY_SECONDS)
        known = self._sleepers.names() | self.engines.names()  # before it is read: a tenant that is made then is in it
        try:
            self._replicas = self.source.beat(self.engines.awake())
            names = set(self.source.names())
        except HoldwaterError as error:
            logger.warning("the list of tenants cannot be read, and is read again: %s", error)
            return
        for name in sorted(names - self._sleepers.names()):
            self._sleepers.add(name, now)
        for name in known - names:
            self._sleepers.remove(name)
            if name in self._subscriptions:
                self._subscriptions.pop(name)[1].close()
            if name not in self._being_removed:
                self._being_removed.add(name)
                self._pool.submit(self._remove, name)

    def _read(self, name: str) -> NextWork | None:
        found = self.source.read_next(name)
        if found is None:
            return None
        held = self._subscriptions.get(name)
        if held is None or held[0] != found.channel:
            if held is not None:
                held[1].close()
            self._subscriptions[name] = (
                found.channel,
                # what has come before it listens is found by the look that this asks for
                self.listener.subscribe(found.channel, partial(self._on_message, name), partial(self._note_news, name)),
            )
        return found

    def _is_preferred(self, name: str) -> bool:
        return preferred_replica(name, self._replicas or (self.own_id,)) == self.own_id

    # -- waking and falling asleep, in the threads of the pool

    def _wake_soon(self, name: str, cause: WakeCause) -> None:
        self._pool.submit(self._wake, name, cause)

    def _wake(self, name: str, cause: WakeCause) -> None:
        try:
            engine = self.engines.borrow(name, BUSY_RETRY_SECONDS, cause)
        except TenantWaking:
            self._post(lambda now: self._sleepers.retry(name, now, BUSY_RETRY_SECONDS))
        except RunnerClosed:
            pass  # it ends
        except HoldwaterError as error:  # of this tenant alone
            logger.warning("tenant %s cannot be woken, and is tried again in %g s: %s", name, BROKEN_SECONDS, error)
            self._post(lambda now: self._sleepers.retry(name, now, BROKEN_SECONDS))
        except Exception:
            logger.exception("tenant %s cannot be woken, and is tried again in %g s", name, BROKEN_SECONDS)
            self._post(lambda now: self._sleepers.retry(name, now, BROKEN_SECONDS))
        else:
            self.engines.give_back(name, engine)

    def _remove(self, name: str) -> None:
        try:
            self.engines.remove(name)
        except Exception:
            logger.exception("tenant %s, which was removed, does not end in order", name)
        finally:
            self._being_removed.discard(name)

    def _sweep(self) -> None:
        for name in self.engines.idle():
            if name not in self._falling_asleep:
                self._falling_asleep.add(name)
                self._pool.submit(self._put_to_sleep, name)

    def _put_to_sleep(self, name: str) -> None:
        try:
            left = self.source.read_next(name)
            now = self.clock.now()
            if left is not None:
                if left.due_at is not None and now < left.due_at <= add_seconds(now, self.engines.idle_seconds):
                    self.engines.keep(name)
                    return
                self._left[name] = left
            if not self.engines.put_to_sleep(name):
                self._left.pop(name, None)
        except HoldwaterError as error:
            logger.warning("tenant %s stays awake: %s", name, error)
            self.engines.keep(name)
        except Exception:
            logger.exception("tenant %s does not end in order", name)
        finally:
            self._falling_asleep.discard(name)
