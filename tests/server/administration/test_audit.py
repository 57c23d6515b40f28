"""Filters of the audit log: on its pages, by the API, and on the command line."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from holdwater.cli.main import main
from holdwater.model.time import Micros, add_seconds, to_rfc3339
from holdwater.server.control.audit import AuditFacts, Outcome
from holdwater.server.pages.audit import PAGE_ROWS
from tests.server.administration.conftest import Administered

TENANT = "adm_audited"
API = f"/v1/tenants/{TENANT}/audit"
PAGE = f"/ui/{TENANT}/audit"
HOUR = 3600.0
ROWS: tuple[tuple[str, str, Outcome, float], ...] = (
    ("key.create", "first", "done", 100 * HOUR),
    ("key.create", "second", "done", 30 * HOUR),
    ("key.revoke", "first", "refused", 20 * HOUR),
    ("upload_package", "second", "failed", 0.5 * HOUR),
    ("upload_package", "unknown", "refused", 0.0),
)
"""verb, name of the key or author, outcome, age in seconds"""


@pytest.fixture(scope="module")
def authors(server: Administered) -> dict[str, str]:
    """A tenant with the rows of `ROWS`.  Returns the authors by the names of their keys."""
    server.make_tenant(TENANT)
    for name in ("first", "second"):
        server.make_key("write", TENANT, name)
    found = {key.name: key.author for key in server.tables.keys.list() if key.tenant == TENANT}
    audit, long_ago = server.tables.audit, 1000 * HOUR
    moves = [(row.number, long_ago) for row in audit.list(TENANT)]  # of the tenant itself
    for verb, name, outcome, age_seconds in ROWS:
        facts = AuditFacts(found.get(name, name))
        moves.append((audit.add(facts, verb, TENANT, "target", outcome), age_seconds))
    now = server.tables.database.clock.now()
    for number, age_seconds in moves:
        moved = (add_seconds(now, -age_seconds), number)
        server.tables.database.execute("UPDATE audit SET at = $1 WHERE number = $2", moved)
    return found


def ago(server: Administered, seconds: float) -> str:
    now: Micros = server.tables.database.clock.now()
    return to_rfc3339(add_seconds(now, -seconds))


def verbs_of(page: httpx.Response) -> list[tuple[str, str]]:
    assert page.status_code == 200, page.text
    return [(verb, outcome) for verb, outcome in re.findall('data-verb="([^"]+)" data-outcome="(\\w+)"', page.text)]


def expected(*numbers: int) -> list[tuple[str, str]]:
    """Verbs and outcomes of rows of `ROWS`."""
    return [(ROWS[number][0], ROWS[number][2]) for number in numbers]


FILTERS: dict[str, tuple[dict[str, str], tuple[int, ...]]] = {
    "verb": ({"verb": "key.create"}, (1, 0)),
    "outcome": ({"outcome": "refused"}, (4, 2)),
    "name of a key": ({"author": "first"}, (2, 0)),
    "no key": ({"author": "unknown"}, (4,)),
    "two of them": ({"verb": "upload_package", "outcome": "failed"}, (3,)),
    "nothing fits": ({"verb": "key.create", "author": "unknown"}, ()),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters(server: Administered, authors: dict[str, str], name: str) -> None:
    which, rows = FILTERS[name]
    with server.client(server.god) as client, server.browser(server.god) as browser:
        items = client.get(API, params=which).json()["items"]
        assert [(one["verb"], one["outcome"]) for one in items] == expected(*rows)
        page = browser.get(PAGE, params=which)
        assert verbs_of(page) == expected(*rows)
        assert ("No entry fits these filters" in page.text) == (not rows)
        everywhere = client.get("/v1/audit", params={**which, "limit": 1000}).json()["items"]
        of_tenant = [one for one in everywhere if one["tenant_id"] == TENANT]
        assert [(one["verb"], one["outcome"]) for one in of_tenant] == expected(*rows)


def test_authors_and_times(server: Administered, authors: dict[str, str]) -> None:
    with server.client(server.god) as client, server.browser(server.god) as browser:

        def found(**which: str) -> list[tuple[str, str]]:
            return [(one["verb"], one["outcome"]) for one in client.get(API, params=which).json()["items"]]

        author = authors["second"]
        assert found(author=author) == found(author=author.removeprefix("key:")) == expected(3, 1)
        assert found(since=ago(server, 25 * HOUR)) == expected(4, 3, 2)
        assert verbs_of(browser.get(f"{PAGE}?since=1h")) == expected(4, 3)
        assert verbs_of(browser.get(PAGE, params={"since": ago(server, 25 * HOUR)})) == expected(4, 3, 2)
        wrong = browser.get(f"{PAGE}?since=yesterday")
        assert (wrong.status_code, "is no instant" in wrong.text) == (200, True)
        strange = browser.get(PAGE, params={"verb": "\x00\ud7ff'\"", "author": "<b>\x00", "outcome": "?"})
        assert verbs_of(strange) == []
        for params in ({"outcome": "?"}, {"verb": "a\x00"}, {"author": "\x00"}, {"since": "yesterday"}, {"who": "x"}):
            refused = client.get(API, params=params)
            assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request"), params


def test_pages_keep_the_filter(server: Administered, authors: dict[str, str]) -> None:
    facts = AuditFacts(authors["first"])
    for _ in range(PAGE_ROWS + 1):
        server.tables.audit.add(facts, "of_many", TENANT, "target", "done")
    which: dict[str, Any] = {"verb": "of_many", "author": "first"}
    with server.client(server.god) as client, server.browser(server.god) as browser:
        first = browser.get(PAGE, params={**which, "since": "24h"})
        assert len(verbs_of(first)) == PAGE_ROWS
        (older,) = re.findall('href="([^"]+)" rel="next"', first.text)
        second = browser.get(PAGE + older.replace("&amp;", "&"))
        assert verbs_of(second) == [("of_many", "done")]
        assert 'value="of_many" selected' in second.text
        assert 'value="24h" selected' in second.text
        page = client.get(API, params={**which, "limit": PAGE_ROWS}).json()
        cursor = page["next_cursor"]
        assert len(client.get(API, params={**which, "cursor": cursor}).json()["items"]) == 1
        other = client.get(API, params={"verb": "key.create", "cursor": cursor})
        assert (other.status_code, other.json()["code"]) == (400, "invalid_pagination")


def test_the_command(server: Administered, authors: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--server", server.origin, "--tenant", TENANT, "--api-key", server.god, "--json"]

    def rows(*options: str) -> list[tuple[str, str]]:
        assert main(["audit", *options, *where]) == 0
        return [(one["verb"], one["outcome"]) for one in json.loads(capsys.readouterr().out)]

    assert rows("--verb", "key.create") == expected(1, 0)
    assert rows("--author", "first", "--outcome", "refused") == expected(2)
    assert rows("--since", "25h", "--verb", "key.revoke") == expected(2)
    assert rows("--since", "10h", "--verb", "key.revoke") == []
