"""Keys that are not accepted are refused alike, whatever is wrong with them."""

from __future__ import annotations

import http.client
import json
from typing import Any

from holdwater.model.time import add_seconds
from holdwater.server.control.key_text import has_valid_checksum
from holdwater.server.rate_limits import AccessLimits
from tests.server.access.keyed_server import KeyedServer, ServeKeys
from tests.suite.waiting import wait_until

PATH = "/v1/tenants/acme/executions"


def ask(keyed: KeyedServer, *authorizations: bytes, path: str = PATH) -> tuple[int, dict[str, str], bytes]:
    """Send a request with these headers, as they are."""
    connection = http.client.HTTPConnection("127.0.0.1", keyed.port, timeout=20)
    connection.putrequest("GET", path)
    for value in authorizations:
        connection.putheader("Authorization", value)
    connection.putheader("X-Request-ID", "the-same")
    connection.endheaders()
    response = connection.getresponse()
    found = response.status, {k.lower(): v for k, v in response.getheaders() if k.lower() != "date"}, response.read()
    connection.close()
    return found


def test_a_key_is_accepted(keyed: KeyedServer) -> None:
    key = keyed.make_key("read", "acme")
    status, _, body = ask(keyed, f"Bearer {key}".encode())
    assert (status, json.loads(body)["items"]) == (200, [])
    assert ask(keyed, f"bearer   {key} ".encode())[0] == 200


def test_what_is_not_accepted_is_refused_alike(keyed: KeyedServer) -> None:
    now = keyed.tables.database.clock.now()
    good, expired = keyed.make_key("admin", "acme"), keyed.make_key("admin", "acme", expires_at=now)
    revoked = keyed.make_key("admin", "acme")
    with keyed.tables.database.transaction() as connection:
        keyed.tables.keys.revoke(connection, revoked[3:15], now, "tests")
    other = keyed.make_key("admin", "acme")
    wrong = good[:16] + other[16:]  # the id of one, the secret of another
    assert has_valid_checksum(good)
    assert not has_valid_checksum(wrong)
    digits = good.translate({ord("0") + k: ord("０") + k for k in range(10)})
    cases: dict[str, list[bytes]] = {
        "missing": [],
        "prefix": [b"Bearer hw_"],
        "id": [f"Bearer {good[:16]}".encode()],
        "wrong secret": [f"Bearer {wrong}".encode()],
        "cut": [f"Bearer {good[:-1]}".encode()],
        "longer": [f"Bearer {good}0".encode()],
        "case": [f"Bearer {good.swapcase()}".encode()],
        "digits": [f"Bearer {digits}".encode()],
        "expired": [f"Bearer {expired}".encode()],
        "revoked": [f"Bearer {revoked}".encode()],
        "scheme": [f"Basic {good}".encode()],
        "no scheme": [good.encode()],
        "empty": [b""],
        "bytes": [b"Bearer \xff\xfe\x80"],
        "twice": [f"Bearer {good}".encode()] * 2,
        "two": [f"Bearer {good}".encode(), f"Bearer {other}".encode()],
    }
    answers = {name: ask(keyed, *headers) for name, headers in cases.items()}
    answers["query"] = ask(keyed, path=f"{PATH}?token={good}")
    answers["query and header"] = ask(keyed, f"Bearer {good}".encode(), path=f"{PATH}?limit=1&key={good}")
    expected = answers["missing"]
    assert expected[0] == 401
    assert expected[1]["www-authenticate"] == "Bearer"
    assert json.loads(expected[2])["code"] == "unauthorized"
    for name, answer in answers.items():
        assert answer == expected, name
    huge = ask(keyed, b"Bearer " + b"x" * 40_000)
    assert huge[0] in (400, 431)
    assert ask(keyed, f"Bearer {good}".encode())[0] == 200


def test_a_key_that_expires_is_not_accepted_from_then_on(keyed: KeyedServer) -> None:
    key = keyed.make_key("read", "acme", expires_at=add_seconds(keyed.tables.database.clock.now(), 0.3))
    authorization = f"Bearer {key}".encode()
    first = ask(keyed, authorization)[0]
    wait_until(lambda: ask(keyed, authorization)[0] == 401)
    assert first in (200, 401)


def test_roles_and_tenants(keyed: KeyedServer) -> None:
    keys = {
        "god": keyed.god,
        "read": keyed.make_key("read", "acme"),
        "write": keyed.make_key("write", "acme"),
        "nowhere": keyed.make_key("write", None),
    }
    statuses: dict[str, list[Any]] = {}
    for name, key in keys.items():
        with keyed.client(key) as client:
            statuses[name] = [
                client.get(PATH).status_code,
                client.get("/v1/tenants/public/executions").status_code,
                client.get("/v1/tenants/none/executions").status_code,
                client.post(f"{PATH}/none/cancel").status_code,
            ]
    assert statuses == {
        "god": [200, 200, 404, 404],
        "read": [200, 403, 403, 403],
        "write": [200, 403, 403, 404],
        "nowhere": [403, 200, 403, 403],
    }
    with keyed.client(keys["read"]) as client:
        foreign, missing = [client.get(f"/v1/tenants/{name}/executions").json() for name in ("public", "none")]
    assert foreign.pop("request_id") != missing.pop("request_id")
    assert foreign == missing
    assert foreign["code"] == "tenant_access_denied"


def test_the_last_use_of_a_key_is_noted_to_the_minute(keyed: KeyedServer) -> None:
    key = keyed.make_key("read", "acme")
    before = keyed.tables.database.clock.now()
    ask(keyed, f"Bearer {key}".encode())
    found = keyed.tables.keys.get(key[3:15])
    assert found is not None
    assert found.last_used_at is not None
    assert before - 60_000_000 <= found.last_used_at <= keyed.tables.database.clock.now()
    assert found.last_used_at % 60_000_000 == 0


def test_wrong_keys_are_limited_by_address_and_known_ones_go_on(serve: ServeKeys) -> None:
    keyed = serve(limits=AccessLimits(failed_logins_per_minute=10))
    known, later = keyed.make_key("read", "acme"), keyed.make_key("read", "acme")
    assert ask(keyed, f"Bearer {known}".encode())[0] == 200
    answers = [ask(keyed, f"Bearer hw_wrong{number}".encode()) for number in range(12)]
    assert [status for status, _, _ in answers] == [401] * 10 + [429] * 2
    assert int(answers[-1][1]["retry-after"]) >= 1
    assert json.loads(answers[-1][2])["code"] == "rate_limited"
    assert ask(keyed, f"Bearer {known}".encode())[0] == 200
    assert ask(keyed, f"Bearer {later}".encode())[0] == 429  # or a guess could be told from a wrong one
    assert ask(keyed)[0] == 401


def test_requests_of_a_key_are_limited(serve: ServeKeys) -> None:
    keyed = serve(limits=AccessLimits(requests_per_second=0.001, request_burst=3))
    first, second = keyed.make_key("read", "acme"), keyed.make_key("read", "acme")
    assert [ask(keyed, f"Bearer {first}".encode())[0] for _ in range(5)] == [200, 200, 200, 429, 429]
    assert ask(keyed, f"Bearer {second}".encode())[0] == 200
    assert ask(keyed, path="/health")[0] == 200


def test_a_foreign_host_is_refused(keyed: KeyedServer) -> None:
    with keyed.client(keyed.god) as client:
        refused = client.get(PATH, headers={"host": "evil.example"})
        assert refused.status_code == 421
        assert "public_url" in refused.json()["hint"]


def test_nothing_but_health_answers_without_a_key(keyed: KeyedServer) -> None:
    with keyed.client() as client:
        assert client.get("/health").status_code == 200
        assert client.get("/ready").status_code == 200
        paths = client.get("/openapi.json").json()["paths"]
        for path, methods in paths.items():
            for method in methods:
                if path in ("/health", "/ready", "/metrics", "/openapi.json"):
                    continue
                status = client.request(method, path.replace("{tenant}", "acme")).status_code
                assert status == 401, (method, path)
