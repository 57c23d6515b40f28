"""The pages of keys, audit, uploads, secrets and of the server itself, for callers of every role."""

from __future__ import annotations

import pytest

from tests.server.administration.conftest import Administered

ADMIN_PAGES = ("keys", "keys/new", "audit", "secrets", "trusted-keys")
WRITER_PAGES = ("packages/upload",)
READER_PAGES = ("runs", "packages", "limits", "ops", "workflows")
FORMS = (
    "admin/tenants/new",
    "admin/tenants/adm_acme/remove",
    "adm_acme/keys/new",
    "adm_acme/limits",
    "adm_acme/secrets",
    "adm_acme/trusted-keys",
    "adm_acme/workflows/none/pause",
)
SERVER_PAGES = ("tenants", "tenants/new", "tenants/adm_acme", "keys", "keys/new", "audit", "server")


@pytest.mark.parametrize("role", ["read", "write", "admin"])
def test_pages_of_a_tenant_by_role(server: Administered, role: str) -> None:
    with server.browser(server.make_key(role, "adm_acme")) as browser:
        for path in READER_PAGES:
            page = browser.get(f"/ui/adm_acme/{path}")
            assert page.status_code == 200, path
            assert ('href="/ui/adm_acme/keys"' in page.text) == (role == "admin")
            if path == "packages" or role == "read":
                assert ("/packages/upload" in page.text) == (role != "read")
            if path == "ops":
                assert "postgresql://" not in page.text
                assert ("/ops/prune" in page.text) == ("Set the rule" in page.text) == (role == "admin")
            assert "/ui/admin/" not in page.text
        for path in ADMIN_PAGES:
            assert browser.get(f"/ui/adm_acme/{path}").status_code == (200 if role == "admin" else 403), path
        for path in WRITER_PAGES:
            assert browser.get(f"/ui/adm_acme/{path}").status_code == (403 if role == "read" else 200), path
        for path in (*ADMIN_PAGES, *WRITER_PAGES, *READER_PAGES):
            assert browser.get(f"/ui/adm_globex/{path}").status_code == 403, path
        for path in SERVER_PAGES:
            refused = browser.get(f"/ui/admin/{path}")
            assert refused.status_code == 403, path
            assert "administrator of the server" in refused.text


def test_pages_of_the_server(server: Administered) -> None:
    with server.browser(server.god) as browser:
        for path in SERVER_PAGES:
            page = browser.get(f"/ui/admin/{path}")
            assert page.status_code == 200, path
            assert 'aria-current="page"' in page.text
            assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
            assert page.headers["cache-control"] == "no-store"
        assert 'href="/ui/admin/tenants"' in browser.get("/ui/adm_acme/runs").text
        assert "postgresql://" in browser.get("/ui/adm_acme/ops").text


def test_a_session_that_is_read_only_acts_on_nothing(server: Administered) -> None:
    with server.browser(server.god, read_only=True) as browser:
        assert "/ui/admin/" not in browser.get("/ui/adm_acme/runs").text
        for path in SERVER_PAGES:
            assert browser.get(f"/ui/admin/{path}").status_code == 403, path
        for path in (*ADMIN_PAGES, *WRITER_PAGES):
            assert browser.get(f"/ui/adm_acme/{path}").status_code == 403, path
        for path in (*FORMS, "adm_acme/packages/upload"):
            assert browser.post(f"/ui/{path}", data={"name": "x"}).status_code == 403, path


def test_no_form_is_taken_without_its_token(server: Administered) -> None:
    with server.browser(server.god) as browser:
        for path in (*FORMS, "logout"):
            refused = browser.post(
                f"/ui/{path}", data={"name": "x", "confirm": "adm_acme", "role": "read", "expires": ""}
            )
            assert (refused.status_code, "earlier session" in refused.text) == (403, True), path
        upload = browser.post("/ui/adm_acme/packages/upload", files={"file": ("a", b"x")})
        assert (upload.status_code, "earlier session" in upload.text) == (403, True)
        for headers in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "none"}):
            assert browser.post("/ui/adm_acme/keys/new", data={}, headers=headers).status_code == 403
