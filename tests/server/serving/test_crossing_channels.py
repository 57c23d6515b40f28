"""What is no request with an id in its path: streams, tickets, sessions, cursors, labels and idempotency keys."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import psycopg
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.server.serving.crossing import Marked, different, pairs, signed_in
from tests.server.serving.flows import iter_events
from tests.server.serving.server_process import ServedHere

TIMEOUT_SECONDS = 60.0
LISTS = ("executions", "questions", "triggers", "workflows", "releases", "audit")
"""of the API, with cursors"""


def start(client: httpx.Client, tenant: Marked, **headers: str) -> httpx.Response:
    body = {"context": {"amount": 1, "note": tenant.mark}}
    return client.post(f"/v1/tenants/{tenant.name}/workflows/same/execute", json=body, headers=headers)


# -- streams


def test_a_stream_of_hints_has_nothing_of_another(served: ServedHere, tenants: list[Marked]) -> None:
    """Everything is done in another tenant first: by the time of the own hint that would have been told, too."""
    caller, owner = tenants[0], tenants[1]
    with served.client(caller.key) as client, served.client(owner.key) as other:
        base = f"/v1/tenants/{owner.name}"
        with (
            client.stream("GET", f"/v1/tenants/{caller.name}/stream", timeout=TIMEOUT_SECONDS) as own,
            other.stream("GET", f"{base}/stream", timeout=TIMEOUT_SECONDS) as theirs,
        ):
            lines, their_lines = own.iter_lines(), theirs.iter_lines()
            seen = [next(lines), next(lines)]
            with served.client(owner.key) as acting:
                run_id = start(acting, owner).json()["execution_id"]
                acting.post(f"{base}/triggers/same/pause").raise_for_status()
                acting.post(f"{base}/triggers/same/resume").raise_for_status()
                acting.post(f"{base}/executions/{run_id}/cancel").raise_for_status()
            next(event for event in iter_events(their_lines) if (event[2] or {}).get("id") == run_id)
            with served.client(caller.key) as acting:
                own_id = start(acting, caller).json()["execution_id"]
                acting.post(f"/v1/tenants/{caller.name}/executions/{own_id}/cancel").raise_for_status()
            while own_id not in seen[-1]:
                seen.append(next(lines))
    text = "\n".join(seen)
    owner.assert_not_in(text, "stream")
    assert run_id not in text
    assert owner.name not in text


def test_streams_of_another_are_closed_to_sessions(served: ServedHere, tenants: list[Marked]) -> None:
    for caller, owner in pairs(tenants[:3]):
        run_id = owner.ids["run_id"]
        with signed_in(served, caller) as (browser, _):
            for path, status in (
                (f"/v1/tenants/{owner.name}/stream", 403),
                (f"/v1/tenants/{owner.name}/executions/{run_id}/stream", 403),
                (f"/v1/tenants/{owner.name}/executions/{different(run_id)}/stream", 403),
                (f"/v1/tenants/{caller.name}/executions/{run_id}/stream", 404),
                (f"/v1/tenants/{caller.name}/executions/{run_id}", 401),
            ):
                assert browser.get(path).status_code == status, path


# -- tickets


def ticket_of(served: ServedHere, tenant: Marked) -> str:
    with served.client(tenant.key) as client:
        made = client.post("/v1/auth/ws-ticket")
        assert made.status_code == 200, made.text
        return str(made.json()["ticket"])


def socket_url(served: ServedHere, run_id: str, ticket: str, tenant: str = "") -> str:
    query = f"token={ticket}" + (f"&tenant={tenant}" if tenant else "")
    return f"{served.url.replace('http', 'ws', 1)}/v1/ws/delivery/exec_events:{run_id}?{query}"


def refusal(url: str) -> tuple[int, str, str]:
    """Status, code and message of a connection that is refused."""
    with pytest.raises(InvalidStatus) as refused, connect(url, open_timeout=TIMEOUT_SECONDS):
        pass
    body = json.loads(refused.value.response.body)
    return refused.value.response.status_code, body["code"], body["error"]


def test_a_ticket_opens_nothing_of_another(served: ServedHere, tenants: list[Marked]) -> None:
    for caller, owner in pairs(tenants[:3]):
        theirs, nothing = owner.ids["run_id"], different(owner.ids["run_id"])
        for run_id in (theirs, nothing):
            asked = socket_url(served, run_id, ticket_of(served, caller), owner.name)
            assert refusal(asked)[:2] == (403, "tenant_access_denied")
            asked = socket_url(served, run_id, ticket_of(served, caller), "no_such_tenant")
            assert refusal(asked)[:2] == (403, "tenant_access_denied")
        found = [refusal(socket_url(served, run_id, ticket_of(served, caller))) for run_id in (theirs, nothing)]
        assert [one[:2] for one in found] == [(404, "execution_not_found")] * 2
        assert found[0][2].replace(theirs, "ID") == found[1][2].replace(nothing, "ID")


def test_a_ticket_is_used_once_and_expires(served: ServedHere, tenants: list[Marked]) -> None:
    caller = tenants[0]
    once = socket_url(served, caller.ids["run_id"], ticket_of(served, caller))
    with connect(once, open_timeout=TIMEOUT_SECONDS) as socket:
        socket.send(json.dumps({"type": "hello", "protocol_version": 1, "since_id": None}))
        assert json.loads(socket.recv(TIMEOUT_SECONDS))["type"] == "welcome"
    assert refusal(once)[:2] == (401, "unauthorized")
    refused = socket_url(served, caller.ids["run_id"], ticket_of(served, caller), tenants[1].name)
    assert refusal(refused)[0] == 403
    assert refusal(refused)[0] == 401, "a refusal uses it up"
    late = socket_url(served, caller.ids["run_id"], ticket_of(served, caller))
    with psycopg.connect(served.database_url) as connection:
        connection.execute("UPDATE holdwater.tickets SET expires_at = expires_at - 61 * 1000000")
    assert refusal(late)[:2] == (401, "unauthorized")


def test_one_of_many_that_use_a_ticket_at_once_is_let_in(served: ServedHere, tenants: list[Marked]) -> None:
    url = socket_url(served, tenants[0].ids["run_id"], ticket_of(served, tenants[0]))
    ready, results = threading.Barrier(4), list[int]()

    def use() -> None:
        ready.wait()
        try:
            with connect(url, open_timeout=TIMEOUT_SECONDS):
                results.append(101)
        except InvalidStatus as refused:
            results.append(refused.response.status_code)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [101, 401, 401, 401]


# -- places, labels, idempotency keys


def test_a_cursor_of_another_is_refused(served: ServedHere, tenants: list[Marked]) -> None:
    caller, owner = tenants[0], tenants[1]
    with served.client(caller.key) as client, served.client(owner.key) as other:
        assert start(other, owner).status_code == 202  # a second run
        more = {"name": "same-too", "workflow_name": "same", "cron_expression": "0 3 1 1 *"}
        assert other.post(f"/v1/tenants/{owner.name}/triggers", json=more).status_code in (201, 409)
        cursors = {}
        for name in LISTS:
            page = other.get(f"/v1/tenants/{owner.name}/{name}", params={"limit": 1}).json()
            if page["next_cursor"] is not None:
                cursors[name] = page["next_cursor"]
                again = other.get(f"/v1/tenants/{owner.name}/{name}", params={"limit": 1, "cursor": cursors[name]})
                assert again.status_code == 200, again.text
        assert {"executions", "triggers", "workflows", "audit"} <= cursors.keys()
        for name, cursor in cursors.items():
            refused = client.get(f"/v1/tenants/{caller.name}/{name}", params={"limit": 1, "cursor": cursor})
            assert (refused.status_code, refused.json()["code"]) == (400, "invalid_pagination"), name
            owner.assert_not_in(refused.text, name)


def test_labels_and_texts_of_another_select_nothing(served: ServedHere, tenants: list[Marked]) -> None:
    for caller, owner in pairs(tenants[:3]):
        searches: list[dict[str, Any]] = [
            {"label": f"mark={owner.mark}"},
            {"text": owner.ids["run_id"][:18]},
            {"text": owner.mark},
            {"parent": owner.ids["run_id"]},
        ]
        with served.client(caller.key) as client:
            path = f"/v1/tenants/{caller.name}/executions"
            own = client.get(path, params={"label": f"mark={caller.mark}"})
            assert own.status_code == 200, own.text
            assert own.json()["total"] == 1, own.text
            for which in searches:
                found = client.get(path, params={**which, "count": True})
                assert found.status_code == 200, found.text
                assert owner.ids["run_id"] not in [one["id"] for one in found.json()["items"]]
                if "text" not in which:
                    assert found.json()["total"] == 0, which
            partial = client.get(f"{path}/{owner.ids['run_id'][:-4]}", params={"partial": True})
            assert partial.json()["code"] == "execution_not_found", partial.text


def test_the_same_idempotency_key_in_two_tenants_is_two(served: ServedHere, tenants: list[Marked]) -> None:
    """Of runs, bulk jobs and keys of the API; in one tenant it is one."""
    runs, keys = list[str](), list[str]()
    for tenant in tenants:
        base, header = f"/v1/tenants/{tenant.name}", {"idempotency-key": f"the-same-{len(tenants)}"}
        with served.client() as god, served.client(tenant.key) as client:
            started, again = [start(client, tenant, **header).json()["execution_id"] for _ in range(2)]
            assert started == again
            runs.append(started)
            bulk = {"verb": "cancel", "ids": ["0" * 36], "reason": tenant.mark}
            jobs = [client.post(f"{base}/executions/bulk", json=bulk, headers=header).json() for _ in range(2)]
            assert jobs[0]["bulk_id"] == jobs[1]["bulk_id"]
            assert client.get(f"{base}/bulk/{jobs[0]['bulk_id']}").json()["reason"] == tenant.mark
            path, body = f"{base}/keys", {"name": "same", "role": "read"}
            created = [
                god.post(path, json=body, headers={"idempotency-key": f"key-of-{tenant.name}"}) for _ in range(2)
            ]
            assert [one.json()["key"] for one in created] == [created[0].json()["key"]] * 2
            keys.append(created[0].json()["id"])
    assert len(set(runs)) == len(set(keys)) == len(tenants)


def test_a_stored_answer_is_not_for_another_path(served: ServedHere, tenants: list[Marked]) -> None:
    """The same key of the API, the same `Idempotency-Key` and body in another tenant: refused, not answered alike."""
    header, body = {"idempotency-key": f"answer-{len(tenants)}"}, {"name": "same", "role": "read"}
    with served.client() as god:
        first = god.post(f"/v1/tenants/{tenants[0].name}/keys", json=body, headers=header)
        second = god.post(f"/v1/tenants/{tenants[1].name}/keys", json=body, headers=header)
    assert first.status_code == 201
    assert (second.status_code, second.json()["code"]) == (409, "idempotency_conflict")
    assert first.json()["id"] not in second.text
