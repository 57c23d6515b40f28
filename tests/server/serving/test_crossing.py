"""No route gives a tenant anything of another one: every operation of the API, with every foreign id.

All tenants have the same names of workflows, schedules and everything else; what they have is marked by their own name,
which must be in no answer to another tenant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from holdwater import DefaultRunner
from holdwater.graphs import Graph, interrupt, node
from tests.server.serving.server_process import ServedHere
from tests.suite.effort import LONG
from tests.suite.waiting import wait_until

ROUTE_PARAMETERS = {"run_id", "task", "name", "release", "bulk_id", "key", "key_id", "fingerprint", "version", "kind"}
"""parameters of paths; a new one needs a foreign value here (`Marked.parameters`)"""
LEFT_OUT = {"stream_execution", "stream_hints", "list_tenant_audit"}
"""answers that do not end, and one with what the tenant itself has asked for"""


@dataclass
class Marked:
    """A tenant whose data has its mark.  `ids`: what it has that others must not reach, by parameter of a path."""

    name: str
    key: str
    mark: str
    ids: dict[str, str] = field(default_factory=dict)

    def path_of(self, template: str, owner: Marked) -> str:
        """The path of an operation in the own tenant, with the ids of another."""
        values = {"tenant": self.name, **owner.ids}
        return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: values[found[1]], template)


@node(output_name="doubled")
def double(amount: int) -> int:
    return amount * 2


@interrupt(answer_name="approved", name="ask")
def ask(doubled: int) -> str:
    return f"is {doubled} right?"


def fill(served: ServedHere, god: httpx.Client, name: str) -> Marked:
    """Make a tenant with a run that waits, a schedule, a limit and a bulk job, all marked."""
    mark = f"mark-of-{name}"
    made = god.post("/v1/tenants", json={"schema_name": name, "username": name, "description": mark})
    assert made.status_code == 201, made.text
    key = god.post(f"/v1/tenants/{name}/keys", json={"name": mark, "role": "admin"})
    assert key.status_code == 201, key.text
    tenant = Marked(name, key.json()["key"], mark)
    tenant.ids |= {"key_id": key.json()["id"], "task": "ask", "name": "same", "key": "same", "version": "1.0.0"}
    tenant.ids |= {"release": "0123456789abcdef", "fingerprint": "ab" * 32, "kind": "workflow"}
    with DefaultRunner.with_schema(served.database_url, name) as runner:
        # announces the workflow, and leaves a question behind
        handle = runner.submit(Graph([double, ask], name="same"), {"amount": 4}, labels={"mark": mark})
        wait_until(lambda: runner.get_run(handle.run_id).status == "Paused")
        tenant.ids["run_id"] = handle.run_id
        base = f"/v1/tenants/{name}"
        with served.client(tenant.key) as client:
            wait_until(lambda: client.get(f"{base}/workflows/same").status_code == 200)
    with served.client(tenant.key) as client:
        trigger = {"name": "same", "workflow_name": "same", "cron_expression": "0 3 1 1 *", "context": {"amount": 1}}
        assert client.post(f"{base}/triggers", json=trigger).status_code == 201
        assert client.put(f"{base}/limits/same", json={"max": 7}).status_code in (200, 201)
        bulk = client.post(f"{base}/executions/bulk", json={"verb": "cancel", "ids": ["0" * 36], "reason": mark})
        assert bulk.status_code == 202, bulk.text
        tenant.ids["bulk_id"] = bulk.json()["bulk_id"]
    return tenant


@pytest.fixture(scope="module", params=[2, pytest.param(12, marks=LONG)])
def tenants(served: ServedHere, request: pytest.FixtureRequest) -> Iterator[list[Marked]]:
    with served.client() as god:
        yield [fill(served, god, f"crossing_{request.param}_{k}") for k in range(request.param)]


@pytest.fixture(scope="module")
def operations(served: ServedHere) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path template and description of every operation in a tenant."""
    with served.client() as god:
        paths = god.get("/openapi.json").json()["paths"]
    found = [(method, path, one) for path, all_ in paths.items() for method, one in all_.items() if "{tenant}" in path]
    assert len(found) > 60
    return found


def pairs(tenants: list[Marked]) -> Iterator[tuple[Marked, Marked]]:
    for one in tenants:
        yield from ((one, other) for other in tenants if other is not one)


def answer_to(client: httpx.Client, method: str, path: str, description: dict[str, Any]) -> tuple[int, Any]:
    """Status and body, without what differs from request to request."""
    response = client.request(method, path, json={} if "requestBody" in description else None)
    told = re.sub(r'"request_id":\s*"[^"]*"', "", response.text)
    return response.status_code, told


def test_every_parameter_has_a_foreign_value(operations: list[tuple[str, str, dict[str, Any]]]) -> None:
    for _, path, one in operations:
        unknown = set(re.findall(r"\{(\w+)", path)) - ROUTE_PARAMETERS - {"tenant"}
        assert not unknown, f"{one['operationId']}: no foreign value for {unknown}"


def test_the_tenant_of_another_is_closed(
    served: ServedHere, tenants: list[Marked], operations: list[tuple[str, str, dict[str, Any]]]
) -> None:
    """Each operation in a foreign tenant is refused as in one that does not exist."""
    for caller, owner in pairs(tenants):
        nowhere = Marked("no_such_tenant", "", "", owner.ids)
        with served.client(caller.key) as client:
            for method, template, one in operations:
                status, told = answer_to(client, method, owner.path_of(template, owner), one)
                assert status == 403, (method, template, told)
                assert '"tenant_access_denied"' in told, (method, template, told)
                assert (status, told) == answer_to(client, method, nowhere.path_of(template, owner), one)
                assert owner.mark not in told


def test_foreign_ids_are_unknown(
    served: ServedHere, tenants: list[Marked], operations: list[tuple[str, str, dict[str, Any]]]
) -> None:
    """An id of another tenant is answered as one that nothing has, in the own tenant."""
    unique = ("run_id", "bulk_id", "key_id")
    for caller, owner in pairs(tenants):
        with served.client(caller.key) as client:
            for method, template, one in operations:
                used = [name for name in unique if f"{{{name}" in template]
                if not used:
                    continue
                foreign = caller.path_of(template, owner)
                unknown_ids = {name: different(owner.ids[name]) for name in used}
                unknown = caller.path_of(template, Marked("", "", "", {**owner.ids, **unknown_ids}))
                status, told = answer_to(client, method, foreign, one)
                for name in used:
                    told = told.replace(owner.ids[name], "ID")
                there = answer_to(client, method, unknown, one)
                expected = there[1]
                for name in used:
                    expected = expected.replace(unknown_ids[name], "ID")
                assert (status, told) == (there[0], expected), (method, template)
                assert owner.mark not in told


def different(text: str) -> str:
    """An id of the same form that nothing has."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def test_nothing_of_another_is_in_any_answer(
    served: ServedHere, tenants: list[Marked], operations: list[tuple[str, str, dict[str, Any]]]
) -> None:
    """Everything that can be read in the own tenant has marks of it alone, and each tenant has some."""
    for caller in tenants:
        others = [other for other in tenants if other is not caller]
        seen = 0
        with served.client(caller.key) as client:
            for method, template, one in operations:
                if method != "get" or one["operationId"] in LEFT_OUT:
                    continue
                text = client.get(caller.path_of(template, caller)).text
                seen += caller.mark in text
                for other in others:
                    assert other.mark not in text, template
                    assert other.ids["run_id"] not in text, template
                    assert other.ids["key_id"] not in text, template
        assert seen >= 3


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

    before = of_owner(lambda client: client.get(f"/v1/tenants/{owner.name}/triggers/same")).json()
    with served.client(caller.key) as client:
        base = f"/v1/tenants/{caller.name}"
        assert client.post(f"{base}/triggers/same/pause").status_code in (200, 202)
        assert client.delete(f"{base}/limits/same").status_code in (200, 204)
        started = client.post(
            f"{base}/workflows/same/execute", json={"context": {"amount": 1}}, headers={"idempotency-key": "same"}
        )
        assert started.status_code == 202, started.text
    assert of_owner(lambda client: client.get(f"/v1/tenants/{owner.name}/triggers/same")).json() == before
    assert of_owner(lambda client: client.get(f"/v1/tenants/{owner.name}/limits/same")).json()["max"] == 7
    with served.client(owner.key) as client:
        other = client.post(
            f"/v1/tenants/{owner.name}/workflows/same/execute",
            json={"context": {"amount": 2}},
            headers={"idempotency-key": "same"},
        )
        assert other.status_code == 202, other.text
        assert other.json()["execution_id"] != started.json()["execution_id"]
    if len(tenants) > 2:
        for tenant in tenants[1:]:
            with served.client(tenant.key) as client:
                assert client.get(f"/v1/tenants/{tenant.name}/limits/same").json()["max"] == 7
