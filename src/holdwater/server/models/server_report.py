"""A server of many tenants, for its administrators."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from holdwater.server.models.base import Instant


class ReplicaBody(BaseModel):
    """A process of the server.  `status`: gone: it has not been heard of for a while, and others take over.

    `awake`: tenants whose engines are in it.
    """

    id: str
    host: str
    pid: int
    version: str
    address: str = Field(examples=["http://127.0.0.1:8080"])
    status: Literal["serving", "draining", "gone"]
    started_at: Instant
    seen_at: Instant
    awake: list[str]


class ServerHostBody(BaseModel):
    """A process of a package, in the process that answers.  `calls`: that it was given."""

    tenant: str
    package: str
    version: str
    release: str
    pid: int
    state: str
    calls: int


class EngineBody(BaseModel):
    """An engine, in the process that answers.  `status`: stuck: it has not answered for a minute."""

    tenant: str
    status: Literal["working", "broken", "stuck"]
    streams: int


class ServerReport(BaseModel):
    """A server: its processes, and what is in the one that answers."""

    version: str
    database: str = Field(examples=["postgresql://holdwater@db.example.org/holdwater"])
    address: str
    pid: int
    draining: bool
    replicas: list[ReplicaBody]
    engines: list[EngineBody]
    hosts: list[ServerHostBody]
    streams: int
