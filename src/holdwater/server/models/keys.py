"""API keys, and the caller of a request."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field

from holdwater.server.access import Role
from holdwater.server.control.keys import ApiKey
from holdwater.server.key_administration import MAX_NAME_CHARS, MAX_OVERLAP_SECONDS, CreatedKey
from holdwater.server.models.base import GivenInstant, Instant, ItemList, RequestBody, shown_as, to_instant

KeyName = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS, examples=["ci"])]


class NewTenantKey(  # type: ignore[call-arg]
    RequestBody, json_schema_extra=shown_as(name="ci", role="write")
):
    """A key to be made.  `expires_at`: within 10 years; null: it has no end."""

    name: KeyName
    role: Role = "read"
    expires_at: GivenInstant | None = None


class NewKey(NewTenantKey):
    """A key to be made.  `is_admin`: of an administrator of the server, with every right in every tenant."""

    is_admin: bool = False


class Rotation(  # type: ignore[call-arg]
    RequestBody, json_schema_extra=shown_as(overlap_seconds=3600.0)
):
    """`overlap_seconds`: for so long the old key is accepted, too."""

    overlap_seconds: Annotated[float, Field(ge=0, le=MAX_OVERLAP_SECONDS)] = 0.0


class KeyBody(BaseModel):
    """A key without its text.  `permissions`, `role`: the same.  `tenant_id`: null for one of `public` or the server.

    `last_used_at`: to the minute.  `replaces`: id of the key that a rotation made it of.
    """

    id: str = Field(examples=["3k9fxq2m7wzt"])
    name: str
    permissions: Role
    role: Role
    tenant_id: str | None
    is_admin: bool
    created_at: Instant
    created_by: str
    expires_at: Instant | None
    last_used_at: Instant | None
    revoked: bool
    revoked_at: Instant | None
    replaces: str | None

    @classmethod
    def of(cls, key: ApiKey) -> KeyBody:
        """Create it from a key."""
        return cls(**_facts(key))


class CreatedKeyBody(KeyBody):
    """A key that was made.  `key`: its text, which is shown this once."""

    key: str = Field(json_schema_extra={"readOnly": True})

    @classmethod
    def of_created(cls, created: CreatedKey) -> CreatedKeyBody:
        """Create it from a key and its text."""
        return cls(key=created.secret, **_facts(created.key))


class KeyList(ItemList):
    """Keys, the oldest first, revoked ones included."""

    list_name: ClassVar[str] = "keys"

    items: list[KeyBody]
    total: int


class RevokedKey(BaseModel):
    """A key that is accepted no more."""

    status: Literal["revoked"]
    id: str


class CallerBody(BaseModel):
    """The key of a request.  `tenant_id`: null for one of the server, which has its role in every tenant."""

    key_id: str
    name: str
    tenant_id: str | None
    role: Role
    is_admin: bool
    expires_at: Instant | None


class Ticket(BaseModel):
    """A ticket for one WebSocket, in place of a key."""

    ticket: str
    expires_in_seconds: int


class LoggedOut(BaseModel):
    """The key of the request is accepted no more."""

    status: Literal["revoked"]


def _facts(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "permissions": key.role,
        "role": key.role,
        "tenant_id": key.tenant,
        "is_admin": key.is_god,
        "created_at": to_instant(key.created_at),
        "created_by": key.created_by,
        "expires_at": to_instant(key.expires_at),
        "last_used_at": to_instant(key.last_used_at),
        "revoked": key.revoked_at is not None,
        "revoked_at": to_instant(key.revoked_at),
        "replaces": key.replaces,
    }
