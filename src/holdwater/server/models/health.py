"""Health of the server."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Health(BaseModel):
    """The event loop answers, and no engine is broken."""

    status: Literal["ok"]


class Sickness(BaseModel):
    """An engine of this process is broken, or has not answered for a minute: the process is to be started anew."""

    status: Literal["unhealthy"]
    reason: str = Field(examples=["engines of 1 tenants are stuck"])


class Readiness(BaseModel):
    """The database answers within a second, and the server does not end."""

    status: Literal["ready"]


class Unreadiness(BaseModel):
    """Requests cannot be answered now.  `reason`: in words."""

    status: Literal["not ready"]
    reason: str = Field(examples=["database unreachable", "draining"])
