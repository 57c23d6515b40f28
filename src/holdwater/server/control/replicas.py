"""The replicas of a server: a row each, written again and again while they live."""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Collection, Sequence
from typing import Final

from holdwater import __version__
from holdwater.model.time import Micros, add_seconds
from holdwater.server.control import statements as sql
from holdwater.server.control.database import ControlDatabase

ALIVE_SECONDS: Final = 15.0
"""silence after which the others do a replica's part: three heartbeats"""
FORGOTTEN_SECONDS: Final = 3600.0


class ReplicaTable:
    """The row of this replica, and those of the others.  `address`: where it is reached."""

    def __init__(self, control: ControlDatabase, address: str) -> None:
        self._control, self._address = control, address
        self.own_id: Final = uuid.uuid4().hex
        self._started_at = control.clock.now()
        self.is_draining = False

    def beat(self, awake: Collection[str]) -> Sequence[str]:
        """Write the row; returns the ids of all replicas that live and take work.  Raises StoreUnavailable."""
        now = self._control.clock.now()
        state = "draining" if self.is_draining else "serving"
        row = (
            self.own_id, socket.gethostname(), os.getpid(), __version__, self._address, self._started_at, now, state,
            json.dumps(sorted(awake)),
        )  # fmt: skip
        self._control.execute(sql.PUT_REPLICA, row)
        self._control.execute(sql.DELETE_REPLICAS, ("", self._forgotten_before()))
        alive = self._control.select(sql.LIST_LIVING_REPLICAS, (add_seconds(now, -ALIVE_SECONDS),))
        return [id_ for (id_,) in alive]

    def leave(self) -> None:
        """Delete the row: others do its part at once.  Raises StoreUnavailable."""
        self._control.execute(sql.DELETE_REPLICAS, (self.own_id, self._forgotten_before()))

    def _forgotten_before(self) -> Micros:
        return add_seconds(self._control.clock.now(), -FORGOTTEN_SECONDS)
