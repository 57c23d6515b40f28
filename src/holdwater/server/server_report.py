"""The report about a server: its replicas, and what this one has."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

from holdwater import __version__
from holdwater.model.time import Micros, seconds_between
from holdwater.server.awake_tenants import AwakeTenants
from holdwater.server.control import statements as sql
from holdwater.server.health_checks import ServerHealth
from holdwater.server.models.base import to_instant
from holdwater.server.models.server_report import EngineBody, ReplicaBody, ServerHostBody, ServerReport

if TYPE_CHECKING:  # the driver of PostgreSQL: applications of one database work without it
    from holdwater.server.control.database import ControlDatabase

GONE_AFTER_SECONDS: Final = 30.0
"""silence after which a replica is shown as gone"""


class ServerReporter:
    """Reports about a server.  `address`: where this process is reached."""

    def __init__(self, control: ControlDatabase, awake: AwakeTenants, health: ServerHealth, address: str) -> None:
        self._control, self._awake, self._health, self._address = control, awake, health, address

    def read(self) -> ServerReport:
        """Read what there is now.  Blocks.  Raises StoreUnavailable."""
        tenants, troubles = self._awake.list(), self._awake.troubles()
        engines = [
            EngineBody(tenant=one.name, status=troubles.get(one.name, "working"), streams=one.streams.stream_count)
            for one in tenants
        ]
        return ServerReport(
            version=__version__,
            database=self._control.name,
            address=self._address,
            pid=os.getpid(),
            draining=self._health.is_draining,
            replicas=self._read_replicas(),
            engines=engines,
            hosts=[
                ServerHostBody(
                    tenant=one.name, package=host.package, version=host.version, release=host.release, pid=host.pid,
                    state=host.state, calls=host.calls,
                )
                for one in tenants
                for host in one.executed.hosts()
            ],
            streams=sum(one.streams for one in engines),
        )  # fmt: skip

    def _read_replicas(self) -> list[ReplicaBody]:
        now = self._control.clock.now()
        return [
            ReplicaBody(
                id=id_, host=host, pid=pid, version=version, address=address,
                status="gone" if seconds_between(Micros(seen_at), now) > GONE_AFTER_SECONDS else state,
                started_at=to_instant(Micros(started_at)), seen_at=to_instant(Micros(seen_at)),
                awake=json.loads(awake),
            )
            for id_, host, pid, version, address, state, started_at, seen_at, awake in self._control.select(
                sql.LIST_REPLICAS
            )
        ]  # fmt: skip
