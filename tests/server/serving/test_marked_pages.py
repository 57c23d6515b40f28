"""Every page of a server, with markup in every text that a caller can choose: it is shown as text.

The pages are those of every section, and what their links lead to.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest

from holdwater import DefaultRunner, WorkflowBuilder, task
from holdwater.graphs import Graph, interrupt, node
from holdwater.model.registry import registry
from tests.server.serving.packages import archive, upload, wait_for_state
from tests.server.serving.server_process import ServedHere
from tests.suite.waiting import wait_until

EVIL: Final = "\"'></script><img src=x onerror=alert(1)><b>"
RAW: Final = re.compile("<img src=x|onerror=alert\\(1\\)>|</script><img", re.IGNORECASE)
TENANT: Final = "marked"
MAX_PAGES: Final = 300
BROKEN: Final = f"raise ValueError({EVIL!r})\n"

UNLINKED: Final = (
    "/ui", "/ui/login", "/docs", f"/ui/{TENANT}/runs?fragment=rows",
    *(f"/ui/{TENANT}/{name}" for name in (
        "runs", "workflows", "schedules", "schedules/new", "questions", "packages", "packages/upload", "ops", "keys",
        "keys/new", "secrets", "limits", "audit",
    )),
    *(f"/ui/admin/{name}" for name in ("server", "tenants", "tenants/new", "keys", "keys/new", "audit")),
)  # fmt: skip
"""pages that every look begins with"""
PAGES: Final = (
    f"/ui/{TENANT}/runs/[^/]+", f"/ui/{TENANT}/workflows/[^/]+", f"/ui/{TENANT}/schedules/[^/]+",
    f"/ui/{TENANT}/packages/[0-9a-f]+", f"/ui/{TENANT}/keys/[0-9a-z]{{12}}", f"/ui/admin/tenants/{TENANT}",
)  # fmt: skip
"""those that links lead to"""


@node(output_name="doubled")
def double(amount: int) -> int:
    return amount * 2


@interrupt(answer_name="approved", name="ask")
def ask(doubled: int) -> str:
    return EVIL


def run_workflows(served: ServedHere) -> None:
    with WorkflowBuilder(EVIL):

        @task(id=EVIL, retry_attempts=1)
        def load(context: Any) -> None:
            """<img src=x onerror=alert(1)>"""
            context[EVIL] = EVIL
            raise OSError(EVIL)

    with DefaultRunner.with_schema(served.database_url, TENANT) as runner:
        runner.execute(EVIL, {EVIL: EVIL}, labels={"mark": EVIL})
        asked = runner.submit(Graph([double, ask], name="asks"), {"amount": 4}, labels={"mark": EVIL})
        wait_until(lambda: runner.get_run(asked.run_id).status == "Paused")


@pytest.fixture(scope="module")
def browser(served: ServedHere) -> Iterator[httpx.Client]:
    base = f"/v1/tenants/{TENANT}"
    with served.client() as god:
        assert god.post("/v1/tenants", json={"name": TENANT, "description": EVIL}).status_code == 201
        run_workflows(served)
        wait_until(lambda: god.get(f"{base}/workflows/asks").status_code == 200)
        cron = {"workflow_name": EVIL, "cron_expression": "0 3 1 1 *", "allow_unknown": True, "context": {EVIL: EVIL}}
        made = [
            god.post(f"{base}/keys", json={"name": EVIL}),
            god.post("/v1/auth/keys", json={"name": EVIL}),
            god.post(f"{base}/triggers", json={**cron, "name": EVIL}),
            god.put(f"{base}/limits/" + quote(f"label:mark={EVIL}", safe=""), json={"max": 1}),
            god.post(f"{base}/executions/bulk", json={"verb": "cancel", "ids": ["0" * 36], "reason": EVIL}),
            upload(god, archive("broken", flows=BROKEN), tenant=TENANT),
        ]
        assert all(one.is_success for one in made), [one.text[:200] for one in made if not one.is_success]
        wait_for_state(god, made[-1].json()["package_id"], "broken", tenant=TENANT)
        god.delete(f"{base}/triggers/{EVIL}<b>")  # refused: a line of the audit log
    with served.stranger(headers={"sec-fetch-site": "same-origin"}, follow_redirects=True) as found:
        assert found.post("/ui/login", data={"key": served.bootstrap_key}).status_code == 200
        yield found
    registry.unregister(EVIL)
    registry.unregister("asks")


def crawl(browser: httpx.Client) -> dict[str, str]:
    """Follow the links of pages to pages of the tenant and of the server; gives their texts by path."""
    found: dict[str, str] = {}
    waiting = [*UNLINKED]
    while waiting and len(found) < MAX_PAGES:
        path = waiting.pop(0)
        if path in found:
            continue
        answer = browser.get(path)
        assert answer.status_code < 500, (path, answer.text[:300])
        kind = answer.headers["content-type"].partition(";")[0]
        assert answer.headers["x-content-type-options"] == "nosniff", path
        found[path] = answer.text if kind != "application/json" else ""
        assert "script-src 'self'" in answer.headers["content-security-policy"], path
        if kind == "text/html":
            links = [html.unescape(one) for one in re.findall(r'href="(/ui/[^"#]*)', answer.text)]
            ours = [one for one in links if one.startswith((f"/ui/{TENANT}", "/ui/admin/"))]
            seen = {re.sub(r"\?.*", "", one) for one in found} | {re.sub(r"\?.*", "", one) for one in waiting}
            waiting += [one for one in ours if "tab=" in one or re.sub(r"\?.*", "", one) not in seen]
    return found


def test_markup_is_text_on_every_page(browser: httpx.Client) -> None:
    pages = crawl(browser)
    for path, text in pages.items():
        assert not RAW.search(text), (path, text[max(0, RAW.search(text).start() - 200) :][:400])  # type: ignore[union-attr]
    assert len([text for text in pages.values() if "onerror=alert(1)" in html.unescape(text)]) > 15
    visited = {re.sub(r"\?.*", "", path) for path in pages}
    assert not [one for one in PAGES if not any(re.fullmatch(one, path) for path in visited)], sorted(visited)


def test_markup_in_requests_is_text_in_errors(browser: httpx.Client) -> None:
    for path in (
        "runs/{}",
        "workflows/{}",
        "schedules/{}",
        "packages/{}",
        "keys/{}",
        "runs?workflow={}",
        "runs?cursor={}",
    ):
        text = browser.get(f"/ui/{TENANT}/" + path.format(quote(EVIL, safe=""))).text
        assert not RAW.search(text), path
    assert not RAW.search(browser.get(f"/ui/login?next={quote(EVIL)}").text)
    assert not RAW.search(browser.get(f"/ui/{quote(EVIL, safe='')}/runs").text)
