"""Responses to requests with an `Idempotency-Key`: the same request again is answered with what it was answered first.

They are encrypted with the text of the caller's key, which is not in the database: a response may hold a secret.
"""

from __future__ import annotations

import hmac
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdwater.errors import IdempotencyConflict, RunInProgress
from holdwater.model.time import add_seconds
from holdwater.server.control import statements as sql
from holdwater.server.control.key_text import digest_of

if TYPE_CHECKING:  # the driver of PostgreSQL: applications of one database work without it
    from holdwater.server.control.database import ControlDatabase

KEPT_SECONDS: Final = 24 * 3600.0
RUNNING_SECONDS: Final = 300.0
"""a request that was begun longer ago, and has no response, was left behind by a process that died"""
_NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response in JSON."""

    status: int
    body: bytes


class IdempotentRequest:
    """A request that is executed once.  `secret`: text of the caller's key.  `request`: method, path and body."""

    def __init__(
        self, control: ControlDatabase, key_id: str, secret: str, idempotency_key: str, request: bytes
    ) -> None:
        self._control, self._key_id = control, key_id
        self._key, self._request = digest_of(idempotency_key), digest_of(request)
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(hmac.digest(secret.encode(errors="surrogatepass"), b"stored responses", "sha256"))

    def begin(self) -> StoredResponse | None:
        """Return the response of the same request before; None if it is to be executed now.

        Raises IdempotencyConflict if another request had this idempotency key, RunInProgress if it is under way,
        StoreUnavailable.
        """
        now = self._control.clock.now()
        since = add_seconds(now, -KEPT_SECONDS), add_seconds(now, -RUNNING_SECONDS)
        with self._control.transaction() as connection:
            claim = (self._key_id, self._key, self._request, now, *since)
            if connection.execute(sql.CLAIM_IDEMPOTENCY, claim).fetchone() is not None:
                return None
            row = connection.execute(sql.GET_IDEMPOTENCY, (self._key_id, self._key)).fetchone()
        if row is None or row[1] is None:
            if row is not None and row[0] != self._request:
                raise _conflict()
            raise RunInProgress("the same request is under way", hint="try again in a few seconds")
        if row[0] != self._request:
            raise _conflict()
        return self._decrypt(row[2])

    def complete(self, response: StoredResponse) -> None:
        """Keep the response.  Raises StoreUnavailable."""
        text = json.dumps({"status": response.status, "body": response.body.decode()}).encode()
        nonce = os.urandom(_NONCE_BYTES)
        data = nonce + self._cipher.encrypt(nonce, text, self._request)
        self._control.execute(sql.COMPLETE_IDEMPOTENCY, (response.status, data, self._key_id, self._key, self._request))

    def drop(self) -> None:
        """Have the same request executed again: it has failed, and changed nothing.  Raises StoreUnavailable."""
        self._control.execute(sql.DROP_IDEMPOTENCY, (self._key_id, self._key, self._request))

    def _decrypt(self, data: bytes) -> StoredResponse:
        from cryptography.exceptions import InvalidTag

        try:
            text = self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], self._request)
        except InvalidTag:
            raise _conflict() from None
        tree = json.loads(text)
        return StoredResponse(tree["status"], tree["body"].encode())


def _conflict() -> IdempotencyConflict:
    return IdempotencyConflict(
        "another request had this Idempotency-Key within the last 24 hours", hint="take another key for another request"
    )


def prune_responses(control: ControlDatabase) -> None:
    """Delete what is kept for longer than a day.  Raises StoreUnavailable."""
    control.execute(sql.PRUNE_IDEMPOTENCY, (add_seconds(control.clock.now(), -KEPT_SECONDS),))
