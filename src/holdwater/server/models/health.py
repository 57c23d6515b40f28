"""Health of the server."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class Health(BaseModel):
    """The event loop answers."""

    status: Literal["ok"]


class Readiness(BaseModel):
    """The database answers within a second."""

    status: Literal["ready"]


class Unreadiness(BaseModel):
    """The database does not answer.  `reason`: in words."""

    status: Literal["not ready"]
    reason: str
