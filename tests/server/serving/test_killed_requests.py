"""Killed at every commit of what is done about tenants and packages: the state before it or after it, and a retry."""

from __future__ import annotations

import base64
import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg
import pytest

from tests.server.serving.packages import archive, upload, wait_for_state
from tests.server.serving.server_process import ServedHere
from tests.suite.effort import LONG

ROOT: Final = Path(__file__).parents[3]
MAX_COMMITS: Final = 12
_numbers = itertools.count()


@pytest.fixture
def god(served: ServedHere) -> Iterator[httpx.Client]:
    """The other replica, which stays."""
    with served.client() as client:
        yield client


class Killed:
    """Requests to a replica that is killed at a commit."""

    def __init__(self, served: ServedHere, god: httpx.Client, home: Path) -> None:
        self.served, self.god, self.home = served, god, home

    def send(self, crash_at: int, when: str, *, tenant: str = "", **request: Any) -> bool:
        """Send a request; returns False if it was answered before the process could be killed."""
        job = {
            "database_url": self.served.database_url, "home": str(self.home), "tenant": tenant, "upload": "",
            "method": "POST", "path": "", "json": None, "crash_at": crash_at, "when": when, **request,
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "tests.server.serving.killed_request", json.dumps(job)],
            cwd=ROOT, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode != 0

    def tenant(self) -> str:
        name = f"killed_{next(_numbers)}"
        self.god.post("/v1/tenants", json={"name": name}).raise_for_status()
        return name

    def facts(self, name: str) -> set[str]:
        """What there is of a tenant in the database."""
        with psycopg.connect(self.served.database_url) as connection:
            rows = connection.execute(
                "SELECT 'schema' FROM pg_namespace WHERE nspname = %(name)s"
                " UNION ALL SELECT 'role' FROM pg_roles WHERE rolname = %(name)s"
                " UNION ALL SELECT 'row' FROM holdwater.served_tenants WHERE name = %(name)s",
                {"name": name},
            ).fetchall()
        return {fact for (fact,) in rows}

    def audit(self, verb: str, name: str) -> int:
        with psycopg.connect(self.served.database_url) as connection:
            found = connection.execute(
                "SELECT count(*) FROM holdwater.audit WHERE verb = %s AND target = %s", (verb, name)
            ).fetchone()
        assert found is not None
        return int(found[0])


WHOLE: Final = {"schema", "role", "row"}


def create_tenant(killed: Killed, crash_at: int, when: str) -> bool:
    name = f"killed_{next(_numbers)}"
    died = killed.send(crash_at, when, path="/v1/tenants", json={"name": name})
    facts = killed.facts(name)
    assert facts in (set(), WHOLE)
    assert killed.audit("tenant.create", name) == (facts == WHOLE)
    again = killed.god.post("/v1/tenants", json={"name": name})
    assert again.status_code == (201 if not facts else 400), again.text
    assert killed.facts(name) == WHOLE
    assert killed.god.get(f"/v1/tenants/{name}/executions").status_code == 200
    return died


def remove_tenant(killed: Killed, crash_at: int, when: str) -> bool:
    name = killed.tenant()
    died = killed.send(crash_at, when, method="DELETE", path=f"/v1/tenants/{name}", tenant=name)
    facts = killed.facts(name)
    assert facts in (set(), WHOLE)
    assert killed.audit("tenant.remove", name) == (not facts)
    again = killed.god.delete(f"/v1/tenants/{name}", params={"force": True})
    assert again.status_code == (200 if facts else 404), again.text
    assert killed.facts(name) == set()
    return died


def upload_package(killed: Killed, crash_at: int, when: str) -> bool:
    name, data = killed.tenant(), archive()
    died = killed.send(crash_at, when, tenant=name, upload=base64.b64encode(data).decode())
    again = upload(killed.god, data, tenant=name)
    assert again.status_code in (200, 201, 202), again.text
    wait_for_state(killed.god, again.json()["package_id"], "active", tenant=name)
    assert killed.god.get(f"/v1/tenants/{name}/releases").json()["total"] == 1
    return died


def two_versions(killed: Killed) -> tuple[str, dict[str, str]]:
    name, releases = killed.tenant(), {}
    for version, state in (("2.0", "active"), ("1.0", "inactive")):
        made = upload(killed.god, archive(version=version), tenant=name).json()
        releases[version] = made["package_id"]
        wait_for_state(killed.god, made["package_id"], state, tenant=name)
    return name, releases


def activate_version(killed: Killed, crash_at: int, when: str) -> bool:
    name, releases = two_versions(killed)
    path = f"/v1/tenants/{name}/workflows/orders/1.0/activate"
    died = killed.send(crash_at, when, path=path, tenant=name)
    killed.god.post(path).raise_for_status()
    wait_for_state(killed.god, releases["1.0"], "active", tenant=name)
    wait_for_state(killed.god, releases["2.0"], "inactive", tenant=name)
    return died


def remove_version(killed: Killed, crash_at: int, when: str) -> bool:
    name, releases = two_versions(killed)
    path = f"/v1/tenants/{name}/workflows/orders/2.0"
    died = killed.send(crash_at, when, method="DELETE", path=path, tenant=name)
    assert killed.god.delete(path).json()["status"] == "deleted"
    wait_for_state(killed.god, releases["2.0"], "gone", tenant=name)
    wait_for_state(killed.god, releases["1.0"], "active", tenant=name)
    return died


REQUESTS: Final = (create_tenant, remove_tenant, upload_package, activate_version, remove_version)
BY_DEFAULT: Final = [(create_tenant, 1, "after"), (remove_tenant, 2, "before"), (upload_package, 1, "before")]


@pytest.mark.parametrize(("request_", "crash_at", "when"), BY_DEFAULT)
def test_killed_at_a_commit(
    served: ServedHere, god: httpx.Client, tmp_path: Path, request_: Callable[..., bool], crash_at: int, when: str
) -> None:
    assert request_(Killed(served, god, tmp_path), crash_at, when)


@pytest.mark.parametrize("request_", [pytest.param(one, marks=LONG, id=one.__name__) for one in REQUESTS])
def test_killed_at_every_commit(
    served: ServedHere, god: httpx.Client, tmp_path: Path, request_: Callable[..., bool]
) -> None:
    killed, points = Killed(served, god, tmp_path), 0
    for crash_at in range(1, MAX_COMMITS):
        died = [request_(killed, crash_at, when) for when in ("before", "after")]
        points += sum(died)
        if not any(died):
            break
    assert points >= 2
