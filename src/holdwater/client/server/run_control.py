"""Runs of a server, started and controlled."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal

from holdwater.client.interface.runs import Inputs, Runs
from holdwater.client.server.parsing import run_info_of
from holdwater.client.server.run_results import ServerRunResult
from holdwater.client.server.runs import ReadableServerRuns
from holdwater.errors import InvalidTransition, RunNotFinished
from holdwater.model.statuses import RunStatus
from holdwater.model.time import wall_now
from holdwater.model.values import StoredValue
from holdwater.operations.control import RunSituation
from holdwater.operations.starting import check_batch
from holdwater.runs.info import RunInfo
from holdwater.tasks import Context

PICKUP_POLL_SECONDS: Final = 0.1
"""between two looks whether a runner has taken a run up"""


@dataclass(frozen=True, slots=True)
class StartedServerRun:
    """A run that a server has recorded."""

    info: RunInfo
    is_new: bool
    future: ServerRunResult


class ServerRuns(ReadableServerRuns, Runs):
    """Runs of a tenant of a server; the server records the API key as the author of what is asked for."""

    def start(
        self,
        workflow: str,
        inputs: Inputs = None,
        *,
        idempotency_key: str | None = None,
        labels: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
    ) -> StartedServerRun:
        """Start a run.  Without a key of the caller's it gets one, so that a broken connection starts no second run."""
        started = self._connection.post(
            self._connection.path("workflows", workflow, "execute"),
            {"context": encode_values(inputs or {}), "labels": dict(labels or {}), "timeout_seconds": timeout_seconds},
            key=idempotency_key or new_key(),
        )
        found = self.attach(started["execution_id"])
        return StartedServerRun(found.info, started["is_new"] or idempotency_key is None, found.future)

    def start_many(
        self,
        workflow: str,
        inputs: Iterable[Inputs],
        *,
        idempotency_keys: Iterable[str] | None = None,
        labels: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
    ) -> list[StartedServerRun]:
        given, keys = check_batch(inputs, idempotency_keys)
        return [
            self.start(workflow, one, idempotency_key=key, labels=labels, timeout_seconds=timeout_seconds)
            for one, key in zip(given, keys or itertools.repeat(None), strict=False)
        ]

    def attach(self, run_id: str) -> StartedServerRun:
        return StartedServerRun(self.info(run_id), False, ServerRunResult(self, run_id))

    def cancel(self, run_id: str, reason: str = "", *, wait_seconds: float | None = None) -> RunSituation:
        try:
            self._ask(run_id, "cancel", {"reason": reason})
        except InvalidTransition:
            if wait_seconds is None or self.info(run_id).status not in (RunStatus.RUNNING, RunStatus.CANCELLED):
                raise
        if wait_seconds is not None:
            with suppress(RunNotFinished):
                ServerRunResult(self, run_id).result(wait_seconds)
        return self.inspect(run_id)

    def pause(self, run_id: str, reason: str = "") -> RunSituation:
        self._ask(run_id, "pause", {"reason": reason})
        return self.inspect(run_id)

    def resume(self, run_id: str, reason: str = "", *, pickup_seconds: float = 0.0) -> RunSituation:
        self._ask(run_id, "resume", {"reason": reason})
        return self.inspect(run_id, pickup_seconds=pickup_seconds)

    def retry(
        self,
        run_id: str,
        reason: str = "",
        *,
        release: Literal["active"] | None = None,
        pickup_seconds: float = 0.0,
    ) -> RunSituation:
        self._ask(run_id, "retry", {"reason": reason, "release": release})
        return self.inspect(run_id, pickup_seconds=pickup_seconds)

    def answer(self, run_id: str, pause_id: str | None, value: Any, *, pickup_seconds: float = 0.0) -> RunSituation:
        self._ask(run_id, "answers", {"pause_id": pause_id, "value": StoredValue.encode(value).tree})
        return self.inspect(run_id, pickup_seconds=pickup_seconds)

    def fork(
        self,
        run_id: str,
        from_task: str,
        values: Mapping[str, Any],
        removed: Collection[str] = (),
        *,
        idempotency_key: str | None = None,
    ) -> StartedServerRun:
        body = {"from_task": from_task, "context": encode_values(values), "remove": list(removed)}
        began_at = wall_now()
        made = self._connection.post(self.path(run_id, "fork"), body, key=idempotency_key or new_key())
        info = run_info_of(made)
        is_new = idempotency_key is None or info.created_at >= began_at
        return StartedServerRun(info, is_new, ServerRunResult(self, info.id))

    def inspect(self, run_id: str, *, pickup_seconds: float = 0.0) -> RunSituation:
        give_up = time.monotonic() + pickup_seconds
        while True:
            info = self.info(run_id)
            work = self._connection.get(self.path(run_id, "work"))["items"]
            held = [one for one in work if one["is_held"]]
            executing = [one["task_name"] for one in held if one["kind"] == "execute" and one["has_started"]]
            if held or info.status != RunStatus.RUNNING or time.monotonic() >= give_up:
                return RunSituation(info, tuple(executing), bool(held))
            time.sleep(PICKUP_POLL_SECONDS)

    def is_executing_here(self, run_id: str) -> bool:
        return False

    def _ask(self, run_id: str, what: str, body: dict[str, Any]) -> None:
        self._connection.post(self.path(run_id, what), body)


def encode_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write values as the store would, in JSON with tags.  Raises EncodingError."""
    return {name: value.tree for name, value in Context(values).stored_values().items()}


def new_key() -> str:
    """Return an idempotency key of one request."""
    return f"client-{uuid.uuid4()}"
