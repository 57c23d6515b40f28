"""Keys by HTTP: what the administrators of a tenant and of the server may do with which."""

from __future__ import annotations

import pytest

from tests.server.access.keyed_server import KeyedServer, ServeKeys
from tests.suite.waiting import wait_until

KEYS = "/v1/tenants/acme/keys"


def status_of(keyed: KeyedServer, key: str) -> int:
    with keyed.client(key) as client:
        return client.get("/v1/auth/whoami").status_code


def test_a_key_of_a_tenant_is_made_used_rotated_and_revoked(keyed: KeyedServer) -> None:
    with keyed.client(keyed.god) as god:
        made = god.post(KEYS, json={"name": "ci", "role": "admin"})
        assert made.status_code == 201, made.text
        body = made.json()
        assert {"id", "name", "key", "permissions", "tenant_id", "is_admin", "created_at"} <= body.keys()
        assert (body["tenant_id"], body["permissions"], body["is_admin"]) == ("acme", "admin", False)
    with keyed.client(body["key"]) as own:
        assert own.get("/v1/auth/whoami").json() == {
            "key_id": body["id"], "name": "ci", "tenant_id": "acme", "role": "admin", "is_admin": False,
            "expires_at": None,
        }  # fmt: skip
        listed = own.get("/v1/auth/keys").json()
        assert {one["tenant_id"] for one in listed["items"]} == {"acme"}
        assert body["key"] not in own.get(KEYS).text
        rotated = own.post(f"{KEYS}/{body['id']}/rotate", json={"overlap_seconds": 60})
        assert rotated.status_code == 201, rotated.text
        assert rotated.json()["replaces"] == body["id"]
        assert own.get("/v1/auth/whoami").status_code == 200, "it is accepted for a minute more"
    with keyed.client(rotated.json()["key"]) as new:
        assert new.delete(f"{KEYS}/{body['id']}").json() == {"status": "revoked", "id": body["id"]}
        assert status_of(keyed, body["key"]) == 401
        verbs = [one["verb"] for one in new.get("/v1/tenants/acme/audit").json()["items"]]
        assert {"key.create", "key.rotate", "key.revoke"} <= set(verbs)
        assert new.post("/v1/auth/logout").json() == {"status": "revoked"}
        assert new.get("/v1/auth/whoami").status_code == 401


@pytest.mark.parametrize("role", ["read", "write"])
def test_only_administrators_see_keys_and_the_audit(keyed: KeyedServer, role: str) -> None:
    with keyed.client(keyed.make_key(role, "acme")) as client:
        for path in (KEYS, "/v1/auth/keys", "/v1/tenants/acme/audit", "/v1/audit"):
            refused = client.get(path)
            assert (refused.status_code, refused.json()["code"]) == (403, "admin_required"), path
        assert client.post(KEYS, json={"name": "x", "role": "read"}).status_code == 403
        own = client.post("/v1/auth/ws-ticket")
        assert own.status_code == 200
        assert own.json()["expires_in_seconds"] == 60


def test_an_administrator_of_a_tenant_makes_nothing_above_itself(keyed: KeyedServer) -> None:
    with keyed.client(keyed.make_key("admin", "acme")) as client:
        god = client.post("/v1/auth/keys", json={"name": "x", "role": "admin", "is_admin": True})
        assert (god.status_code, god.json()["code"]) == (403, "admin_required")
        assert client.post("/v1/tenants/public/keys", json={"name": "x"}).status_code == 403
        assert client.get("/v1/audit").status_code == 403
        other = keyed.make_key("read", "public")
        with keyed.client(other) as stranger:
            foreign = stranger.get("/v1/auth/whoami").json()["key_id"]
        for path in (f"{KEYS}/{foreign}", f"/v1/auth/keys/{foreign}"):
            gone = client.delete(path)
            assert (gone.status_code, gone.json()["code"]) == (404, "key_not_found")


@pytest.mark.parametrize("way", ["revoke", "rotate"])
def test_a_key_is_refused_from_the_answer_on(serve: ServeKeys, way: str) -> None:
    """The server that revokes a key does not wait for its own notification."""
    keyed = serve(listens=False)
    key = keyed.make_key("read", "acme")
    with keyed.client(keyed.god) as god, keyed.client(key) as client:
        key_id = client.get("/v1/auth/whoami").json()["key_id"]
        if way == "revoke":
            god.delete(f"{KEYS}/{key_id}").raise_for_status()
        else:
            god.post(f"{KEYS}/{key_id}/rotate").raise_for_status()
        assert client.get("/v1/auth/whoami").status_code == 401


def test_what_became_of_a_request_is_recorded_once(keyed: KeyedServer) -> None:
    """A change that was refused as invalid, one that was made, and the same again have a row each."""
    once = {"idempotency-key": "a-hook-of-the-audit"}
    run = {"verb": "cancel", "ids": ["0" * 36], "reason": "audit"}
    with keyed.client(keyed.god) as god:
        path = "/v1/tenants/acme/executions/bulk"
        answers = [god.post(path, json=body, headers=once).status_code for body in ({"verb": "no such verb"}, run, run)]
        assert answers[0] == 400
        assert answers[1] == answers[2]

        def outcomes() -> list[str]:
            entries = god.get("/v1/audit?limit=1000").json()["items"]
            return [one["outcome"] for one in entries if one["target"] == path]

        wait_until(lambda: len(outcomes()) == 3 and "asked" not in outcomes())
        assert outcomes() == ["done", "done", "refused"]


def test_the_same_request_makes_one_key(keyed: KeyedServer) -> None:
    once = {"idempotency-key": "make-a-key"}
    with keyed.client(keyed.god) as god:
        first = god.post(KEYS, json={"name": "once"}, headers=once)
        again = god.post(KEYS, json={"name": "once"}, headers=once)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        other = god.post(KEYS, json={"name": "another"}, headers=once)
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
