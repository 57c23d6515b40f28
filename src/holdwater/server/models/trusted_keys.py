"""Keys whose signatures of packages a tenant accepts."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, Field

from holdwater.model.releases import TrustedKey
from holdwater.server.models.base import GivenInstant, Instant, RequestBody, to_instant

PUBLIC_KEY: Final = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
"""of RFC 8032, as an example"""


class NewTrustedKey(RequestBody):
    """A key to be trusted.  `public_key`: the text of its `.pub` file, or the base64 of its 32 bytes."""

    name: Annotated[str, Field(min_length=1, max_length=200, examples=["ops-2026"])]
    public_key: Annotated[str, Field(min_length=1, max_length=10_000, examples=[PUBLIC_KEY])]
    expires_at: GivenInstant | None = None


class TrustedKeyBody(BaseModel):
    """A trusted key.  `fingerprint`: SHA-256 of the 32 bytes of the key; `public_key`: these bytes in base64."""

    fingerprint: str
    name: str
    public_key: str
    added_by: str
    added_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None

    @classmethod
    def of(cls, key: TrustedKey) -> TrustedKeyBody:
        """Create it from its row."""
        return cls(
            fingerprint=key.fingerprint,
            name=key.name,
            public_key=key.public_key,
            added_by=key.added_by,
            added_at=to_instant(key.added_at),
            expires_at=to_instant(key.expires_at),
            revoked_at=to_instant(key.revoked_at),
        )


class TrustedKeyList(BaseModel):
    """Trusted keys by name, revoked ones included."""

    tenant_id: str
    items: list[TrustedKeyBody]
    total: int
