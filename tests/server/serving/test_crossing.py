"""No route gives a tenant anything of another one: every operation of the API, with every foreign id.

All tenants have the same names of workflows, schedules and everything else; what they have is marked by their own name,
which must be in no answer to another tenant.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.server.serving.crossing import UNIQUE, Marked, pairs, without_request
from tests.server.serving.server_process import ServedHere
from tests.suite.waiting import wait_until

ROUTE_PARAMETERS = {"run_id", "task", "name", "release", "bulk_id", "key", "key_id", "fingerprint", "version", "kind"}
"""parameters of paths; a new one needs a foreign value in `Marked.ids`"""
LEFT_OUT = {"stream_execution", "stream_hints", "list_tenant_audit"}
"""answers that do not end, and one with what the tenant itself has asked for"""

BODIES: dict[str, Any] = {"fork_execution": {"from_task": "ask"}, "answer_execution": {"value": True}}
"""of operations that are refused without them before their ids are looked at"""

Operation = tuple[str, str, dict[str, Any]]
"""method, template of the path and description"""


@pytest.fixture(scope="module")
def operations(served: ServedHere) -> list[Operation]:
    """Method, path template and description of every operation in a tenant."""
    with served.client() as god:
        paths = god.get("/openapi.json").json()["paths"]
    found = [(method, path, one) for path, all_ in paths.items() for method, one in all_.items() if "{tenant}" in path]
    assert len(found) > 60
    return found


@pytest.fixture(scope="module")
def operations_of_the_server(served: ServedHere) -> list[Operation]:
    """Every operation that is in no tenant."""
    with served.client() as god:
        paths = god.get("/openapi.json").json()["paths"]
    return [(method, path, one) for path, all_ in paths.items() for method, one in all_.items() if "{t" not in path]


def answer_to(client: httpx.Client, method: str, path: str, description: dict[str, Any]) -> tuple[int, Any]:
    """Status and body, without what differs from request to request."""
    body = BODIES.get(description["operationId"], {}) if "requestBody" in description else None
    response = client.request(method, path, json=body)
    return response.status_code, without_request(response.text)


def test_every_parameter_has_a_foreign_value(operations: list[Operation]) -> None:
    for _, path, one in operations:
        unknown = set(re.findall(r"\{(\w+)", path)) - ROUTE_PARAMETERS - {"tenant"}
        assert not unknown, f"{one['operationId']}: no foreign value for {unknown}"


def test_the_tenant_of_another_is_closed(
    served: ServedHere, tenants: list[Marked], operations: list[Operation]
) -> None:
    """Each operation in a foreign tenant is refused as in one that does not exist."""
    nowhere = Marked("no_such_tenant", "", "", tenants[0].ids)
    for caller in tenants:
        with served.client(caller.key) as client:
            for method, template, one in operations:
                refused = answer_to(client, method, nowhere.path_of(template, nowhere), one)
                assert refused[0] == 403, (method, template, refused)
                assert '"tenant_access_denied"' in refused[1], (method, template)
                for owner in tenants:
                    if owner is not caller:
                        assert answer_to(client, method, owner.path_of(template, owner), one) == refused, template


def test_foreign_ids_are_unknown(served: ServedHere, tenants: list[Marked], operations: list[Operation]) -> None:
    """An id of another tenant is answered as one that nothing has, in the own tenant."""
    for caller, owner in pairs(tenants):
        with served.client(caller.key) as client:
            for method, template, one in operations:
                used = [name for name in UNIQUE if f"{{{name}" in template]
                if used:
                    assert_unknown(client, caller, owner, used, method, template, one)


def assert_unknown(
    client: httpx.Client, caller: Marked, owner: Marked, used: list[str], method: str, template: str, one: Any
) -> None:
    unknown = owner.with_other_ids(used)
    status, told = answer_to(client, method, caller.path_of(template, owner), one)
    expected_status, expected = answer_to(client, method, caller.path_of(template, unknown), one)
    is_legacy = one["operationId"] == "list_events"  # answered as clients of Cloacina's server expect: without events
    assert status == (200 if is_legacy else 404), (method, template, told)
    for name in used:
        told, expected = told.replace(owner.ids[name], "ID"), expected.replace(unknown.ids[name], "ID")
    assert (status, told) == (expected_status, expected), (method, template)
    assert owner.mark not in told


def test_nothing_of_another_is_in_any_answer(
    served: ServedHere, tenants: list[Marked], operations: list[Operation]
) -> None:
    """Everything that can be read in the own tenant has marks of it alone, and each tenant has some."""
    for caller in tenants:
        others = [other for other in tenants if other is not caller]
        seen = set()
        with served.client(caller.key) as client:
            for method, template, one in operations:
                if method != "get" or one["operationId"] in LEFT_OUT:
                    continue
                text = client.get(caller.path_of(template, caller)).text
                if caller.mark in text:
                    seen.add(one["operationId"])
                for other in others:
                    other.assert_not_in(text, template)
        assert {"export_execution", "list_executions", "list_log", "get_trigger", "get_tenant"} <= seen, seen
        assert len(seen) >= 10


def test_the_audit_log_of_another_says_nothing_of_what_was_refused(served: ServedHere, tenants: list[Marked]) -> None:
    caller, owner = tenants[0], tenants[1]
    with served.client(caller.key) as client:
        assert client.post(f"/v1/tenants/{owner.name}/executions/x/cancel").status_code == 403
        target = f"/v1/tenants/{owner.name}/executions/x/cancel"

        def own_entries() -> list[dict[str, Any]]:
            items = client.get(f"/v1/tenants/{caller.name}/audit").json()["items"]
            return [one for one in items if one["target"] == target]

        wait_until(own_entries)  # a refusal is recorded after its answer
        assert {(one["outcome"], one["code"]) for one in own_entries()} == {("refused", "tenant_access_denied")}
    with served.client(owner.key) as client:
        entries = client.get(f"/v1/tenants/{owner.name}/audit?limit=1000").json()["items"]
        assert entries
        assert not [one for one in entries if one["by"] == f"key:{caller.ids['key_id']}"]


def test_what_is_in_no_tenant_has_nothing_of_another(
    served: ServedHere, tenants: list[Marked], operations_of_the_server: list[Operation]
) -> None:
    """Keys, metrics, the report about the server: for a tenant it is refused, or has what is its own."""
    for caller, owner in pairs(tenants):
        with served.client(caller.key) as client:
            for method, template, one in operations_of_the_server:
                path = owner.path_of(template, owner)
                if path != template:
                    assert_unknown(client, caller, owner, ["key_id"], method, template, one)
                elif method == "get":
                    owner.assert_not_in(client.get(path).text, template)
            assert client.get("/v1/server").status_code == 403
            assert client.get("/v1/audit").status_code == 403
    with served.stranger() as stranger:
        metrics = stranger.get("/metrics").text
    for tenant in tenants:
        tenant.assert_not_in(metrics, "/metrics")
        assert tenant.name not in metrics


def test_streams_of_another_are_closed(served: ServedHere, tenants: list[Marked]) -> None:
    for caller, owner in pairs(tenants):
        with served.client(caller.key) as client:
            own = f"/v1/tenants/{caller.name}/executions/{owner.ids['run_id']}/stream"
            theirs = f"/v1/tenants/{owner.name}/executions/{owner.ids['run_id']}/stream"
            assert client.get(own).status_code == 404
            assert client.get(theirs).status_code == 403
            assert client.get(f"/v1/tenants/{owner.name}/stream").status_code == 403


def test_what_is_changed_by_name_is_the_own_one(served: ServedHere, tenants: list[Marked]) -> None:
    """Everything has the same name in all tenants; deleting it in one leaves it in the others."""
    caller, owner = tenants[0], tenants[1]

    def of_owner(check: Callable[[httpx.Client], httpx.Response]) -> httpx.Response:
        with served.client(owner.key) as client:
            return check(client)

    with served.client(caller.key) as client:
        base = f"/v1/tenants/{caller.name}"
        assert client.put(f"{base}/limits/same", json={"max": 7}).status_code in (200, 201)
    before = of_owner(lambda client: client.get(f"/v1/tenants/{owner.name}/triggers/same")).json()
    with served.client(caller.key) as client:
        assert client.post(f"{base}/triggers/same/pause").status_code in (200, 202)
        assert client.delete(f"{base}/limits/same").status_code in (200, 204)
        started = client.post(
            f"{base}/workflows/same/execute",
            json={"context": {"amount": 1, "note": "one"}},
            headers={"idempotency-key": "same"},
        )
        assert started.status_code == 202, started.text
    assert of_owner(lambda client: client.get(f"/v1/tenants/{owner.name}/triggers/same")).json() == before
    assert of_owner(lambda client: client.get(f"/v1/tenants/{owner.name}/limits/same")).json()["max"] == 7
    with served.client(owner.key) as client:
        other = client.post(
            f"/v1/tenants/{owner.name}/workflows/same/execute",
            json={"context": {"amount": 2, "note": "two"}},
            headers={"idempotency-key": "same"},
        )
        assert other.status_code == 202, other.text
        assert other.json()["execution_id"] != started.json()["execution_id"]
    if len(tenants) > 2:
        for tenant in tenants[1:]:
            with served.client(tenant.key) as client:
                assert client.get(f"/v1/tenants/{tenant.name}/limits/same").json()["max"] == 7
