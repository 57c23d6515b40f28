"""Filters, places and numbers in the query of every list: bad ones are refused, and the others find what they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from holdwater import DefaultRunner, WorkflowBuilder, task
from holdwater.model.registry import registry
from tests.server.serving.hostile import (
    ENDLESS,
    NUMBERS,
    SQL_TEXTS,
    Operation,
    assert_typed,
    make_tenant,
    operations_of,
)
from tests.server.serving.server_process import ServedHere

TENANT, OTHER = "hostile_queries", "hostile_queries_b"
TEXT_FILTERS: Final = {"workflow", "label", "text", "release", "parent", "package", "task"}
"""of lists: a text that nothing has finds nothing"""


@pytest.fixture(scope="module")
def clients(served: ServedHere) -> Iterator[dict[str, httpx.Client]]:
    """A caller of each tenant, which has two runs and two schedules."""
    with WorkflowBuilder("queried"):

        @task()
        def load(context: Any) -> None:
            context["amount"] = 1

    made = {name: make_tenant(served, name) for name in (TENANT, OTHER)}
    for name, client in made.items():
        with DefaultRunner.with_schema(served.database_url, name) as runner:
            for _ in range(2):
                runner.execute("queried", labels={"env": "prod"})
        for number in range(2):
            body = {
                "name": f"s{number}",
                "workflow_name": "queried",
                "cron_expression": "0 3 1 1 *",
                "allow_unknown": True,
            }
            assert client.post(f"/v1/tenants/{name}/triggers", json=body).status_code == 201
    yield made
    registry.unregister("queried")
    for client in made.values():
        client.close()


@pytest.fixture(scope="module")
def client(clients: dict[str, httpx.Client]) -> httpx.Client:
    return clients[TENANT]


@pytest.fixture(scope="module")
def run_id(client: httpx.Client) -> str:
    return str(client.get(f"/v1/tenants/{TENANT}/executions").json()["items"][0]["id"])


@pytest.fixture(scope="module")
def lists(served: ServedHere) -> list[Operation]:
    found = [one for one in operations_of(served) if one.method == "GET" and one.queried() and one.id not in ENDLESS]
    assert len(found) > 12
    return found


def path_of(one: Operation, run_id: str) -> str:
    return one.path(TENANT, run_id=run_id, task="load", name="s0" if "triggers" in one.template else "queried")


def test_texts_of_queries(client: httpx.Client, lists: list[Operation], run_id: str) -> None:
    for one in lists:
        path = path_of(one, run_id)
        for parameter in one.queried():
            for text in SQL_TEXTS:
                answer = client.get(path, params={parameter: text})
                assert_typed(answer, (one.id, parameter, text))
                if answer.status_code == 200 and parameter in TEXT_FILTERS:
                    assert answer.json().get("items", []) == [], (one.id, parameter, text)
        answer = client.get(path, params={"sort": "status; DROP TABLE runs", "order_by": "1", "fields": "*"})
        assert_typed(answer, (one.id, "unknown parameters"))
    assert len(client.get(f"/v1/tenants/{TENANT}/executions").json()["items"]) == 2


def test_wildcards_of_a_database_are_none_here(client: httpx.Client) -> None:
    """`%` and `_` stand for themselves; `*` is the wildcard of the API, where it has one."""
    base = f"/v1/tenants/{TENANT}/executions"
    counts = {
        query: len(client.get(f"{base}?{query}").json().get("items", []))
        for query in (
            "workflow=queried", "workflow=quer*", "workflow=quer%25", "workflow=querie_", "workflow=%5C",
            "text=queried%25", "label=env=prod", "label=env=pro_", "label=env=%25", "label=en_=prod",
        )
    }  # fmt: skip
    assert counts == {
        "workflow=queried": 2, "workflow=quer*": 2, "workflow=quer%25": 0, "workflow=querie_": 0, "workflow=%5C": 0,
        "text=queried%25": 0, "label=env=prod": 2, "label=env=pro_": 0, "label=env=%25": 0, "label=en_=prod": 0,
    }  # fmt: skip


def test_numbers_of_queries(client: httpx.Client, lists: list[Operation], run_id: str) -> None:
    """Pages, places and instants that are no numbers, or not in the bounds of the description."""
    for one in lists:
        for described in one.description["parameters"]:
            schema = described["schema"]
            if described["in"] != "query" or "integer" not in str(schema):
                continue
            for text in NUMBERS:
                answer = client.get(path_of(one, run_id), params={described["name"]: text})
                assert_typed(answer, (one.id, described["name"], text))
                assert answer.status_code == 400 or text in ("", " 1", "9" * 30), (
                    one.id,
                    described["name"],
                    text,
                    answer.text[:200],
                )
                if described["name"] in ("limit", "offset", "cursor") and answer.status_code == 400:
                    assert answer.json()["code"] == "invalid_pagination", (one.id, text)


def test_places_of_another_list(client: httpx.Client, lists: list[Operation], run_id: str) -> None:
    paged = [one for one in lists if "cursor" in one.queried()]
    cursors = {one.id: client.get(path_of(one, run_id), params={"limit": 1}).json().get("next_cursor") for one in paged}
    found = {name: cursor for name, cursor in cursors.items() if cursor}
    assert len(found) >= 3, cursors
    for one in paged:
        for name, cursor in found.items():
            answer = client.get(path_of(one, run_id), params={"cursor": cursor, "limit": 1})
            assert (answer.status_code == 200) == (name == one.id), (one.id, name, answer.text)
            if name != one.id:
                assert answer.json()["code"] == "invalid_pagination"
    filtered = client.get(
        f"/v1/tenants/{TENANT}/executions", params={"cursor": found["list_executions"], "status": "failed"}
    )
    assert (filtered.status_code, filtered.json()["code"]) == (400, "invalid_pagination")


def test_places_of_another_tenant(clients: dict[str, httpx.Client], lists: list[Operation], run_id: str) -> None:
    """A place says no more than where a page begins: what is listed there is of the own tenant."""
    for one in lists:
        if "cursor" not in one.queried() or one.parameters != ["tenant"]:
            continue
        theirs = clients[OTHER].get(one.path(OTHER), params={"limit": 1}).json().get("next_cursor")
        if theirs is None:
            continue
        answer = clients[TENANT].get(one.path(TENANT), params={"cursor": theirs})
        assert answer.status_code in (200, 400), (one.id, answer.text)
        assert OTHER not in answer.text
        if one.id == "list_executions":
            runs = {item["id"] for item in clients[OTHER].get(one.path(OTHER)).json()["items"]}
            assert len(runs) == 2
            assert runs.isdisjoint({item["id"] for item in answer.json().get("items", [])})
