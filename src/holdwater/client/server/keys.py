"""API keys of a server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import quote

from holdwater.client.server.answers import parsing
from holdwater.client.server.connection import ServerConnection
from holdwater.client.server.parsing import Body, instant_or_none
from holdwater.model.time import Micros, to_rfc3339

KEYS: Final = "/v1/auth/keys"
KeyRole = Literal["read", "write", "admin"]


@dataclass(frozen=True, slots=True)
class ApiKeyInfo:
    """All of a key but its secret.  `tenant`: None: `public`, or all of them (`is_god`)."""

    id: str
    name: str
    role: str
    tenant: str | None
    is_god: bool
    created_at: Micros | None
    expires_at: Micros | None
    last_used_at: Micros | None
    revoked: bool


@dataclass(frozen=True, slots=True)
class MadeApiKey:
    """A key that was made.  `key`: its text, which is shown once."""

    info: ApiKeyInfo
    key: str = field(repr=False)


class ServerKeys:
    """The API keys that the caller may see.  The methods raise RequestRefused, AccessDenied."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def list_keys(self) -> Sequence[ApiKeyInfo]:
        """List the keys, revoked ones included."""
        return [_key_of(one) for one in self._connection.get(KEYS)["items"]]

    def create_key(
        self,
        name: str,
        role: KeyRole = "read",
        *,
        tenant: str | None = None,
        expires_at: Micros | None = None,
    ) -> MadeApiKey:
        """Make a key.  `tenant`: that of another one than the caller's."""
        path = KEYS if tenant is None else f"/v1/tenants/{quote(tenant, safe='')}/keys"
        body: dict[str, Any] = {"name": name, "role": role}
        if expires_at is not None:
            body["expires_at"] = to_rfc3339(expires_at)
        return _made_key_of(self._connection.post(path, body))

    def rotate_key(self, key_id: str, *, overlap_seconds: float | None = None) -> MadeApiKey:
        """Give a key a new secret; the old one lives on for `overlap_seconds`."""
        body = {} if overlap_seconds is None else {"overlap_seconds": overlap_seconds}
        return _made_key_of(self._connection.post(f"{_path(key_id)}/rotate", body))

    def revoke_key(self, key_id: str) -> None:
        """Have a key accepted no more; its streams end."""
        self._connection.send("DELETE", _path(key_id))


def _path(key_id: str) -> str:
    return f"{KEYS}/{quote(key_id, safe='')}"


@parsing
def _key_of(data: Body) -> ApiKeyInfo:
    return ApiKeyInfo(
        id=data["id"],
        name=data["name"],
        role=data["permissions"],
        tenant=data["tenant_id"],
        is_god=data["is_admin"],
        created_at=instant_or_none(data.get("created_at")),
        expires_at=instant_or_none(data.get("expires_at")),
        last_used_at=instant_or_none(data.get("last_used_at")),
        revoked=bool(data.get("revoked", False)),
    )


@parsing
def _made_key_of(data: Body) -> MadeApiKey:
    return MadeApiKey(_key_of(data), data["key"])
