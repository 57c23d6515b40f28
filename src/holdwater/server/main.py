"""The server: tenants in PostgreSQL, and the doors to them."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from holdwater.errors import ServerError
from holdwater.server.access_log import log_request
from holdwater.server.app import create_app
from holdwater.server.awake_tenants import AwakeTenants
from holdwater.server.control.bootstrap import bootstrap
from holdwater.server.control.database import ControlDatabase
from holdwater.server.control.tables import ServerTables
from holdwater.server.cross_origin import CrossOrigin
from holdwater.server.drain_gate import DrainGate
from holdwater.server.health_checks import ServerHealth
from holdwater.server.key_access import KeyAccess
from holdwater.server.metrics.server_metrics import ServerMetrics
from holdwater.server.rate_limits import AccessLimits
from holdwater.server.request_observer import RequestObserver
from holdwater.server.routes import metrics as metrics_route
from holdwater.server.routes import server as server_route
from holdwater.server.served_tenants import ServedTenants
from holdwater.server.server_home import ServerHome
from holdwater.server.server_report import ServerReporter
from holdwater.server.serving import LocalServer, listen
from holdwater.server.socket_protocol import websocket_options
from holdwater.server.tenant_administration import TenantAdministration
from holdwater.server.tenant_database import TenantDatabase
from holdwater.server.tenant_engine import TenantMaker
from holdwater.service.home_lock import HomeLock, usable_home
from holdwater.service.server_settings import ServerSettings, parse_bind
from holdwater.service.settings import NO_RETENTION
from holdwater.service.tenants.options import TenantEngineOptions
from holdwater.service.tenants.resources import TenantResources

logger = logging.getLogger("holdwater.server")

START_SECONDS: Final = 60.0
"""longest wait until it answers"""


class Server:
    """A server on a home.  `start` begins its work, `stop` ends it; both are for one thread.

    Raises ServerError if another one works on the home, or it cannot be written, ConfigError for an address that cannot
    be listened at, DatabaseURLError, StoreUnavailable, SchemaTooNew.
    """

    def __init__(self, home: Path, settings: ServerSettings) -> None:
        """Take the home and the address, and bring the tables of the server up to date; nothing is executed yet."""
        self.home, self.settings = ServerHome(home), settings
        self.home.create()
        self._resources = ExitStack()
        self._is_stopped = False
        self._started = threading.Event()
        try:
            with usable_home(home, "server"):
                self._open(settings)
        except BaseException:
            self._resources.close()
            raise

    def _open(self, settings: ServerSettings) -> None:
        closing = self._resources.callback
        lock = HomeLock(self.home.lock, "server")
        closing(lock.release)
        host, port = parse_bind(settings.bind)
        self._listening = listen(host, port)
        closing(self._listening.close)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._listening.getsockname()[1]}"
        lock.write_address(self.url)
        self.control = ControlDatabase(settings.database_url)
        closing(self.control.close)
        self.first_key = bootstrap(self.control, self.home.folder, settings.bootstrap_key or None)
        tables = ServerTables(self.control)
        closing(tables.close)
        self.awake = AwakeTenants()
        options = TenantEngineOptions(
            max_engines=settings.tenant_engines,
            idle_seconds=settings.tenant_idle_seconds,
            pool_size=settings.tenant_pool,
            max_concurrent_tasks=settings.max_concurrent_tasks,
            tenant_max_concurrent=settings.tenant_slots,
        )
        self.tenants = ServedTenants(
            self.control,
            self._make_tenant,
            options=options,
            address=self.url,
            on_awake=lambda cause: self.metrics.on_awake(cause),
        )
        closing(self.tenants.close)
        self.health = ServerHealth(self.tenants, self.awake)
        administration = TenantAdministration(
            tables, settings.database_url, self.tenants.ending, requires_signatures=settings.require_signatures
        )
        self._maker = TenantMaker(
            settings.database_url,
            self.home.folder,
            settings.packages,
            requires_signature=administration.requires_signature,
            drain_seconds=settings.shutdown_timeout_seconds,
            lease_seconds=settings.lease_seconds,
        )
        self.metrics = ServerMetrics(
            settings.metrics_prefix,
            self.awake,
            self._maker.budget,
            lambda: not self.health.find_obstacle(),
            lambda: self.control.connections_in_use,
        )
        self._maker.meter = self.metrics.engine_counts
        self.access = KeyAccess(
            tables,
            bind=host,
            public_url=settings.public_url,
            allowed_hosts=settings.allowed_hosts,
            limits=_access_limits(settings),
        )
        closing(self.access.close)
        self.app = create_app(
            self.tenants,
            self.access,
            has_pages=settings.has_ui,
            control=tables,
            legacy_lists=settings.legacy_lists,
            health_checks=self.health,
            server_routers=(metrics_route.router, server_route.router),
        )
        self.app.state.metrics = self.metrics
        self.app.state.administration = administration
        self.app.state.reporter = ServerReporter(self.control, self.awake, self.health, self.url)
        if settings.cors_origins:
            self.app.add_middleware(CrossOrigin, origins=settings.cors_origins)
        self.app.add_middleware(DrainGate, health=self.health)
        self.app.add_middleware(RequestObserver, observers=(self.metrics.on_request, log_request))
        self._http = LocalServer(
            self.app,
            on_exit=self.tenants.close_streams_soon,
            on_started=self._started.set,
            trusted_proxies=settings.trusted_proxies,
            socket_options=websocket_options(),
        )
        self._thread = threading.Thread(target=self._serve, name="holdwater-http", daemon=True)

    def _make_tenant(self, name: str, resources: TenantResources) -> TenantDatabase:
        """Open the database of a tenant.  Raises HoldwaterError."""
        made = self._maker(name, resources)
        if self.settings.retention != NO_RETENTION:
            driver = made.engine.driver
            driver.use_options(driver.config.scheduling, self.settings.retention)
        made.server_url = self.settings.public_url.rstrip("/") or self.url
        self.awake.add(made)
        return made

    def start(self) -> None:
        """Execute, and answer; returns when it answers.  Raises ServerError."""
        self.access.start()
        self._thread.start()
        if not self._started.wait(START_SECONDS) or not self._http.started:
            raise ServerError("the server cannot start", hint="its log says why")

    def _serve(self) -> None:
        try:
            self._http.run(sockets=[self._listening])
        finally:
            self._started.set()  # or it could not start

    def stop(self) -> None:
        """Refuse new requests, end streams, let running functions end, and close all.  Idempotent.

        Functions have `shutdown_timeout_seconds`; what has not ended then is killed with its host, and its runs go on
        with another replica, or the next server.
        """
        if self._is_stopped:
            return
        self._is_stopped = self.health.is_draining = True
        self.tenants.start_draining()
        self.tenants.close_streams_soon()
        self.tenants.close()
        self._http.should_exit = True
        if self._thread.ident is not None:
            self._thread.join()
        self._resources.close()

    def end_now(self) -> None:
        """Remove the lock, whatever the other threads do.  The process is to end then."""
        self.home.lock.unlink(missing_ok=True)

    @property
    def has_failed(self) -> bool:
        """It answers no more, and was not told to end."""
        return self._started.is_set() and not self._thread.is_alive() and not self._is_stopped


def _access_limits(settings: ServerSettings) -> AccessLimits:
    return AccessLimits(
        requests_per_second=settings.requests_per_second,
        request_burst=settings.request_burst,
        failed_logins_per_minute=settings.failed_logins_per_minute,
        uploads_per_minute=settings.uploads_per_minute,
        max_streams=settings.max_streams,
        max_streams_per_key=settings.max_streams_per_key,
    )
