"""The server: tenants in PostgreSQL, and the doors to them."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from holdwater.engine import Engine
from holdwater.errors import ServerError
from holdwater.model.registry import Registry
from holdwater.runtime.config import DriverConfig
from holdwater.server.api_token import read_or_create_token
from holdwater.server.app import create_app
from holdwater.server.bootstrap_access import BootstrapAccess
from holdwater.server.control.database import ControlDatabase
from holdwater.server.server_home import ServerHome
from holdwater.server.serving import LocalServer, listen
from holdwater.server.tenant_database import OneTenant, TenantDatabase
from holdwater.service.home_lock import HomeLock, usable_home
from holdwater.service.server_settings import ServerSettings, parse_bind

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
        key = settings.bootstrap_key or read_or_create_token(self.home.bootstrap_key)
        engine = Engine(settings.database_url, DriverConfig(listed=True, name="server"), registry=Registry())
        closing(engine.close, 0.0)
        self.tenants = OneTenant(TenantDatabase.of(engine))
        closing(self.tenants.close)
        self.app = create_app(
            self.tenants, BootstrapAccess(key), has_pages=settings.has_ui, legacy_lists=settings.legacy_lists
        )
        self._http = LocalServer(
            self.app,
            on_exit=self.tenants.close_streams_soon,
            on_started=self._started.set,
            trusted_proxies=settings.trusted_proxies,
        )
        self._thread = threading.Thread(target=self._serve, name="holdwater-http", daemon=True)

    def start(self) -> None:
        """Execute, and answer; returns when it answers.  Raises ServerError."""
        self._thread.start()
        if not self._started.wait(START_SECONDS) or not self._http.started:
            raise ServerError("the server cannot start", hint="its log says why")

    def _serve(self) -> None:
        try:
            self._http.run(sockets=[self._listening])
        finally:
            self._started.set()  # or it could not start

    def stop(self) -> None:
        """End streams and requests, and close all.  Idempotent."""
        if self._is_stopped:
            return
        self._is_stopped = True
        self.tenants.close_streams_soon()
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
