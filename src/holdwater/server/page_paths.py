"""Paths of pages that belong to no tenant, and the paths a browser may be sent on to."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote, urlencode, urlsplit

LOGIN_PATH: Final = "/ui/login"
LOGOUT_PATH: Final = "/ui/logout"
TENANTS_PATH: Final = "/ui/tenants"
ADMIN_PATH: Final = "/ui/admin"
RESERVED_NAMES: Final = frozenset({"admin", "login", "logout", "tenants"})
"""names that no tenant can have, because pages are below `/ui/NAME`"""
DOCS_PATH: Final = "/docs"
MAX_NEXT_CHARS: Final = 2_000
SECTIONS: Final = (
    "runs", "workflows", "schedules", "questions", "packages", "trusted-keys", "ops", "limits", "secrets", "keys",
    "audit",
)  # fmt: skip
"""pages of a tenant that a switch to another tenant keeps"""


def login_url(root: str, target: str) -> str:
    """Return the URL of the login page.  `target`: path and query, below the root, to go on to."""
    kept = own_page(target)
    return f"{root}{LOGIN_PATH}" + (f"?{urlencode({'next': kept})}" if kept not in ("", "/ui") else "")


def own_page(target: str) -> str:
    """Return a path with its query if it is that of a page of ours that can be opened after a login, else "".

    A path that a browser would resolve to another place, such as `/ui/../x` or `//host/ui`, is none.
    """
    if len(target) > MAX_NEXT_CHARS or not target.isascii() or not target.isprintable() or "\\" in target:
        return ""
    try:
        parts = urlsplit(target)
    except ValueError:
        return ""
    path = parts.path
    if parts.scheme or parts.netloc or parts.fragment or not target.startswith(path):
        return ""
    segments = path.split("/")
    if segments[:2] != ["", "ui"] and path != DOCS_PATH:
        return ""
    if any(unquote(segment) in (".", "..") for segment in segments) or path in (LOGIN_PATH, LOGOUT_PATH):
        return ""
    return target


def scope_of(path: str) -> str:
    """Return the part of a path, below the root, that cookies of its tenant are kept for: `/ui/NAME`, else ""."""
    segments = path.split("/")
    return "/".join(segments[:3]) if segments[:2] == ["", "ui"] and len(segments) > 3 else ""


def section_of(path: str) -> str:
    """Return the section of a page by its path below the root, one of `SECTIONS`; "" for another page."""
    segments = path.split("/")
    return segments[3] if len(segments) > 3 and segments[1] == "ui" and segments[3] in SECTIONS else ""
