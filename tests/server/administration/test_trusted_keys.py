"""The page of the keys whose signatures of packages a tenant accepts."""

from __future__ import annotations

import base64
import os
import re

import httpx
import pytest

from tests.server.administration.conftest import Administered
from tests.server.pages_client import csrf_of
from tests.suite.waiting import wait_until

PAGE = "/ui/adm_acme/trusted-keys"


def new_key_text() -> str:
    """The base64 of 32 bytes, as the text of a public key."""
    return base64.b64encode(os.urandom(32)).decode()


def post(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    token = csrf_of(browser.get(PAGE).text)
    return browser.post(path, data={"csrf_token": token, **fields}, follow_redirects=True)


def test_a_key_is_trusted_and_revoked(server: Administered) -> None:
    with server.browser(server.make_key("admin", "adm_acme", "trusts-keys")) as browser:
        text = new_key_text()
        added = post(browser, PAGE, name="ops-2026", public_key=text, expires="86400")
        assert "Signatures of ops-2026" in added.text
        (fingerprint,) = re.findall('data-key="([0-9a-f]{64})" data-trusted-key="ops-2026"', added.text)
        api = "/v1/tenants/adm_acme/trusted-keys"
        with server.client(server.god) as god:
            (known,) = [one for one in god.get(api).json()["items"] if one["fingerprint"] == fingerprint]
        assert (known["public_key"], known["revoked_at"]) == (text, None)
        assert known["expires_at"] is not None
        assert "ops-2026" in browser.get("/ui/adm_acme/packages/upload").text

        revoked = post(browser, f"{PAGE}/{fingerprint}/revoke")
        assert "are accepted no more" in revoked.text
        assert f'data-key="{fingerprint}" data-trusted-key="ops-2026" data-state="revoked"' in revoked.text
        again = post(browser, PAGE, name="ops-2026", public_key=text, expires="")
        assert again.status_code == 400
        assert "was revoked" in again.text

        def rows() -> list[tuple[str, str]]:
            log = browser.get("/ui/adm_acme/audit?author=trusts-keys").text
            return re.findall('data-verb="(\\w+)" data-outcome="(\\w+)"', log)

        wait_until(lambda: "asked" not in [outcome for _, outcome in rows()])  # an outcome is recorded after the answer
        assert rows()[:3] == [("trust_key", "refused"), ("revoke_trusted_key", "done"), ("trust_key", "done")]
        unknown = post(browser, f"{PAGE}/{'0' * 64}/revoke")
        assert "no trusted key" in unknown.text


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": "", "public_key": new_key_text(), "expires": ""}, "1 to 100 characters"),
        ({"name": "x\x07", "public_key": new_key_text(), "expires": ""}, "1 to 100 characters"),
        ({"name": "x", "public_key": "", "expires": ""}, "no public key"),
        ({"name": "x", "public_key": "-----BEGIN PRIVATE KEY-----", "expires": ""}, "private key"),
        ({"name": "x", "public_key": "\u00e4\x00", "expires": ""}, "no public key"),
        ({"name": "x", "public_key": new_key_text(), "expires": "1"}, "one of the times of the form"),
    ],
)
def test_what_is_refused_says_why_and_keeps_what_was_written(
    server: Administered, fields: dict[str, str], says: str
) -> None:
    with server.browser(server.god) as browser:
        refused = post(browser, PAGE, **fields)
        assert refused.status_code == 400
        assert says in refused.text
        assert f'value="{fields["name"].strip(chr(7))}' in refused.text


def test_the_page_is_for_administrators(server: Administered) -> None:
    for role, status in (("read", 403), ("write", 403), ("admin", 200)):
        with server.browser(server.make_key(role, "adm_acme")) as browser:
            assert browser.get(PAGE).status_code == status
            packages = browser.get("/ui/adm_acme/packages").text
            assert (PAGE in packages) == (role == "admin")
            token = csrf_of(packages)
            form = {"csrf_token": token, "name": role, "public_key": new_key_text(), "expires": ""}
            taken = browser.post(PAGE, data=form)
            assert taken.status_code == (303 if role == "admin" else 403)
            assert browser.post(f"{PAGE}/{'0' * 64}/revoke", data={"csrf_token": token}).status_code == (
                303 if role == "admin" else 403
            )
            assert browser.get("/ui/adm_globex/trusted-keys").status_code == 403
    with server.browser(server.god) as browser:
        assert browser.post(PAGE, data={"name": "x", "public_key": new_key_text()}).status_code == 403
