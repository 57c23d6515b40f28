"""Forms of pages, posted as a browser without scripts posts them."""

from __future__ import annotations

import re

import httpx


def csrf_of(page: str) -> str:
    """The token in the forms of a page."""
    found = re.search('name="csrf_token" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def post_form(browser: httpx.Client, path: str, **fields: str | list[str]) -> httpx.Response:
    """Post a form to a path below `/ui/public`; returns the page it leads to."""
    token = csrf_of(browser.get("/ui/public/schedules").text)
    return browser.post(f"/ui/public{path}", data={"csrf_token": token, **fields})
