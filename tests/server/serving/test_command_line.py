"""The command line on a server: tenants, packages with signatures, runs of them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from holdwater import Client
from holdwater.cli.main import main
from holdwater.engine.secret_keys import VARIABLE, generate_key
from holdwater.errors import AccessDenied, NotAuthenticated, TenantError, TenantNotFound
from holdwater.tenants import DatabaseAdmin, TenantConfig
from tests.server.serving.packages import archive
from tests.server.serving.server_process import ServedHere
from tests.suite.waiting import wait_until

_numbers = itertools.count()


class Line:
    """Calls the command line in this process."""

    def __init__(self, served: ServedHere, capsys: pytest.CaptureFixture[str]) -> None:
        self.place = ["--server", served.url]
        self._capsys = capsys

    def __call__(self, *words: str, code: int = 0) -> str:
        found = main([*words, *self.place])
        printed = self._capsys.readouterr()
        assert found == code, printed
        return printed.out + printed.err


@pytest.fixture
def line(served: ServedHere, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.setenv("HOLDWATER_API_KEY", served.bootstrap_key)
    return Line(served, capsys)


@pytest.fixture
def tenant(line: Line, monkeypatch: pytest.MonkeyPatch) -> str:
    """A tenant of its own, which commands mean from then on."""
    name = f"remote_{next(_numbers)}"
    made = json.loads(line("tenants", "create", name, "--json").replace("The password is not shown again.\n", ""))
    assert (made["schema_name"], len(made["password"])) == (name, 32)
    assert name in line("tenants", "list")
    monkeypatch.setenv("HOLDWATER_TENANT", name)
    return name


def test_a_signed_package_is_uploaded_and_executed(
    line: Line, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: ServedHere
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("orders.cloacina").write_bytes(archive())
    assert main(["package", "keygen", "ops", "--no-passphrase"]) == 0
    assert main(["package", "sign", "orders.cloacina", "--key", "ops.key", "--tenant", tenant]) == 0
    assert "there is no file" in line("package", "upload", "nothing.cloacina", code=3)
    assert "are accepted" in line("package", "keys", "add", "ops.pub")
    uploaded = line("package", "upload", "orders.cloacina")
    assert "orders 1.0 (release " in uploaded
    wait_until(lambda: '"state": "active"' in line("package", "list", "orders", "--json"))
    (release,) = json.loads(line("package", "list", "--json"))
    assert release["signed_by"]
    assert "ops" in line("package", "keys", "list")
    assert "orders" in line("workflows")
    told = line("submit", "orders", "--input", "order_id=17", "--wait")
    assert "saved = 17" in told
    assert release["release"] in line("runs", "show", "@last")
    Path("newer.cloacina").write_bytes(archive(version="2.0"))
    line("package", "upload", "newer.cloacina")
    wait_until(lambda: "2.0      active" in line("package", "list"))
    assert "is active, and stays so" in line("package", "activate", "orders", "1.0")
    assert "orders 2.0" in line("package", "remove", "orders", "2.0")
    assert "upload_failed" not in line("package", "upload", "ops.pub", code=5)
    with Client(served.url, api_key=served.bootstrap_key, tenant=tenant) as client:
        handle = client.submit("orders", {"order_id": 3})
        assert [event.type for event in handle.events()][-1] == "workflow_completed"
        assert handle.result(30).final_context["saved"] == 3


def test_limits_and_secrets(line: Line, tenant: str) -> None:
    assert "limit workflow:orders: 3 tasks at once" in line("limits", "set", "workflow:orders", "3")
    assert json.loads(line("limits", "list", "--json"))[0]["max"] == 3
    assert "is removed" in line("limits", "remove", "workflow:orders")
    assert "there are no limits" in line("limits", "list")
    line("limits", "remove", "nothing", code=3)


def test_tenants_are_kept_apart_and_removed(line: Line, tenant: str, served: ServedHere) -> None:
    assert "0 tenants brought up to date" in line("tenants", "upgrade")
    with Client(served.url, api_key="w" * 40, tenant=tenant) as client, pytest.raises(NotAuthenticated):
        client.list_runs()
    with (
        Client(served.url, api_key=served.bootstrap_key, tenant="nobody") as client,
        pytest.raises((TenantNotFound, AccessDenied)),
    ):
        client.list_runs()
    line("tenants", "remove", tenant, code=1)
    assert "is removed" in line("tenants", "remove", tenant, "--yes")
    line("tenants", "remove", tenant, "--yes", code=3)


def test_keys_are_made_used_rotated_and_revoked(line: Line, tenant: str, served: ServedHere) -> None:
    made = json.loads(line("keys", "create", "ci", "--role", "write", "--expires", "30d", "--json"))
    assert (made["role"], made["tenant"], made["revoked"]) == ("write", tenant, False)
    with Client(served.url, api_key=made["key"], tenant=tenant) as client:
        assert client.list_runs() == []
    with Client(served.url, api_key=made["key"]) as client, pytest.raises(AccessDenied):
        client.list_runs()
    listed = line("keys", "list")
    assert "ci" in listed
    assert made["key"] not in listed
    rotated = json.loads(line("keys", "rotate", made["id"], "--json"))
    assert rotated["key"] != made["key"]
    line("keys", "revoke", rotated["id"])
    with Client(served.url, api_key=rotated["key"], tenant=tenant) as client, pytest.raises(NotAuthenticated):
        client.list_runs()
    line("keys", "revoke", "nothing", code=3)
    told = line("audit", "--all")
    assert rotated["id"] in told
    assert made["key"] not in told
    assert json.loads(line("audit", "--limit", "1", "--json"))[0]["outcome"]


def test_a_tenant_that_is_made_in_the_database_of_a_server_is_served(
    served: ServedHere, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, place = f"direct_{next(_numbers)}", ["--database", served.database_url]
    with DatabaseAdmin(served.database_url) as admin, pytest.raises(TenantError, match="a server serves") as refused:
        admin.create_tenant(TenantConfig(name, name))
    assert f"holdwater tenants create {name}" in refused.value.hint
    assert main(["tenants", "create", name, *place]) == 0
    assert main(["tenants", "create", name, *place]) == 2
    assert "there is a schema" in capsys.readouterr().err
    with Client(served.url, api_key=served.bootstrap_key, tenant=name) as client:
        assert client.list_runs() == []
        record = next(one for one in client.audit.iter_records() if one.verb == "tenant.create")
        assert record.by.startswith("cli:")
        key = client.keys.create_key("ci", tenant=name)
        with DatabaseAdmin(served.database_url) as admin, pytest.raises(TenantError, match="one of a server"):
            admin.remove_tenant(name, name, force=True)
        assert main(["tenants", "remove", name, "--user", "another", "--yes", *place]) == 2
        assert main(["tenants", "remove", name, "--yes", "--force", *place]) == 0
        with Client(served.url, api_key=key.key, tenant=name) as revoked, pytest.raises(NotAuthenticated):
            revoked.list_runs()
        wait_until(lambda: name not in [one.name for one in client.tenants.list_tenants()])


def test_secrets_retention_and_schedules(
    line: Line, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, generate_key())
    text = tmp_path / "secret"
    text.write_text("tr0ub4dor-and-3")
    assert "secret smtp is set (password)" in line("secrets", "set", "smtp", "--field", "password", "--file", str(text))
    listed = line("secrets", "list")
    assert ("smtp" in listed, "tr0ub4dor" in listed) == (True, False)
    assert "is removed" in line("secrets", "remove", "smtp")
    line("secrets", "remove", "smtp", code=3)
    line("retention", "set", "--days", "30", "--keep-label", "audit")
    assert json.loads(line("retention", "show", "--json"))["days"] == 30
    assert json.loads(line("retention", "preview", "--json"))
    assert "0 runs" in line("retention", "apply")
    line("schedules", "add", "nothing", "@daily", code=3)
    assert "fires at @daily" in line("schedules", "add", "later", "@daily", "--name", "nightly", "--allow-unknown")
    assert "is paused" in line("schedules", "pause", "nightly")
    assert "goes on" in line("schedules", "resume", "nightly")
    assert len(json.loads(line("schedules", "next", "nightly", "--count", "2", "--json"))) == 2
    assert "is asked for" in line("schedules", "run-now", "nightly")
    assert json.loads(line("schedules", "show", "nightly", "--json"))["history"][0]["status"] == "Queued"
    assert "is deleted" in line("schedules", "remove", "nightly")
    assert "admin of all tenants and the server" in line("keys", "whoami")
