"""No page gives a tenant anything of another one: every page, fragment and form, with every foreign id."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from holdwater.server.notices import COOKIE as NOTICE
from tests.server.serving.crossing import UNIQUE, Marked, pairs, signed_in, without_request
from tests.server.serving.server_process import ServedHere
from tests.suite.waiting import wait_until

PARAMETERS: Final = {"tenant", "run_id", "schedule_id", "release", "bulk_id", "key_id", "fingerprint", "name"}
"""of paths; a new one needs a foreign value in `Marked.ids`"""
LEFT_OUT: Final = ("/ui/{tenant}/audit",)
"""has what the tenant itself has asked for"""
TABS: Final = ("graph", "timeline", "tasks", "events", "context", "doctor")
NEEDED: Final = {"/runs/{run_id}/log": "?node=double", "/runs/{run_id}/value": "?of=input&node=double&name=note"}
"""parameters without which a page is refused before its ids are looked at"""
FORM: Final = {
    "verb": "cancel", "scope": "selected", "name": "other", "key": "other", "max": "1", "role": "read", "expires": "",
    "overlap": "0", "query": "", "workflow": "same", "expression": "0 3 1 1 *", "timezone": "UTC", "from_task": "ask",
    "value": "true", "json": "{}",
}  # fmt: skip
"""fields of forms, those of others among them"""


@dataclass(frozen=True)
class Page:
    """A route below `/ui`.  `query`: of one of its fragments or tabs."""

    method: str
    template: str
    query: str = ""

    def path_of(self, caller: Marked, owner: Marked) -> str:
        return caller.path_of(self.template, owner) + self.query

    @property
    def ids(self) -> list[str]:
        """The parameters of its path that differ from tenant to tenant."""
        return [name for name in UNIQUE if f"{{{name}" in self.template]


def read_pages(app: FastAPI) -> Iterator[Page]:
    """All routes of the application that are pages of a tenant, with their fragments."""
    for route in iter_route_contexts(app.routes):
        path: Any = getattr(route, "path", None) or ""
        if not path.startswith("/ui/{tenant}"):
            continue
        for method in sorted(getattr(route, "methods", None) or ()):
            yield Page(method, path, NEEDED.get(path.removeprefix("/ui/{tenant}"), ""))
        endpoint: Any = route.endpoint
        parameters = inspect.signature(endpoint).parameters
        if "fragment" in parameters:
            names = re.findall(r'fragment == "(\w+)"', inspect.getsource(inspect.getmodule(endpoint) or endpoint))
            names += re.findall(r"Literal\['(\w+)'\]|Literal\[\"(\w+)\"\]", str(parameters["fragment"].annotation))
            yield from [Page("GET", path, f"?fragment={name}") for name in map(_first, names)]
        if "tab" in parameters:
            yield from [Page("GET", path, f"?tab={tab}{more}") for tab in TABS for more in ("", "&node=ask")]


def _first(found: str | tuple[str, ...]) -> str:
    return found if isinstance(found, str) else next(filter(None, found))


@pytest.fixture(scope="module")
def pages(served: ServedHere) -> list[Page]:
    found = list(read_pages(served.server.app))
    assert len(found) > 100
    assert {page.method for page in found} == {"GET", "POST"}
    return found


def ask(client: httpx.Client, page: Page, path: str, csrf: str = "", **more: str) -> tuple[int, str, str, str]:
    """Open a page, or post its form; gives status, text, where it leads to, and its notice."""
    for cookie in [one for one in client.cookies.jar if one.name == NOTICE]:  # of the form before
        client.cookies.delete(cookie.name, cookie.domain, cookie.path)
    if page.method == "POST":
        response = client.post(path, data={**FORM, "csrf_token": csrf, **more})
    else:
        response = client.get(path)
    notice = response.headers.get("set-cookie", "")
    return response.status_code, without_request(response.text), response.headers.get("location", ""), notice


def words_of(tenant: Marked) -> list[str]:
    """What a caller that names a tenant and its ids may read again."""
    return [tenant.name, *[tenant.ids[name] for name in UNIQUE]]


def renamed(answer: tuple[int, str, str, str], names: list[str]) -> tuple[int, str, str, str]:
    """An answer with the same word in the place of each of these texts."""
    status, *texts = answer
    for name in names:
        texts = [text.replace(name, "SOMETHING") for text in texts]
    return status, texts[0], texts[1], texts[2]


LISTS: Final = (
    "triggers", "limits", "secrets", "keys", "releases", "bulk", "retention", "trusted-keys", "executions", "questions",
)  # fmt: skip


def state_of(served: ServedHere, tenant: Marked) -> dict[str, Any]:
    """What others may not change, as its administrator sees it."""
    base, run_path = f"/v1/tenants/{tenant.name}", f"executions/{tenant.ids['run_id']}"
    with served.client(tenant.key) as client:
        found = {name: client.get(f"{base}/{name}").json() for name in (*LISTS, run_path, f"{run_path}/events")}

        def entries(**filters: str) -> list[dict[str, Any]]:
            found, cursor = list[dict[str, Any]](), dict[str, str]()
            while True:
                page = client.get(f"{base}/audit", params={"limit": "1000", **filters, **cursor}).json()
                found += page["items"]
                if page["next_cursor"] is None:
                    return found
                cursor = {"cursor": page["next_cursor"]}

        wait_until(lambda: not entries(outcome="asked"))  # outcomes are recorded after the answers
        audit = entries()
    found["keys"] = [{**key, "last_used_at": None} for key in found["keys"]["items"]]
    # those of other tests may go on
    found["bulk"] = {job["bulk_id"]: job["reason"] for job in found["bulk"]["items"]}
    found["executions"] = {one["id"] for one in found["executions"]["items"]}
    return found | {"audit": [one for one in audit if one["by"] != f"key:{tenant.ids['key_id']}"]}


def assert_unchanged(served: ServedHere, tenants: list[Marked], before: list[dict[str, Any]]) -> None:
    for tenant, old in zip(tenants, before, strict=True):
        new = state_of(served, tenant)
        changed = {name: (value, new[name]) for name, value in old.items() if new[name] != value}
        assert changed == {}, tenant.name


def test_every_page_has_a_case(pages: list[Page]) -> None:
    for page in pages:
        unknown = set(re.findall(r"\{(\w+)", page.template)) - PARAMETERS
        assert not unknown, f"{page.template}: no foreign value for {unknown}"


def test_pages_of_another_are_closed(served: ServedHere, tenants: list[Marked], pages: list[Page]) -> None:
    """With a session and with a key: refused as those of a tenant that does not exist; nothing is changed or noted."""
    before = [state_of(served, tenant) for tenant in tenants]
    nowhere = Marked("no_such_tenant", "", "", tenants[0].with_other_ids(UNIQUE).ids)
    for caller in tenants:
        with signed_in(served, caller) as (browser, csrf), served.client(caller.key) as program:
            for page in pages:
                for client, token in ((browser, csrf), (program, "")):
                    expected = ask(client, page, page.path_of(nowhere, nowhere), token)
                    assert expected[0] == 403, (page, expected)
                    for owner in tenants:
                        if owner is caller:
                            continue
                        answer = ask(client, page, page.path_of(owner, owner), token)
                        assert owner.mark not in "".join(map(str, answer)), page
                        assert renamed(answer, words_of(owner)) == renamed(expected, words_of(nowhere)), page
    assert_unchanged(served, tenants, before)


def test_foreign_ids_are_unknown_to_pages(served: ServedHere, tenants: list[Marked], pages: list[Page]) -> None:
    """In the own tenant an id of another one is as one that nothing has."""
    before = [state_of(served, tenant) for tenant in tenants]
    for caller, owner in pairs(tenants):
        with signed_in(served, caller) as (browser, csrf):
            for page in [page for page in pages if page.ids]:
                unknown = owner.with_other_ids(page.ids)
                answer = ask(browser, page, page.path_of(caller, owner), csrf)
                expected = ask(browser, page, page.path_of(caller, unknown), csrf)
                assert answer[0] == 404 or (answer[0] == 303 and page.method == "POST"), (page, answer)
                assert owner.mark not in "".join(map(str, answer)), page
                foreign, others = [[one.ids[name] for name in page.ids] for one in (owner, unknown)]
                assert renamed(answer, foreign) == renamed(expected, others), page
    assert_unchanged(served, tenants, before)


def test_foreign_ids_in_fields_of_forms(served: ServedHere, tenants: list[Marked]) -> None:
    """Another tenant, which is used by this test alone, acts on a run of the first."""
    owner, name = tenants[0], f"crossing_forms_{len(tenants)}"
    before = state_of(served, owner)
    with served.client() as god:
        assert god.post("/v1/tenants", json={"name": name}).status_code == 201
        key = god.post(f"/v1/tenants/{name}/keys", json={"name": name, "role": "admin"}).json()["key"]
    with signed_in(served, Marked(name, key, "")) as (browser, csrf):
        for verb in ("cancel", "pause", "resume", "retry", "forget"):
            many = {"csrf_token": csrf, "verb": verb, "scope": "selected", "run": owner.ids["run_id"], "query": ""}
            done = browser.post(f"/ui/{name}/runs/bulk", data=many, follow_redirects=True)
            assert "1 run left as" in done.text, done.text
        answered = {"csrf_token": csrf, "run": owner.ids["run_id"], "question": "ask", "json": "true", "value": "true"}
        refused = browser.post(f"/ui/{name}/questions", data=answered)
        assert refused.status_code in (303, 400, 404)
    assert state_of(served, owner) == before


def test_own_pages_have_nothing_of_another(served: ServedHere, tenants: list[Marked], pages: list[Page]) -> None:
    for caller in tenants:
        others = [other for other in tenants if other is not caller]
        seen = 0
        with signed_in(served, caller) as (browser, _):
            for page in [page for page in pages if page.method == "GET" and page.template not in LEFT_OUT]:
                shown = browser.get(page.path_of(caller, caller))
                assert shown.status_code in (200, 307), (page, shown.text)
                seen += caller.mark in shown.text
                for other in others:
                    other.assert_not_in(shown.text, page)
                    assert other.name not in shown.text, page
        assert seen >= 10


def test_pages_of_the_server_are_closed_to_tenants(served: ServedHere, tenants: list[Marked]) -> None:
    templates = [
        (method, str(route.path))
        for route in iter_route_contexts(served.server.app.routes)
        if str(getattr(route, "path", "")).startswith("/ui/admin")
        for method in route.methods or ()
    ]
    assert len(templates) >= 12
    caller, owner = tenants[0], tenants[1]
    nothing = Marked("no_such_tenant", "", "", owner.with_other_ids(["key_id"]).ids)
    with signed_in(served, caller) as (browser, csrf):
        for method, template in templates:
            page = Page(method, template)
            answer = ask(browser, page, page.path_of(owner, owner), csrf)
            expected = ask(browser, page, page.path_of(nothing, nothing), csrf)
            assert answer[0] == 403, (page, answer)
            names = [owner.name, owner.ids["key_id"]], [nothing.name, nothing.ids["key_id"]]
            assert renamed(answer, names[0]) == renamed(expected, names[1]), page
        chosen = browser.get("/ui/tenants", params={"fragment": "choices"})
        assert owner.name not in chosen.text
