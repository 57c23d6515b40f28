"""Each route of a server has a role, an error model, an operation id, an example, and a place among the tenants."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from holdwater.server.api_routing import ROLE
from holdwater.server.openapi import PUBLIC_OPERATIONS
from tests.server.serving.server_process import ServedHere
from tests.server.serving.test_crossing import LEFT_OUT

Operation = tuple[str, str, dict[str, Any]]
JSON: Final = "application/json"
ERROR: Final = {"$ref": "#/components/schemas/ErrorBody"}
OF_ALL_TENANTS: Final = {
    "create_key": "a key of the caller's tenant; tests/server/access/test_key_routes.py",
    "list_keys": "keys of the caller's tenant; test_key_routes.py",
    "revoke_key": "404 for a key of another tenant; test_key_routes.py",
    "rotate_key": "404 for a key of another tenant, below",
    "whoami": "says about the key of the request",
    "create_ws_ticket": "for the key of the request",
    "logout": "ends the key of the request",
    "list_graphs": "always empty",
    "list_accumulators": "always empty",
    "list_reactors": "always empty",
    **dict.fromkeys(("get_server", "list_tenants", "create_tenant", "list_audit"), "for administrators of the server"),
}
"""operations outside of a tenant; a new one needs a test that it gives nothing of another tenant, and a line here"""


@pytest.fixture(scope="module")
def document(served: ServedHere) -> dict[str, Any]:
    with served.stranger() as client:
        found: dict[str, Any] = client.get("/openapi.json").json()
    return found


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> list[Operation]:
    found = [(method, path, one) for path, all_ in document["paths"].items() for method, one in all_.items()]
    assert len(found) > 90
    return found


def protected(operations: list[Operation]) -> Iterator[Operation]:
    return (one for one in operations if one[2]["operationId"] not in PUBLIC_OPERATIONS)


def test_every_operation_has_an_id_of_its_own(operations: list[Operation]) -> None:
    ids = [one["operationId"] for _, _, one in operations]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", id_) for id_ in ids), ids


def test_every_operation_has_a_role(served: ServedHere, operations: list[Operation]) -> None:
    """A caller whose role does not suffice is refused, whatever it asks for."""
    with served.client() as god:
        god.post("/v1/tenants", json={"name": "roles_here"})
        keys = {
            role: god.post("/v1/tenants/roles_here/keys", json={"name": role, "role": role}).json()["key"]
            for role in ("read", "write", "admin")
        }
    below = {"write": "read", "admin": "write", "god": "admin"}
    for method, path, one in protected(operations):
        role = one.get(ROLE)
        assert role in {"any", "read", "write", "admin", "god"}, (method, path)
        if role in below:
            with served.client(keys[below[role]]) as client:
                answer = client.request(method, re.sub(r"\{\w+\}", "x", path.replace("{tenant}", "roles_here")))
            assert answer.status_code == 403, (method, path, answer.text)
            wanted = "admin_required" if role in ("admin", "god") else "insufficient_permissions"
            assert answer.json()["code"] == wanted, (method, path)


def test_every_operation_has_its_errors(operations: list[Operation]) -> None:
    for method, path, one in protected(operations):
        where, wanted = f"{method} {path}", {"401", "429", "500", "503"}
        if one[ROLE] != "any":
            wanted.add("403")
        if path.startswith("/v1/tenants/"):
            wanted |= {"400", "404"}
        if method != "get":
            wanted |= {"409", "413", "415"}
        assert wanted <= one["responses"].keys(), where
        for status, answer in one["responses"].items():
            if status >= "400":
                assert answer["content"][JSON]["schema"] == ERROR, where
        assert "422" not in one["responses"], where


def test_every_operation_has_examples(document: dict[str, Any], operations: list[Operation]) -> None:
    """Of its parameters, of its body and of what it answers; each fits its schema."""
    jsonschema: Any = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    for method, path, one in operations:
        where, bodies = f"{method} {path}", []
        for parameter in one.get("parameters", ()):
            if parameter["in"] == "path":
                assert parameter["schema"].get("examples") or parameter.get("example"), (where, parameter["name"])
        bodies += [one["requestBody"]["content"].get(JSON)] if "requestBody" in one else []
        bodies += [answer.get("content", {}).get(JSON) for status, answer in one["responses"].items() if status < "400"]
        for content in filter(None, bodies):
            schema = {**content["schema"], "components": document["components"]}
            problems = [*jsonschema.Draft202012Validator(schema).iter_errors(content["example"])]
            assert not problems, (where, problems[0].message, content["example"])


def test_examples_are_accepted(served: ServedHere, operations: list[Operation]) -> None:
    """What the description proposes may not fit what is there; its form is right."""
    with served.client() as god:
        god.post("/v1/tenants", json={"name": "examples_here"})
        for method, path, one in operations:
            content = one.get("requestBody", {}).get("content", {}).get(JSON)
            if content is None or one["operationId"] in ("create_tenant", "create_key"):
                continue
            target = path.replace("{tenant}", "examples_here")
            for parameter in one.get("parameters", ()):
                if parameter["in"] == "path" and parameter["name"] != "tenant":
                    target = target.replace(f"{{{parameter['name']}}}", parameter["schema"]["examples"][0])
            answer = god.request(method, target, json=content["example"])
            told = answer.json()
            assert answer.status_code < 500 or told["code"] == "secrets_unavailable", (target, told)
            assert answer.status_code != 400, (target, told)


def test_every_operation_has_a_place_among_the_tenants(operations: list[Operation]) -> None:
    """Those in a tenant are tried with every foreign id (`test_crossing.py`), but for streams, which it tries alone."""
    outside = {one["operationId"] for _, path, one in protected(operations) if "{tenant}" not in path}
    assert outside == OF_ALL_TENANTS.keys()
    for_god = {one["operationId"] for _, _, one in operations if one.get(ROLE) == "god"}
    assert {name for name, why in OF_ALL_TENANTS.items() if "administrators" in why} <= for_god
    assert {"stream_execution", "stream_hints", "list_tenant_audit"} == LEFT_OUT


def test_a_key_of_another_tenant_is_not_rotated(served: ServedHere) -> None:
    with served.client() as god:
        made = {}
        for name in ("rotating_a", "rotating_b"):
            god.post("/v1/tenants", json={"name": name})
            made[name] = god.post(f"/v1/tenants/{name}/keys", json={"name": "k", "role": "admin"}).json()
        with served.client(made["rotating_a"]["key"]) as client:
            answers = [
                client.post(f"/v1/auth/keys/{key_id}/rotate").json() for key_id in (made["rotating_b"]["id"], "0" * 12)
            ]
        assert [one["code"] for one in answers] == ["key_not_found"] * 2
        assert httpx.get(
            f"{served.url}/v1/auth/whoami", headers={"authorization": f"Bearer {made['rotating_b']['key']}"}
        ).is_success
