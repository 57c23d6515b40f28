"""Tenants of a server."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from holdwater.server.control.tenant_table import TenantRow
from holdwater.server.models.base import Instant, ItemList, RequestBody, shown_as, to_instant

SchemaName = Annotated[str, Field(min_length=1, max_length=63, examples=["acme"])]
Description = Annotated[str, Field(max_length=2000)]


class NewTenant(  # type: ignore[call-arg]
    RequestBody, json_schema_extra=shown_as(name="acme", description="orders of Acme")
):
    """A tenant to be made.  `name`: of its schema, too; `schema_name` is another word for it.

    `username`: its role in the database, as the tenant without one.  `password`: of the role; without one it is
    generated, and is in the answer, this once.
    """

    name: SchemaName | None = None
    schema_name: SchemaName | None = None
    username: SchemaName | None = None
    password: Annotated[str, Field(min_length=8, max_length=200, json_schema_extra={"writeOnly": True})] | None = None
    description: Description = ""


class TenantChange(  # type: ignore[call-arg]
    RequestBody, json_schema_extra=shown_as(require_signatures=True)
):
    """Settings of a tenant; what is left out stays.

    `require_signatures`: archives must be signed by a trusted key of the tenant; null: if the server requires it.
    """

    description: Description | None = None
    require_signatures: bool | None = None


class TenantBody(BaseModel):
    """A tenant.  `username`: its role, empty for `public`.  `require_signatures`: null: as the server."""

    name: str = Field(examples=["acme"])
    schema_name: str
    username: str
    description: str
    require_signatures: bool | None
    created_at: Instant | None
    created_by: str

    @classmethod
    def of(cls, row: TenantRow) -> TenantBody:
        """Create it from its row."""
        return cls(
            name=row.name,
            schema_name=row.name,
            username=row.username,
            description=row.description,
            require_signatures=row.require_signatures,
            created_at=to_instant(row.created_at),
            created_by=row.created_by,
        )


class TenantList(ItemList):
    """Tenants by name, `public` first."""

    list_name = "tenants"

    items: list[TenantBody]
    total: int


class CreatedTenant(BaseModel):
    """A tenant that was made.  `password`: of its role, where it was generated: it is shown this once; else null."""

    name: str
    schema_name: str
    username: str
    description: str
    password: str | None


class RemovedTenant(BaseModel):
    """A tenant that was removed.  `runner_evicted`, `db_cache_evicted`: its engine was awake in this process."""

    status: Literal["removed"]
    schema_name: str
    revoked_keys: int
    runner_evicted: bool
    db_cache_evicted: bool


class UpgradedTenant(BaseModel):
    """A tenant whose tables are this version's.  `upgraded`: they were not before."""

    schema_name: str
    upgraded: bool
