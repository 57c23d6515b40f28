"""Removal of tenants while several replicas serve them: each ends the engine it has before the tables are dropped."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from holdwater.errors import HoldwaterError, StoreError, TenantNotFound, TenantUnavailable
from holdwater.model.time import add_seconds
from holdwater.server.control import statements as sql
from holdwater.server.control.database import ControlDatabase
from holdwater.server.control.replicas import ALIVE_SECONDS
from holdwater.server.control.tenant_directory import TenantDirectory
from holdwater.server.control.tenant_table import announce_tenant
from holdwater.storage.listening import SharedListener
from holdwater.storage.postgres.liveness import owner_lock_key
from holdwater.storage.postgres.statements import LIST_HELD_LOCKS

REMOVAL_SECONDS: Final = 60.0
"""longest time a tenant gets no engine for a removal whose process hangs"""
MAX_WAIT_SECONDS: Final = 10.0
"""longest wait for the other replicas: one that hangs does not keep a tenant from being removed"""
LIVENESS_SECONDS: Final = 0.5
"""between two looks whether replicas that have not answered live; those are told again"""
BEGIN_AGAIN_SECONDS: Final = 0.1
"""between two tries to begin a removal while another one is under way"""
ENDING_THREADS: Final = 4

logger = logging.getLogger("holdwater.tenants")


class TenantRemovals:
    """Ends the engines of tenants that are removed, here and in the other replicas.  Thread-safe.

    It listens from when it is made until `close`.  `own_id`: of this replica; a lock of that name says that its process
    lives.  `end_engine`: ends the engine of a tenant in this process at once; returns True if there was one.
    `on_changed`: called when a tenant was made, changed or removed, or that may have been missed; must not block.

    Making it raises StoreUnavailable.
    """

    def __init__(
        self,
        control: ControlDatabase,
        listener: SharedListener,
        own_id: str,
        end_engine: Callable[[str], bool],
        on_changed: Callable[[], None],
    ) -> None:
        self._control, self._own_id, self._lock_key = control, own_id, owner_lock_key(own_id)
        self._end_engine, self._on_changed = end_engine, on_changed
        self._directory = TenantDirectory(control)
        self._condition = threading.Condition()
        self._ended: set[tuple[str, str]] = set()
        """(tenant, replica) of engines that have ended for a removal that waits here"""
        self._waiting: set[str] = set()
        self._asked: set[str] = set()
        """tenants that another replica removes, and whose engine is to be ended here"""
        self._threads = ThreadPoolExecutor(ENDING_THREADS, thread_name_prefix="holdwater-tenant-removal")
        ((channel,),) = control.select(sql.GET_TENANTS_CHANNEL)
        self._subscription = listener.subscribe(channel, self._on_message, on_changed, (own_id,))

    def close(self) -> None:
        """Listen no more, and wait for what is being ended.  Idempotent."""
        self._subscription.close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    # -- the replica that removes

    @contextlib.contextmanager
    def removing(self, name: str) -> Iterator[bool]:
        """Have no engine of a tenant anywhere while the block removes it; its value: there was one in this process.

        Waits up to `MAX_WAIT_SECONDS` for the other replicas.  If the block fails the tenant is served again.
        Raises TenantNotFound; TenantUnavailable if it is being removed already; StoreUnavailable.
        """
        self._begin(name)
        try:
            was_awake = self._end_engine(name)
            self._wait_for_others(name)
            yield was_awake
        finally:
            self._forget(name)
            self._finish(name)

    def _begin(self, name: str) -> None:
        """Say that a tenant is being removed, in its row and on the channel; waits for a removal that is under way."""
        self._subscription.wait_first_attempt()  # the session that listens holds the lock
        give_up = time.monotonic() + MAX_WAIT_SECONDS
        while not self._has_begun(name):
            with contextlib.suppress(TenantUnavailable):
                self._directory.find(name)
            if time.monotonic() > give_up:
                raise TenantUnavailable(f"tenant {name!r} is being removed", hint="it takes a few seconds")
            time.sleep(BEGIN_AGAIN_SECONDS)

    def _has_begun(self, name: str) -> bool:
        """Begin a removal; returns False if one is under way, or there is no such tenant."""
        now = self._control.clock.now()
        row = (add_seconds(now, REMOVAL_SECONDS), self._lock_key, name, now)
        try:
            with self._control.transaction() as connection:
                if not connection.execute(sql.BEGIN_REMOVAL, row).rowcount:
                    return False
                with self._condition:  # others may answer as soon as it is committed
                    self._waiting.add(name)
                announce_tenant(connection, "removing", name)
        except StoreError:
            self._forget(name)
            raise
        return True

    def _forget(self, name: str) -> None:
        with self._condition:
            self._waiting.discard(name)
            self._ended = {one for one in self._ended if one[0] != name}

    def _finish(self, name: str) -> None:
        """Serve a tenant again that was not removed."""
        try:
            with self._control.transaction() as connection:
                if connection.execute(sql.END_REMOVAL, (name, self._lock_key)).rowcount:
                    announce_tenant(connection, "changed", name)
        except StoreError as error:
            logger.warning("tenant %s is served again in %g s: %s", name, REMOVAL_SECONDS, error)
        self._on_changed()

    def _wait_for_others(self, name: str) -> None:
        give_up = time.monotonic() + MAX_WAIT_SECONDS
        since = add_seconds(self._control.clock.now(), -ALIVE_SECONDS)
        missing = {id_ for (id_,) in self._control.select(sql.LIST_OTHER_REPLICAS, (since, self._own_id))}
        while missing and time.monotonic() < give_up:
            missing = self._wait_for_answers(name, missing)
            missing &= self._living(missing)
            if missing:  # one that begins just now, or whose connection was lost, has not heard of it
                with self._control.transaction() as connection:
                    announce_tenant(connection, "removing", name)
        if missing:
            logger.warning("tenant %s is removed, though %d replicas did not say that it ended", name, len(missing))

    def _wait_for_answers(self, name: str, replicas: set[str]) -> set[str]:
        """Wait for a moment; returns the replicas that have not answered."""

        def unanswered() -> set[str]:
            return {replica for replica in replicas if (name, replica) not in self._ended}

        with self._condition:
            self._condition.wait_for(lambda: not unanswered(), LIVENESS_SECONDS)
            return unanswered()

    def _living(self, replicas: set[str]) -> set[str]:
        """Return those whose processes live, by the locks of their sessions."""
        keys = {owner_lock_key(replica): replica for replica in replicas}
        return {keys[key] for (key,) in self._control.select(LIST_HELD_LOCKS, ([*keys],))} if keys else set()

    # -- every replica

    def _on_message(self, message: str) -> None:
        """Take in an announcement, in the thread that listens."""
        change, name, by = (*message.split(" "), "", "")[:3]
        if change == "ended":
            with self._condition:
                if name in self._waiting:
                    self._ended.add((name, by))
                    self._condition.notify_all()
        elif change == "removing":
            with self._condition:
                if name in self._waiting or name in self._asked:
                    return
                self._asked.add(name)
            self._threads.submit(self._end_here, name)
        else:
            self._on_changed()

    def _end_here(self, name: str) -> None:
        """End the engine of a tenant that another replica removes, and say so."""
        with self._condition:
            self._asked.discard(name)
        try:
            try:
                self._directory.find(name)
                return  # it is not being removed: a role of a tenant may have said so
            except (TenantNotFound, TenantUnavailable):
                self._end_engine(name)
            with self._control.transaction() as connection:
                announce_tenant(connection, "ended", name, self._own_id)
        except HoldwaterError as error:
            logger.warning("the removal of tenant %s is not answered: %s", name, error)
        except Exception:
            logger.exception("tenant %s, which is being removed, does not end in order", name)
