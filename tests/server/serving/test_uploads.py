"""Uploads that are refused: each with its code, and with nothing written.  Families 2 and 3 of hostile inputs."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import pytest

from holdwater.model.time import Micros, wall_now
from holdwater.packages.archives.archive import read_archive
from holdwater.packages.signatures.signing_keys import public_bytes
from holdwater.packages.signatures.statements import sign_archive
from tests.packages.archive_files import Entry, package
from tests.packages.archives.test_hostile_archives import CONTENTS, DAMAGE, ENTRIES, PATHS, WHEELS
from tests.packages.signatures.test_trust import KEY, new_key
from tests.server.serving.packages import FLOWS, archive, upload, wait_for_state
from tests.server.serving.server_process import ServedHere
from tests.suite.effort import sample_cases

FORM: Final = "multipart/form-data"
DAY_US: Final = 86_400_000_000
_numbers = itertools.count()
HOSTILE: Final = {
    **{f"path {name}": package(more=[Entry(path, b"x")]) for name, (path, _) in PATHS.items()},
    **{f"entry {name}": package(more=entries) for name, (entries, _) in ENTRIES.items()},
    **{f"content {name}": package({path: b""}) for name, (path, _) in CONTENTS.items()},
    **{f"wheel {name}": package({path: data}) for name, (path, data, _) in WHEELS.items()},
    **{f"damage {name}": data for name, (data, _) in DAMAGE.items()},
}


@pytest.fixture(scope="module")
def god(served: ServedHere) -> Iterator[httpx.Client]:
    with served.client() as client:
        yield client


def new_tenant(god: httpx.Client) -> str:
    name = f"uploads_{next(_numbers)}"
    made = god.post("/v1/tenants", json={"name": name})
    assert made.status_code == 201, made.text
    return name


@pytest.fixture(scope="module")
def empty(god: httpx.Client) -> str:
    """A tenant that gets nothing."""
    return new_tenant(god)


def assert_nothing_is_there(god: httpx.Client, tenant: str) -> None:
    assert god.get(f"/v1/tenants/{tenant}/releases").json()["items"] == []


@pytest.mark.parametrize("name", sample_cases(8, list(HOSTILE)))
def test_hostile_archives(god: httpx.Client, empty: str, name: str) -> None:
    answer = upload(god, HOSTILE[name], tenant=empty)
    assert (answer.status_code, answer.json()["code"]) == (400, "upload_failed"), answer.text
    assert answer.json()["error"]
    assert_nothing_is_there(god, empty)


def test_bodies_that_are_no_uploads(god: httpx.Client, empty: str) -> None:
    path = f"/v1/tenants/{empty}/workflows"
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"json": {}}, 415, "unsupported_media_type"),
        ({"content": b"x", "headers": {"content-type": "application/octet-stream"}}, 415, "unsupported_media_type"),
        ({"files": {"other": ("x", b"x")}}, 400, "invalid_request"),
        ({"files": [("file", ("a", b"x")), ("file", ("b", b"x"))]}, 400, "invalid_request"),
        ({"files": {"signature": ("x", b"x")}}, 400, "invalid_request"),
        ({"files": {"file": ("x", b"x"), "signature": ("y", b"x" * 70_000)}}, 413, "too_large"),
        ({"content": b"--x", "headers": {"content-type": "multipart/form-data"}}, 400, "invalid_request"),
        ({"content": b"--x\r\n", "headers": {"content-type": f"{FORM}; boundary=x"}}, 400, "invalid_request"),
    ]  # fmt: skip
    for given, status, code in cases:
        answer = god.post(path, **given)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (given, answer.text)
    assert_nothing_is_there(god, empty)


def test_a_body_that_is_too_large_is_not_waited_for(served: ServedHere, empty: str) -> None:
    connection = http.client.HTTPConnection(served.url.removeprefix("http://"), timeout=30)
    headers = {"authorization": f"Bearer {served.bootstrap_key}", "content-type": f"{FORM}; boundary=x"}
    connection.putrequest("POST", f"/v1/tenants/{empty}/workflows")
    for name, value in {**headers, "content-length": str(1 << 30)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (413, "too_large")
    connection.close()


def test_what_is_there_is_not_replaced(god: httpx.Client) -> None:
    tenant = new_tenant(god)
    first = upload(god, archive(), tenant=tenant).json()
    wait_for_state(god, first["package_id"], "active", tenant=tenant)
    other = upload(god, archive(flows="x = 1\n"), tenant=tenant)
    assert (other.status_code, other.json()["code"]) == (409, "version_exists")
    twin = upload(god, archive("Orders"), tenant=tenant)
    assert (twin.status_code, twin.json()["code"]) == (400, "upload_failed")
    assert "case" in twin.json()["error"]
    taken = archive("parcels", flows=archive_flows("orders"))
    refused = upload(god, taken, tenant=tenant)
    assert (refused.status_code, refused.json()["code"]) == (409, "workflow_taken"), refused.text
    items = god.get(f"/v1/tenants/{tenant}/workflows").json()["items"]
    assert [one["package_name"] for one in items] == ["orders"]


def archive_flows(workflow: str) -> str:
    return FLOWS.replace("{name}", workflow)


def test_a_package_that_cannot_be_imported_is_broken_and_says_why(god: httpx.Client) -> None:
    tenant = new_tenant(god)
    made = upload(god, archive(flows="import nothing_of_this_name\n"), tenant=tenant)
    assert made.status_code in (201, 202), made.text
    found = wait_for_state(god, made.json()["package_id"], "broken", tenant=tenant)
    assert "nothing_of_this_name" in found["error"]
    (listed,) = god.get(f"/v1/tenants/{tenant}/workflows", params={"state": "broken"}).json()["items"]
    assert (listed["package_name"], listed["workflow_name"]) == ("orders", None)
    assert upload(god, archive(flows="import nothing_of_this_name\n"), tenant=tenant).status_code in (200, 202)
    assert god.delete(f"/v1/tenants/{tenant}/workflows/orders/1.0").json()["status"] == "deleted"


def test_a_package_gets_no_variables_of_the_server(god: httpx.Client, empty: str) -> None:
    asking = archive(more='\n[execution]\nenv = ["AWS_SECRET_ACCESS_KEY"]\n')
    answer = upload(god, asking, tenant=empty)
    assert (answer.status_code, answer.json()["code"]) == (400, "upload_failed")
    assert "AWS_SECRET_ACCESS_KEY" in answer.json()["error"]
    assert_nothing_is_there(god, empty)


def sign(data: bytes, **options: Any) -> bytes:
    return sign_archive(read_archive(data), options.pop("key", KEY), options.pop("now", wall_now()), **options)


def trust(god: httpx.Client, tenant: str, **body: Any) -> str:
    text = base64.b64encode(public_bytes(KEY.private.public_key())).decode()
    answer = god.post(f"/v1/tenants/{tenant}/trusted-keys", json={"name": "ops", "public_key": text, **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["fingerprint"])


SIGNED: Final = archive()
OTHER: Final = archive(version="2.0")
SIGNATURES: Final[dict[str, tuple[Callable[[str], bytes | None], str]]] = {
    "none": (lambda tenant: None, "signature_required"),
    "of an unknown key": (lambda tenant: sign(SIGNED, key=new_key()), "signature_not_found"),
    "of another archive": (lambda tenant: sign(OTHER), "invalid_signature"),
    "for another tenant": (lambda tenant: sign(SIGNED, audience=["somebody_else"]), "wrong_audience"),
    "over": (lambda tenant: sign(SIGNED, expires_at=Micros(wall_now() - DAY_US)), "invalid_signature"),
    "no JSON": (lambda tenant: b"no", "invalid_signature"),
    "another algorithm": (lambda tenant: sign(SIGNED).replace(b"ed25519", b"none"), "invalid_signature"),
}


def test_signatures_are_required_of_a_tenant(god: httpx.Client) -> None:
    tenant = new_tenant(god)
    changed = god.patch(f"/v1/tenants/{tenant}", json={"require_signatures": True})
    assert changed.json()["require_signatures"] is True, changed.text
    fingerprint = trust(god, tenant)
    for name, (signature, code) in SIGNATURES.items():
        answer = upload(god, SIGNED, tenant=tenant, signature=signature(tenant))
        assert (answer.status_code, answer.json()["code"]) == (403, code), (name, answer.text)
    assert_nothing_is_there(god, tenant)
    good = upload(god, SIGNED, tenant=tenant, signature=sign(SIGNED, audience=[tenant]))
    assert good.status_code in (201, 202), good.text
    found = wait_for_state(god, good.json()["package_id"], "active", tenant=tenant)
    assert found["signed_by"] == fingerprint
    old = archive(version="0.9")
    lower = upload(god, old, tenant=tenant, signature=sign(old))
    wait_for_state(god, lower.json()["package_id"], "inactive", tenant=tenant)
    god.delete(f"/v1/tenants/{tenant}/trusted-keys/{fingerprint}").raise_for_status()
    revoked = upload(god, OTHER, tenant=tenant, signature=sign(OTHER))
    assert (revoked.status_code, revoked.json()["code"]) == (403, "key_revoked")
    (listed,) = god.get(f"/v1/tenants/{tenant}/workflows").json()["items"]
    assert (listed["version"], listed["state"]) == ("1.0", "active"), "what is active goes on"


def test_a_key_that_has_expired(god: httpx.Client, empty: str) -> None:
    trust(god, empty, expires_at="2020-01-01T00:00:00Z")
    answer = upload(god, SIGNED, tenant=empty, signature=sign(SIGNED))
    assert (answer.status_code, answer.json()["code"]) == (403, "key_expired")
    assert_nothing_is_there(god, empty)
