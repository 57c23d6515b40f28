"""One whole server for the tests of its pages, with two tenants: they do not disturb each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from holdwater.operations.tenants import TenantConfig
from holdwater.server.control.audit import AuditFacts
from holdwater.server.control.key_text import digest_of, new_key, new_key_id
from holdwater.server.control.keys import ApiKey
from holdwater.server.control.tables import ServerTables
from tests.postgres.cluster import Cluster
from tests.server.serving.conftest import create_database
from tests.server.serving.server_process import ServedHere, serve_here

FORM_HEADERS = {"sec-fetch-site": "same-origin"}
NO_LIMIT = 1_000_000


class Administered:
    """A server under test.  `god`: the key of its administrator."""

    def __init__(self, served: ServedHere) -> None:
        self.served, self.origin, self.god = served, served.url, served.bootstrap_key
        self.tables: ServerTables = served.server.app.state.control
        self.god_id = next(key.id for key in self.tables.keys.list() if key.is_god)

    def make_tenant(self, name: str) -> None:
        facts = AuditFacts("tests")
        self.served.server.app.state.administration.create(TenantConfig(name, name), "", facts)

    def make_key(self, role: Any, tenant: str | None, name: str = "") -> str:
        """Insert a key, as another server would."""
        key_id = new_key_id()
        text, now = new_key(key_id), self.tables.database.clock.now()
        key = ApiKey(key_id, name or f"{role}-of-{tenant}", role, tenant, False, now, "tests")
        with self.tables.database.transaction() as connection:
            self.tables.keys.insert(connection, key, digest_of(text))
        return text

    def client(self, key: str) -> httpx.Client:
        """A program with a key."""
        return self.served.client(key)

    @contextmanager
    def browser(self, key: str, *, read_only: bool = False) -> Iterator[httpx.Client]:
        """A client with a session."""
        with self.served.stranger(headers=FORM_HEADERS) as client:
            form = {"key": key, **({"read_only": "1"} if read_only else {})}
            assert client.post("/ui/login", data=form).status_code == 303
            yield client


@contextmanager
def administer(postgres: Cluster, home: Any) -> Iterator[Administered]:
    """Serve an empty database of its own."""
    settings: dict[str, Any] = {
        "failed_logins_per_minute": NO_LIMIT,
        "requests_per_second": NO_LIMIT,
        "uploads_per_minute": NO_LIMIT,
    }
    with serve_here(create_database(postgres), home, **settings) as served:
        yield Administered(served)


@pytest.fixture(scope="package")
def server(postgres: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Administered]:
    with administer(postgres, tmp_path_factory.mktemp("administered")) as found:
        for name in ("adm_acme", "adm_globex"):
            found.make_tenant(name)
        yield found
