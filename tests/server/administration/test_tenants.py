"""The pages of tenants, packages, limits and secrets of a server."""

from __future__ import annotations

import re

import httpx

from tests.server.administration.conftest import Administered
from tests.server.pages_client import csrf_of
from tests.server.serving.packages import archive
from tests.suite.waiting import wait_until


def post(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    token = csrf_of(browser.get("/ui/admin/tenants/new").text)
    return browser.post(path, data={"csrf_token": token, **fields}, follow_redirects=True)


def test_the_life_of_a_tenant(server: Administered) -> None:
    with server.browser(server.god) as browser:
        made = post(browser, "/ui/admin/tenants/new", name="adm_initech", description="<b>Reports</b>")
        assert made.status_code == 201
        (password,) = re.findall("data-secret>([^<]+)<", made.text)
        assert 'data-tenant="adm_initech"' in browser.get("/ui/admin/tenants").text
        assert password not in browser.get("/ui/admin/tenants/adm_initech").text
        assert browser.get("/ui/adm_initech/runs").status_code == 200
        for name in ("adm_initech", "admin", "tenants", "No Name", "x" * 64):
            assert post(browser, "/ui/admin/tenants/new", name=name).status_code == 400, name
        kept = post(browser, "/ui/admin/tenants/adm_initech", description="Reports", signatures="required")
        assert "The settings are kept" in kept.text
        assert "Required in this tenant" in browser.get("/ui/adm_initech/packages/upload").text
        key = server.make_key("read", "adm_initech")
        assert "nothing was removed" in post(browser, "/ui/admin/tenants/adm_initech/remove", confirm="wrong").text
        removed = post(browser, "/ui/admin/tenants/adm_initech/remove", confirm="adm_initech", force="1")
        assert "The tenant adm_initech is removed; 1 key of it revoked" in removed.text
        assert browser.get("/ui/adm_initech/runs").status_code == 404
        with server.client(key) as client:
            assert client.get("/v1/tenants/adm_initech/executions").status_code == 401
        verbs = re.findall('data-verb="(tenant[^"]+)"', browser.get("/ui/admin/audit").text)
        assert verbs[:3] == ["tenant.remove", "tenant.change", "tenant.create"]


def test_a_package_is_uploaded_and_read(server: Administered) -> None:
    with server.browser(server.make_key("write", "adm_acme")) as browser:
        page = browser.get("/ui/adm_acme/packages/upload").text
        token = {"csrf_token": csrf_of(page)}
        for data, says in ((b"no archive", "neither compressed"), (None, "No file was chosen")):
            files = {"file": ("a.cloacina", data)} if data else {"signature": ("a.sig", b"")}
            refused = browser.post("/ui/adm_acme/packages/upload", data=token, files=files)
            assert refused.status_code == 400
            assert says in refused.text
        sent = {"file": ("orders.cloacina", archive())}
        shown = browser.post("/ui/adm_acme/packages/upload", data=token, files=sent, follow_redirects=True)
        assert shown.status_code == 200, shown.text
        assert "orders==1.0 is uploaded" in shown.text
        path = shown.url.path
        wait_until(lambda: 'data-release-state="active"' in browser.get(path).text)
        again = browser.post("/ui/adm_acme/packages/upload", data=token, files=sent, follow_redirects=True)
        assert "was there already" in again.text
        source = browser.get(f"{path}/source?file=workflow/orders_flows.py").text
        assert "def save(context)" in source
        assert "There is no file" in browser.get(f"{path}/source?file=../../etc/passwd").text
    with server.browser(server.make_key("read", "adm_acme")) as reader:
        assert "def save(context)" in reader.get(f"{path}/source?file=workflow/orders_flows.py").text
        assert "Remove" not in reader.get(path).text
    with server.browser(server.god) as god:

        def outcomes() -> list[str]:
            return re.findall('data-verb="upload_package" data-outcome="(\\w+)"', god.get("/ui/adm_acme/audit").text)

        wait_until(lambda: "asked" not in outcomes())  # an outcome is recorded after the answer
        assert outcomes()[:4] == ["done", "done", "refused", "refused"]
        assert god.get(path.replace("adm_acme", "adm_globex")).status_code == 404


def test_limits_and_secrets(server: Administered) -> None:
    with server.browser(server.make_key("admin", "adm_acme")) as browser:
        token = csrf_of(browser.get("/ui/adm_acme/limits").text)

        def act(path: str, **fields: str) -> str:
            data = {"csrf_token": token, **fields}
            return str(browser.post(f"/ui/adm_acme/{path}", data=data, follow_redirects=True).text)

        assert "At most 3 tasks" in act("limits", key="openai", max="3")
        assert 'data-limit="openai"' in browser.get("/ui/adm_acme/limits").text
        assert "no number of tasks" in act("limits", key="openai", max="many")
        assert "no limit any more" in act("limits/remove", key="openai")
        answer = act("secrets", name="smtp", field="password", text="correct-horse")
        assert "HOLDWATER_SECRETS_KEY" in answer or "is set" in answer
        assert "correct-horse" not in answer + browser.get("/ui/adm_acme/secrets").text
    with server.browser(server.make_key("write", "adm_acme")) as writer:
        assert "data-limit-form" not in writer.get("/ui/adm_acme/limits").text
        assert writer.post("/ui/adm_acme/limits", data={"csrf_token": token, "key": "a", "max": "1"}).status_code == 403
