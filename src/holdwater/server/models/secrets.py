"""Secrets: what is known of them.  Their texts only come in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr

from holdwater.model.secrets import MAX_FIELDS, SECRET_NAME
from holdwater.operations.secrets import SecretInfo
from holdwater.server.models.base import Instant, RequestBody, to_instant

SecretFields = Annotated[
    dict[str, SecretStr], Field(min_length=1, max_length=MAX_FIELDS, examples=[{"user": "mail", "password": "..."}])
]


class SecretBody(BaseModel):
    """A secret without its texts.  `key_id`: tells the key it is encrypted with."""

    id: str
    name: str
    field_names: list[str]
    key_id: str
    created_at: Instant
    created_by: str
    updated_at: Instant
    updated_by: str

    @classmethod
    def of(cls, secret: SecretInfo) -> SecretBody:
        """Create it from a secret of operations."""
        return cls(
            id=secret.id,
            name=secret.name,
            field_names=list(secret.field_names),
            key_id=secret.key_id,
            created_at=to_instant(secret.created_at),
            created_by=secret.created_by,
            updated_at=to_instant(secret.updated_at),
            updated_by=secret.updated_by,
        )


class SecretList(BaseModel):
    """Secrets, by name."""

    tenant_id: str
    items: list[SecretBody]
    total: int


class SecretTexts(RequestBody):
    """The texts of a secret by field."""

    fields: SecretFields

    def to_fields(self) -> dict[str, str]:
        """Return the texts."""
        return {name: text.get_secret_value() for name, text in self.fields.items()}


class NewSecret(SecretTexts):
    """A new secret."""

    name: Annotated[str, Field(pattern=f"^{SECRET_NAME.pattern}$", examples=["smtp"])]


class SecretDeleted(BaseModel):
    """A secret that was removed."""

    name: str
    status: Literal["deleted"] = "deleted"
