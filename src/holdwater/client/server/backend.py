"""The backend on a tenant of a server."""

from __future__ import annotations

from holdwater.client.backend import Backend
from holdwater.client.server.administration import ServerLimits, ServerSecrets
from holdwater.client.server.connection import ServerConnection
from holdwater.client.server.keys import ServerKeys
from holdwater.client.server.maintenance import ServerBulkJobs, ServerRetentionSettings
from holdwater.client.server.observation import ServerCatalog, ServerDoctor, ServerQuestions
from holdwater.client.server.options import ServerOptions
from holdwater.client.server.packages import ServerPackages, ServerTrustedKeys
from holdwater.client.server.run_control import ServerRuns
from holdwater.client.server.schedules import ServerSchedules
from holdwater.client.server.tenants import ServerAudit, ServerTenants


def open_server(options: ServerOptions) -> Backend:
    """Prepare to speak to a server; nothing is sent before the first request.  Raises ConfigError."""
    connection = ServerConnection(options)
    return Backend(
        tenants=ServerTenants(connection),
        keys=ServerKeys(connection),
        audit=ServerAudit(connection),
        runs=ServerRuns(connection),
        catalog=ServerCatalog(connection),
        questions=ServerQuestions(connection),
        doctor=ServerDoctor(connection),
        schedules=ServerSchedules(connection),
        bulk_jobs=ServerBulkJobs(connection),
        retention=ServerRetentionSettings(connection),
        limits=ServerLimits(connection),
        packages=ServerPackages(connection),
        trusted_keys=ServerTrustedKeys(connection),
        secrets=ServerSecrets(connection),
        close=connection.close,
        close_soon=connection.close,
    )
