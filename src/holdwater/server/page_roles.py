"""Roles that pages take beyond those of `RequestGuard`, as dependencies of their routes."""

from __future__ import annotations

from fastapi import Request

from holdwater.server.access import check_role


def for_writers(request: Request) -> None:
    """Check that the caller may change things in the tenant of the path.  Raises RequestError (403)."""
    check_role(request, "write")


def for_admins(request: Request) -> None:
    """Check that the caller is an administrator of the tenant in the path.  Raises RequestError (403)."""
    check_role(request, "admin")


def for_god(request: Request) -> None:
    """Check that the caller is an administrator of the server, whose session is not read-only.

    Raises RequestError (403).
    """
    check_role(request, "god")
    check_role(request, "admin")
