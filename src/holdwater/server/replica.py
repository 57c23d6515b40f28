"""The row of a process among the replicas of a server, and the tenants that it wakes when it starts."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable
from typing import Final

from holdwater import __version__
from holdwater.errors import HoldwaterError, StoreError
from holdwater.model.time import Micros
from holdwater.server.control import statements as sql
from holdwater.server.control.database import ControlDatabase

logger = logging.getLogger("holdwater.server")

HEARTBEAT_SECONDS: Final = 10.0
FORGOTTEN_AFTER_US: Final = 3_600_000_000
"""silence after which the row of a replica is deleted by the others"""


class Replica:
    """Writes the row of this process until it is closed, in a thread.

    `awake`: lists the tenants that are awake here.  `wake`: wakes one; `names`: those to wake at the start.
    """

    def __init__(
        self,
        control: ControlDatabase,
        address: str,
        awake: Callable[[], list[str]],
        names: Callable[[], list[str]],
        wake: Callable[[str], None],
    ) -> None:
        self.id: Final = uuid.uuid4().hex
        self._control, self._address, self._awake = control, address, awake
        self._names, self._wake = names, wake
        self._started_at = control.clock.now()
        self._state, self._closed = "serving", threading.Event()
        self._beat = threading.Event()
        self._thread = threading.Thread(target=self._run, name="holdwater-replica", daemon=True)

    def start(self) -> None:
        """Write the row, and wake the tenants: their runs may wait for a runner, and their schedules be due."""
        self._thread.start()

    def start_draining(self) -> None:
        """Say that this process takes no more requests."""
        self._state = "draining"
        self._beat.set()

    def close(self) -> None:
        """Delete the row.  Idempotent."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._beat.set()
        if self._thread.ident is not None:
            self._thread.join()
        try:
            self._control.execute(sql.DELETE_REPLICAS, (self.id, self._forgotten_before()))
        except StoreError as error:  # it is shown as gone soon, and deleted by others later
            logger.warning("the row of this process stays: %s", error.message)

    def _run(self) -> None:
        self._write()
        self._wake_all()
        while not self._closed.is_set():
            self._beat.wait(HEARTBEAT_SECONDS)
            self._beat.clear()
            self._write()

    def _write(self) -> None:
        control, now = self._control, self._control.clock.now()
        row = (
            self.id, socket.gethostname(), os.getpid(), __version__, self._address, self._started_at, now,
            self._state, json.dumps(self._awake()),
        )  # fmt: skip
        try:
            control.execute(sql.PUT_REPLICA, row)
            control.execute(sql.DELETE_REPLICAS, ("", self._forgotten_before()))
        except StoreError as error:  # the next heartbeat tries again
            logger.warning("the heartbeat of this process was not written: %s", error.message)

    def _wake_all(self) -> None:
        try:
            names = self._names()
        except StoreError as error:  # the first request to each wakes it
            logger.warning("tenants are not woken: %s", error.message)
            return
        for name in names:
            if self._closed.is_set():
                return
            try:
                self._wake(name)
            except HoldwaterError as error:  # of this tenant, and no other's
                logger.warning("tenant %s cannot be woken: %s", name, error.message)

    def _forgotten_before(self) -> Micros:
        return Micros(self._control.clock.now() - FORGOTTEN_AFTER_US)
