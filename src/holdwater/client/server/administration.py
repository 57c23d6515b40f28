"""Limits and secrets of a tenant of a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holdwater.client.interface.administration import Limits, Secrets
from holdwater.client.server.answers import parsing
from holdwater.client.server.connection import ServerConnection
from holdwater.client.server.parsing import Body, instant, instant_or_none
from holdwater.client.server.run_control import new_key
from holdwater.errors import SecretNotFound
from holdwater.operations.limits import LimitHolder, LimitInfo
from holdwater.operations.secrets import SecretInfo


class ServerLimits(Limits):
    """Limits of a tenant."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def list_limits(self) -> Sequence[LimitInfo]:
        return [_limit_of(one) for one in self._connection.get(self._connection.path("limits"))["items"]]

    def set_limit(self, key: str, max_running: int) -> LimitInfo:
        return _limit_of(self._connection.send("PUT", self._path(key), json={"max": max_running}))

    def remove_limit(self, key: str) -> None:
        self._connection.send("DELETE", self._path(key))

    def _path(self, key: str) -> str:
        return self._connection.path("limits", plain=key)


class ServerSecrets(Secrets):
    """Secrets of a tenant, encrypted by the key of the server."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def list_secrets(self) -> Sequence[SecretInfo]:
        return [_secret_of(one) for one in self._connection.get(self._path())["items"]]

    def put_secret(self, name: str, fields: Mapping[str, str]) -> SecretInfo:
        try:
            return _secret_of(self._connection.send("PUT", self._path(name), json={"fields": dict(fields)}))
        except SecretNotFound:
            return _secret_of(
                self._connection.post(self._path(), {"name": name, "fields": dict(fields)}, key=new_key())
            )

    def remove_secret(self, name: str) -> None:
        self._connection.send("DELETE", self._path(name))

    def _path(self, *parts: str) -> str:
        return self._connection.path("secrets", *parts)


@parsing
def _limit_of(data: Body) -> LimitInfo:
    return LimitInfo(
        key=data["key"],
        max_running=data["max"],
        used_count=data["used"],
        waiting_count=data["waiting"],
        holders=tuple([_holder_of(one) for one in data["holders"]]),
        set_by=data["set_by"],
        set_at=instant_or_none(data["set_at"]),
    )


@parsing
def _holder_of(data: Body) -> LimitHolder:
    return LimitHolder(
        run_id=data["execution_id"],
        workflow=data["workflow_name"],
        task=data["task_name"],
        runner=data["runner"],
        lease_until=instant(data["lease_until"]),
        started=data["started"],
    )


@parsing
def _secret_of(data: Body) -> SecretInfo:
    return SecretInfo(
        id=data["id"],
        name=data["name"],
        field_names=tuple(data["field_names"]),
        key_id=data["key_id"],
        created_at=instant(data["created_at"]),
        created_by=data["created_by"],
        updated_at=instant(data["updated_at"]),
        updated_by=data["updated_by"],
    )
