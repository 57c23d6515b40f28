"""API keys of a server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from holdwater.client.interface.keys import ApiKeyIdentity, ApiKeyInfo, ApiKeys, KeyRole, MadeApiKey
from holdwater.client.server.answers import parsing
from holdwater.client.server.connection import ServerConnection
from holdwater.client.server.parsing import Body, instant_or_none
from holdwater.client.server.run_control import new_key
from holdwater.model.time import from_datetime, to_rfc3339

KEYS: Final = "/v1/auth/keys"
WHOAMI: Final = "/v1/auth/whoami"


class ServerKeys(ApiKeys):
    """The API keys that the caller may see."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def whoami(self) -> ApiKeyIdentity:
        return _identity_of(self._connection.get(WHOAMI))

    def list_keys(self) -> Sequence[ApiKeyInfo]:
        return [_key_of(one) for one in self._connection.get(KEYS)["items"]]

    def create_key(
        self,
        name: str,
        role: KeyRole = "read",
        *,
        tenant: str | None = None,
        expires_at: datetime | None = None,
    ) -> MadeApiKey:
        path = KEYS if tenant is None else f"/v1/tenants/{quote(tenant, safe='')}/keys"
        body: dict[str, Any] = {"name": name, "role": role}
        if expires_at is not None:
            body["expires_at"] = to_rfc3339(from_datetime(expires_at))
        return _made_key_of(self._connection.post(path, body, key=new_key()))

    def rotate_key(self, key_id: str, *, overlap_seconds: float | None = None) -> MadeApiKey:
        body = {} if overlap_seconds is None else {"overlap_seconds": overlap_seconds}
        return _made_key_of(self._connection.post(f"{_path(key_id)}/rotate", body, key=new_key()))

    def revoke_key(self, key_id: str) -> None:
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


@parsing
def _identity_of(data: Body) -> ApiKeyIdentity:
    return ApiKeyIdentity(
        key_id=data["key_id"],
        name=data["name"],
        tenant=data["tenant_id"],
        role=data["role"],
        is_god=data["is_admin"],
        expires_at=instant_or_none(data["expires_at"]),
    )
