"""Packages, keys, tenants and the audit log of a server, by the client."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from holdwater import Client
from holdwater.errors import (
    AccessDenied,
    NotAuthenticated,
    PackageError,
    ReleaseNotFound,
    RequestRefused,
    TenantError,
    TenantNotFound,
    VersionExists,
)
from tests.server.serving.packages import archive
from tests.server.serving.server_process import ServedHere
from tests.suite.waiting import wait_until

_numbers = itertools.count()


@pytest.fixture
def god(served: ServedHere) -> Iterator[Client]:
    """The administrator of the server."""
    with Client(served.url, api_key=served.bootstrap_key) as client:
        yield client


@pytest.fixture
def tenant(god: Client) -> Iterator[str]:
    """A tenant of its own."""
    name = f"parts_{next(_numbers)}"
    made = god.tenants.create_tenant(name, description="of a test")
    assert (made.name, made.username, len(made.password or "")) == (name, name, 32)
    assert str(made.password) not in repr(made)
    yield name
    god.tenants.remove_tenant(name, force=True)


@pytest.fixture
def acme(served: ServedHere, tenant: str) -> Iterator[Client]:
    """The administrator of the server, in this tenant."""
    with Client(served.url, api_key=served.bootstrap_key, tenant=tenant) as client:
        yield client


def test_packages_are_uploaded_activated_read_and_removed(acme: Client) -> None:
    sent = archive()
    uploaded = acme.packages.upload(sent, name="orders-1.0.cloacina")
    assert (uploaded.package, uploaded.version, uploaded.signed_by) == ("orders", "1.0", "")
    assert acme.packages.upload(sent).release == uploaded.release
    with pytest.raises(VersionExists):
        acme.packages.upload(archive(files={"workflow/more.py": "MORE = 1\n"}))
    with pytest.raises(PackageError):
        acme.packages.upload(b"no archive")
    wait_until(lambda: acme.packages.find_release("orders").state == "active")
    assert acme.submit("orders", {"order_id": 7}).result(60).final_context["saved"] == 7
    texts = {file.path: file.text for file in acme.packages.read_source("orders")}
    assert "def save" in (texts["workflow/orders_flows.py"] or "")
    acme.packages.upload(archive(version="2.0"))
    wait_until(lambda: acme.packages.find_release("orders==2.0").state == "active")
    assert acme.packages.activate_release(uploaded.release).is_pinned
    wait_until(lambda: acme.packages.find_release("orders").version == "1.0")
    acme.packages.unpin_release(uploaded.release)
    wait_until(lambda: acme.packages.find_release("orders").version == "2.0")
    acme.packages.remove_release(acme.packages.find_release("orders==1.0"))
    wait_until(lambda: {one.state for one in acme.packages.list_releases() if one.version == "1.0"} <= {"gone"})
    with pytest.raises(ReleaseNotFound):
        acme.packages.activate_release("0" * 16)


def test_keys_are_made_rotated_and_revoked(served: ServedHere, god: Client, tenant: str) -> None:
    identity = god.keys.whoami()
    assert (identity.is_god, identity.tenant, identity.role) == (True, None, "admin")
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    made = god.keys.create_key("ci", "write", tenant=tenant, expires_at=end)
    assert (made.info.role, made.info.tenant, made.info.revoked) == ("write", tenant, False)
    assert made.info.expires_at == round(end.timestamp() * 1_000_000)
    assert made.key not in repr(made)
    with Client(served.url, api_key=made.key, tenant=tenant) as client:
        assert (client.keys.whoami().name, client.keys.whoami().tenant) == ("ci", tenant)
        for refused in (client.keys.list_keys, client.tenants.list_tenants, lambda: list(client.audit.iter_records())):
            with pytest.raises(AccessDenied):
                refused()
    again = god.keys.rotate_key(made.info.id)
    with Client(served.url, api_key=made.key, tenant=tenant) as client, pytest.raises(NotAuthenticated):
        client.keys.whoami()
    god.keys.revoke_key(again.info.id)
    assert {one.id: one.revoked for one in god.keys.list_keys()}[again.info.id]
    with pytest.raises(RequestRefused):
        god.keys.revoke_key("nothing")


def test_tenants_and_the_audit_log(god: Client, tenant: str, acme: Client) -> None:
    names = [one.name for one in god.tenants.list_tenants()]
    assert names[0] == "public"
    assert god.tenants.upgrade_tenant(tenant) is False
    with pytest.raises(TenantError, match="there is a schema"):
        god.tenants.create_tenant(tenant)
    with pytest.raises(TenantError):
        god.tenants.create_tenant("no such name!")
    with pytest.raises(TenantNotFound):
        god.tenants.remove_tenant("nothing")
    acme.limits.set_limit("mail", 1)
    wait_until(lambda: [one.outcome for one in acme.audit.iter_records() if one.verb == "set_limit"] == ["done"])
    record = next(one for one in acme.audit.iter_records() if one.verb == "set_limit")
    assert record.by == f"key:{god.keys.whoami().key_id}"
    assert record.tenant == tenant
    assert tenant in names
    everywhere = [one.tenant for one in itertools.islice(god.audit.iter_records(of_all_tenants=True), 1000)]
    assert tenant in everywhere
