"""A server whose callers have keys, on PostgreSQL, in a thread of this process: cheaper than a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx

from holdwater.engine import Engine
from holdwater.errors import TenantNotFound
from holdwater.model.registry import Registry
from holdwater.operations.databases import Database
from holdwater.runtime.config import DriverConfig
from holdwater.server.app import create_app
from holdwater.server.control.database import ControlDatabase
from holdwater.server.control.key_text import digest_of, new_key, new_key_id
from holdwater.server.control.keys import ApiKey
from holdwater.server.control.tables import ServerTables
from holdwater.server.key_access import KeyAccess
from holdwater.server.rate_limits import AccessLimits
from holdwater.server.serving import LocalServer, listen_on_loopback
from holdwater.server.tenant_database import TenantDatabase

TIMEOUT_SECONDS = 20.0
NO_LIMITS = AccessLimits(requests_per_second=1e6, request_burst=1_000_000, failed_logins_per_minute=1e6)


class SameRuns:
    """Tenants that all have the same database of runs: what is tested is who may ask."""

    default = "public"
    only = None

    def __init__(self, database_url: str, names: Sequence[str]) -> None:
        self._open: dict[str, TenantDatabase] = {}
        engine = Engine(database_url, DriverConfig(), registry=Registry())
        self._engine = engine
        for name in names:
            self._open[name] = TenantDatabase(name, Database.of(engine), engine, ExitStack())

    def borrow(self, name: str) -> TenantDatabase:
        if name not in self._open:
            raise TenantNotFound(f"there is no tenant {name!r} here")
        return self._open[name]

    def borrow_awake(self, name: str) -> TenantDatabase:
        return self.borrow(name)

    def names(self) -> list[str]:
        return sorted(self._open)

    def give_back(self, tenant: TenantDatabase) -> None:
        pass

    def check_ready(self) -> None:
        pass

    def close_streams_soon(self) -> None:
        for tenant in self._open.values():
            tenant.streams.close_soon()

    def start(self) -> None:
        pass

    def close(self) -> None:
        for tenant in self._open.values():
            tenant.close()
        self._engine.close(0.0)


class KeyedServer:
    """A server under test.  `god`: a key that may everything."""

    def __init__(self, port: int, app: Any, tables: ServerTables, policy: KeyAccess) -> None:
        self.port, self.origin, self.app, self.tables, self.policy = (
            port,
            f"http://127.0.0.1:{port}",
            app,
            tables,
            policy,
        )
        self.god = self.make_key("admin", None, is_god=True)

    def make_key(self, role: Any, tenant: str | None, *, is_god: bool = False, **more: Any) -> str:
        """Insert a key, as another server would."""
        key_id = new_key_id()
        text, now = new_key(key_id), self.tables.database.clock.now()
        key = ApiKey(key_id, f"{role} of {tenant}", role, tenant, is_god, now, "tests", **more)
        with self.tables.database.transaction() as connection:
            self.tables.keys.insert(connection, key, digest_of(text))
        return text

    def client(self, key: str | None = None, **options: Any) -> httpx.Client:
        headers = {"authorization": f"Bearer {key}"} if key is not None else {}
        return httpx.Client(
            base_url=self.origin, headers={**headers, **options.pop("headers", {})}, timeout=TIMEOUT_SECONDS, **options
        )

    @contextmanager
    def browser(self, key: str, *, read_only: bool = False) -> Iterator[httpx.Client]:
        """A client with a session."""
        with self.client(headers={"origin": self.origin, "sec-fetch-site": "same-origin"}) as client:
            form = {"key": key, "next": "", **({"read_only": "on"} if read_only else {})}
            assert client.post("/ui/login", data=form).status_code == 303
            yield client


@contextmanager
def serve_keys(
    control: ControlDatabase,
    database_url: str,
    *,
    limits: AccessLimits = NO_LIMITS,
    tenants: Sequence[str] = ("public", "acme"),
    listens: bool = True,
) -> Iterator[KeyedServer]:
    """Serve tenants until the block ends.  Several at a time are replicas.  `listens`: to what others revoke."""
    tables = ServerTables(control)
    with listen_on_loopback(0, may_choose=False) as listening:
        policy = KeyAccess(tables, bind="127.0.0.1", limits=limits)
        if listens:
            policy.start()
        app = create_app(SameRuns(database_url, tenants), policy, control=tables)
        started = threading.Event()
        server = LocalServer(app, on_exit=app.state.tenants.close_streams_soon, on_started=started.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            assert started.wait(TIMEOUT_SECONDS), "the server does not start"
            yield KeyedServer(listening.getsockname()[1], app, tables, policy)
        finally:
            server.should_exit = True
            app.state.tenants.close_streams_soon()
            thread.join(TIMEOUT_SECONDS)
            policy.close()
            tables.close()
            assert not thread.is_alive(), "the server does not end"


ServeKeys = Callable[..., KeyedServer]
