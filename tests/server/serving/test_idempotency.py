"""The same request with the same `Idempotency-Key` creates one thing, whatever it creates."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from holdwater.engine.secret_keys import VARIABLE, generate_key
from holdwater.server.control.idempotency import IdempotentRequest
from tests.packages.signatures.test_trust import new_key
from tests.server.serving.server_process import ServedHere

HEADER: Final = "Idempotency-Key"
TENANT: Final = "idempotent"
BASE: Final = f"/v1/tenants/{TENANT}"
_numbers = itertools.count()
WITHOUT_KEY: Final = {
    "upload_package": "the content of an archive is its identity: the same one again is the same release",
    "cancel_execution": "creates nothing: a run that is cancelled is not cancelled twice",
    "pause_execution": "creates nothing: a run that is paused is not paused twice",
    "resume_execution": "creates nothing: a run that is not paused is not resumed",
    "retry_execution": "creates nothing: a run that is open is not retried",
    "answer_execution": "creates nothing: a question is answered once",
    "activate_release": "creates nothing: it is active, or becomes so",
    "unpin_release": "creates nothing: it is pinned, or not",
    "retry_release": "creates nothing: a release is registered once at a time",
}


def public_key() -> str:
    from holdwater.packages.signatures.signing_keys import public_bytes

    return base64.b64encode(public_bytes(new_key().private.public_key())).decode()


CREATED: Final[dict[str, tuple[str, dict[str, Any], str]]] = {
    "create_tenant": ("/v1/tenants", {"name": "idempotent_{n}"}, "description"),
    "create_key": ("/v1/auth/keys", {"name": "once {n}"}, "name"),
    "create_tenant_key": (f"{BASE}/keys", {"name": "once {n}"}, "name"),
    "create_secret": (f"{BASE}/secrets", {"name": "once_{n}", "fields": {"a": "text-of-a-secret"}}, "name"),
    "trust_key": (f"{BASE}/trusted-keys", {"name": "once {n}", "public_key": public_key()}, "name"),
    "create_trigger": (
        f"{BASE}/triggers",
        {"workflow_name": "once", "cron_expression": "0 3 1 1 *", "allow_unknown": True},
        "cron_expression",
    ),
}
"""path and body of a request that creates something, and a field that may be another text"""
OTHER: Final = {"cron_expression": "0 4 1 1 *"}


@pytest.fixture(scope="module")
def god(served: ServedHere) -> Iterator[httpx.Client]:
    with pytest.MonkeyPatch.context() as patch, served.client() as client:
        patch.setenv(VARIABLE, generate_key())
        assert client.post("/v1/tenants", json={"name": TENANT}).status_code == 201
        yield client


def new_body(operation: str) -> dict[str, Any]:
    text = json.dumps(CREATED[operation][1]).replace("{n}", str(next(_numbers)))
    body: dict[str, Any] = json.loads(text)
    return body


def test_what_creates_takes_the_header(god: httpx.Client) -> None:
    """A new POST that creates something takes the header, or says here why it need not."""
    without = set()
    for path, methods in god.get("/openapi.json").json()["paths"].items():
        operation = methods.get("post", {"responses": ()})
        if {"201", "202"} & set(operation["responses"]):
            names = {one["name"] for one in operation["parameters"]} if "parameters" in operation else set()
            if HEADER not in names:
                without.add(operation["operationId"])
        elif operation["responses"]:
            assert "creat" not in operation["operationId"].lower() or operation["operationId"] == "create_ws_ticket", (
                path
            )
    assert without == WITHOUT_KEY.keys()


@pytest.mark.parametrize("operation", list(CREATED))
def test_one_thing_is_created(god: httpx.Client, operation: str) -> None:
    path, _, field = CREATED[operation]
    body, once = new_body(operation), {HEADER: f"{operation} {next(_numbers)}"}
    first = god.post(path, json=body, headers=once)
    assert first.status_code == 201, first.text
    before = god.get(path).json()["total"]
    again = god.post(path, json=body, headers=once)
    assert (again.status_code, again.json()) == (201, first.json())
    other = god.post(path, json={**body, field: OTHER.get(field, "another")}, headers=once)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert god.get(path).json()["total"] == before


def test_a_rotation_is_done_once(god: httpx.Client) -> None:
    key_id = god.post(f"{BASE}/keys", json={"name": "rotated once"}).json()["id"]
    once = {HEADER: "rotate once"}
    first = god.post(f"{BASE}/keys/{key_id}/rotate", json={}, headers=once)
    again = god.post(f"{BASE}/keys/{key_id}/rotate", json={}, headers=once)
    assert (first.status_code, again.json()) == (201, first.json())


def test_a_fire_is_asked_for_once(god: httpx.Client) -> None:
    made = god.post(f"{BASE}/triggers", json={**new_body("create_trigger"), "name": "fired once"})
    assert made.status_code == 201, made.text
    path, once = f"{BASE}/triggers/fired once", {HEADER: "fire once"}
    answers = [god.post(f"{path}/fire", headers=once).json() for _ in range(2)]
    assert answers[0]["fired"] == 1
    assert answers[0] == answers[1]
    other = god.post(f"{path}/fire", json={"event": {"x": 1}}, headers=once)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_a_request_under_way_and_one_that_failed(served: ServedHere, god: httpx.Client) -> None:
    control = served.server.app.state.control.database
    key_id = god.get("/v1/auth/whoami").json()["key_id"]
    path, body = f"{BASE}/keys", json.dumps({"name": "under way"}).encode()
    headers = {HEADER: "under way", "content-type": "application/json"}
    asked = b"\0".join([b"POST", path.encode(), body])
    other_process = IdempotentRequest(control, key_id, served.bootstrap_key, "under way", asked)
    assert other_process.begin() is None
    refused = god.post(path, content=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "in_progress")
    conflict = god.post(path, content=b'{"name": "other"}', headers=headers)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "idempotency_conflict")
    other_process.drop()
    assert god.post(path, content=body, headers=headers).status_code == 201
    wrong = {HEADER: "failed"}
    assert god.post(path, json={"name": ""}, headers=wrong).status_code == 400
    assert god.post(path, json={"name": "mended"}, headers=wrong).status_code == 201, "nothing had been done"


@pytest.mark.parametrize("key", ["", "x" * 1025])
def test_keys_that_cannot_be(god: httpx.Client, key: str) -> None:
    refused = god.post(f"{BASE}/keys", json={"name": "never"}, headers={HEADER: key})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    assert "never" not in god.get(f"{BASE}/keys").text


def test_a_key_is_of_one_caller(served: ServedHere, god: httpx.Client) -> None:
    """Two callers may choose the same text; how the header of a caller is spelt does not matter."""
    admin = god.post(f"{BASE}/keys", json={"name": "admin", "role": "admin"}).json()["key"]
    body, once = {"name": "of two"}, {HEADER: "chosen by two"}
    with served.client(admin) as other:
        made = [client.post(f"{BASE}/keys", json=body, headers=once).json()["id"] for client in (god, other)]
        spelt = {**once, "authorization": f"bearer   {admin}"}
        assert other.post(f"{BASE}/keys", json=body, headers=spelt).json()["id"] == made[1]
    assert made[0] != made[1]
