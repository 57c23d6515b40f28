"""The pages of keys: one is made, shown once, used, rotated and revoked."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.server.administration.conftest import Administered
from tests.server.pages_client import csrf_of

SECRET = re.compile("data-secret>(hw_[^<]+)<")


def post(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    token = csrf_of(browser.get("/ui/adm_acme/keys/new").text)
    return browser.post(path, data={"csrf_token": token, **fields}, follow_redirects=True)


def status_with(server: Administered, key: str, tenant: str = "adm_acme") -> int:
    with server.client(key) as client:
        return int(client.get(f"/v1/tenants/{tenant}/executions").status_code)


def test_the_life_of_a_key(server: Administered) -> None:
    with server.browser(server.god) as browser:
        made = post(browser, "/ui/adm_acme/keys/new", name="ci", role="read", expires="86400")
        assert made.status_code == 201
        (secret,) = SECRET.findall(made.text)
        key_id = secret.split("_")[1]
        assert (status_with(server, secret), status_with(server, secret, "adm_globex")) == (200, 403)
        listed = browser.get("/ui/adm_acme/keys").text
        assert f'data-key="{key_id}" data-api-key="ci" data-state="ends soon"' in listed
        shown = browser.get(f"/ui/adm_acme/keys/{key_id}").text
        assert secret not in listed + shown

        rotated = post(browser, f"/ui/adm_acme/keys/{key_id}/rotate", overlap="3600")
        (second,) = SECRET.findall(rotated.text)
        assert "In the place of" in rotated.text
        assert (status_with(server, secret), status_with(server, second)) == (200, 200)
        second_id = second.split("_")[1]
        revoked = post(browser, f"/ui/adm_acme/keys/{second_id}/revoke")
        assert f"The key ci ({second_id}) is revoked" in revoked.text
        assert (status_with(server, secret), status_with(server, second)) == (200, 401)
        ended = post(browser, f"/ui/adm_acme/keys/{second_id}/rotate", overlap="0")
        assert ended.status_code == 409
        assert second_id in browser.get("/ui/adm_acme/keys?all=1").text
        at_once = post(browser, f"/ui/adm_acme/keys/{key_id}/rotate", overlap="0")
        assert at_once.status_code == 201
        assert status_with(server, secret) == 401

        audit = browser.get("/ui/adm_acme/audit").text
        rows = re.findall('data-verb="(key[^"]+)" data-outcome="([^"]+)"', audit)
        verbs = ["key.rotate", "key.revoke", "key.rotate", "key.create"]
        assert rows[:4] == [(verb, "done") for verb in verbs]
        assert not re.search("hw_[0-9a-z]{12}_", audit)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": "", "role": "read", "expires": ""}, "1 to 100 printable characters"),
        ({"name": "x\x07", "role": "read", "expires": ""}, "1 to 100 printable characters"),
        ({"name": "x", "role": "god", "expires": ""}, "no such role"),
        ({"name": "x", "role": "read", "expires": "-1"}, "no such end"),
    ],
)
def test_what_is_refused_says_why(server: Administered, fields: dict[str, str], says: str) -> None:
    with server.browser(server.god) as browser:
        refused = post(browser, "/ui/adm_acme/keys/new", **fields)
        assert refused.status_code == 400
        assert says in refused.text.lower() or says in refused.text
        assert "data-secret" not in refused.text


def test_an_administrator_of_a_tenant_has_its_keys_alone(server: Administered) -> None:
    other = server.make_key("write", "adm_globex", "theirs")
    with server.browser(server.make_key("admin", "adm_acme")) as browser:
        assert "theirs" not in browser.get("/ui/adm_acme/keys?all=1").text
        other_id = other.split("_")[1]
        for path in (f"/ui/adm_acme/keys/{other_id}", "/ui/adm_acme/keys/000000000000"):
            assert browser.get(path).status_code == 404
        assert post(browser, f"/ui/adm_acme/keys/{other_id}/revoke").status_code == 404
        made = post(
            browser, "/ui/adm_acme/keys/new", name="mine", role="admin", expires="", scope="god", tenant="adm_globex"
        )
        (secret,) = SECRET.findall(made.text)
        assert (status_with(server, secret), status_with(server, secret, "adm_globex")) == (200, 403), "no other scope"
    assert status_with(server, other, "adm_globex") == 200


def test_keys_of_the_server(server: Administered) -> None:
    with server.browser(server.god) as browser:
        made = post(browser, "/ui/admin/keys/new", name="boss", scope="god", role="read", expires="", tenant="")
        (secret,) = SECRET.findall(made.text)
        assert (status_with(server, secret), status_with(server, secret, "adm_globex")) == (200, 200)
        missing = post(browser, "/ui/admin/keys/new", name="x", scope="tenant", role="read", expires="", tenant="nope")
        assert missing.status_code == 400
        assert "no tenant" in missing.text
        assert "boss" in browser.get("/ui/admin/keys").text
        assert post(browser, f"/ui/admin/keys/{secret.split('_')[1]}/revoke").status_code == 200
        own = server.god_id
        last = post(browser, f"/ui/admin/keys/{own}/revoke")
        assert "the last key" in last.text
        assert status_with(server, server.god) == 200


def test_a_session_ends_with_its_key(server: Administered) -> None:
    key = server.make_key("write", "adm_acme", "leaving")
    with server.browser(key) as browser, server.browser(server.god) as god:
        assert browser.get("/ui/adm_acme/runs").status_code == 200
        post(god, f"/ui/adm_acme/keys/{key.split('_')[1]}/revoke")
        assert browser.get("/ui/adm_acme/runs").headers["location"].startswith("/ui/login?next=")
        assert browser.get("/ui/adm_acme/runs?fragment=rows").status_code == 401
