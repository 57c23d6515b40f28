"""Client: starts, reads and controls runs without executing anything and without the workflows' code."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

from holdwater.client.backend import Backend
from holdwater.client.connecting import connect
from holdwater.client.parts import ClientParts
from holdwater.errors import DatabaseURLError
from holdwater.operations.catalog import WorkflowInfo
from holdwater.operations.runners import RunnerInfo
from holdwater.operations.starting import DEFAULT_RUN_TIMEOUT_SECONDS
from holdwater.runners.tasks.results import RunSummary
from holdwater.runners.tasks.run_methods import RunMethods
from holdwater.runners.tasks.workflow_handle import WorkflowHandle
from holdwater.storage.urls import mask_password

Inputs = Mapping[str, Any] | None


class Client(RunMethods, ClientParts):
    """The runs of a database, or of a tenant of a server, seen from a process that executes none of them.

    `Client("sqlite:///app.db")` opens a database; `Client("https://runs.example.com", api_key=..., tenant="acme")`
    speaks to `holdwater serve`.  Both have the same methods and results: those of DefaultRunner to read, follow,
    control and answer runs.  Runs are started by the names of workflows that runners have announced, and executed by
    any runner that has the workflow.  Its parts (`schedules`, `packages`, `keys`, ...) do the rest; what only a server
    has raises ServerRequired on a database.  May be shared by threads.  A context manager.

    `schema`: that of a tenant, in PostgreSQL; `author`: recorded with what it starts and asks for, as `api:reports`;
    both for a database only: a server knows tenant and author by the key.  `api_key`, `tenant`, `request_seconds` (time
    limit of an answer) and `ca_file` (PEM, authorities to trust): for a server only.
    `workflow_timeout_seconds`: time limit of the runs it starts; None: no limit.

    Raises DatabaseNotFound if there is no database, DatabaseURLError (a ValueError), StoreUnavailable, InvalidArgument,
    ConfigError.  A server is spoken to at the first call: that raises ServerUnreachable (a ConnectionError),
    NotAuthenticated and AccessDenied (PermissionErrors).
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        tenant: str | None = None,
        schema: str | None = None,
        author: str = "",
        workflow_timeout_seconds: float | None = DEFAULT_RUN_TIMEOUT_SECONDS,
        request_seconds: float = 60.0,
        ca_file: str | None = None,
    ) -> None:
        if not isinstance(url, str):
            raise DatabaseURLError(f"a database URL is a string, not {url!r}")
        self.url = url
        self._timeout_seconds = workflow_timeout_seconds
        self._backend: Backend = connect(
            url,
            api_key=api_key,
            tenant=tenant,
            schema=schema,
            author=author,
            request_seconds=request_seconds,
            ca_file=ca_file,
        )
        self._runs = self._backend.runs
        self._finalizer = weakref.finalize(self, self._backend.close_soon)
        self._finalizer.atexit = False  # at exit an engine is waited for

    def submit(
        self,
        workflow: str,
        inputs: Inputs = None,
        *,
        idempotency_key: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> WorkflowHandle:
        """Start a run and return at once; it is on disk when this returns, and the next free runner takes it.

        `inputs`: the context of tasks, the params of steps, the inputs of a graph: JSON values, or others that can be
        stored.  They are checked by the announced schema, and a runner makes of them what the annotations of a graph
        ask for: a string becomes a date or a member of an Enum, an object a dataclass or a pydantic model.
        With an `idempotency_key` that a run of this workflow has already, that run is returned and nothing is started.
        Raises WorkflowNotFound (a ValueError), InputError, MissingInputError, EncodingError, InvalidArgument,
        IdempotencyConflict, StoreUnavailable, RunnerClosed.
        """
        started = self._backend.runs.start(
            workflow,
            inputs,
            idempotency_key=idempotency_key,
            labels=labels,
            timeout_seconds=self._timeout_seconds,
        )
        return WorkflowHandle.of(self, self._runs, started)

    def submit_many(
        self,
        workflow: str,
        inputs: Iterable[Inputs],
        *,
        idempotency_keys: Iterable[str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> list[WorkflowHandle]:
        """Start a run for each of these inputs, 10,000 at most, with one transaction per 500; all are on disk then.

        All inputs are checked before the first run is written; a server checks them one by one.  If it fails in the
        middle, the runs written until then stay; with `idempotency_keys`, one for each, the same call again starts the
        others only.  Raises InvalidArgument for too many inputs or another number of keys, and the errors of `submit`.
        """
        started = self._backend.runs.start_many(
            workflow,
            inputs,
            idempotency_keys=idempotency_keys,
            labels=labels,
            timeout_seconds=self._timeout_seconds,
        )
        return [WorkflowHandle.of(self, self._runs, one) for one in started]

    def iter_runs(self, *, limit: int = 1000, **which: Any) -> Iterator[RunSummary]:
        """Iterate over all runs that match, newest first, page by page; the arguments are those of `list_runs`.

        `limit`: runs of a page, 1 to 1,000.  Raises ConfigError, InvalidArgument, RunNotFound.
        """
        before: str | None = which.pop("before", None)
        while page := self.list_runs(limit=limit, before=before, **which):
            yield from page
            which.pop("offset", None)
            before = page[-1].run_id

    def list_workflows(self) -> list[WorkflowInfo]:
        """List the announced workflows by name, 1,000 at most.  Raises StoreUnavailable."""
        return list(self._backend.catalog.list_workflows())

    def get_workflow(self, name: str) -> WorkflowInfo:
        """Read an announced workflow, with its input schema, nodes and plan.  Raises WorkflowNotFound."""
        return self._backend.catalog.get_workflow(name)

    def list_paused_workflows(self) -> list[str]:
        """List the names of the workflows that are paused.  Raises StoreUnavailable."""
        return list(self._backend.catalog.list_paused_workflows())

    def pause_workflow(self, name: str) -> None:
        """Start no runs of a workflow until it is resumed, by schedules and triggers neither; open runs go on.

        Idempotent.  Raises WorkflowNotFound.
        """
        self._backend.catalog.pause_workflow(name)

    def resume_workflow(self, name: str) -> None:
        """Start runs of a workflow again.  Idempotent.  Raises WorkflowNotFound."""
        self._backend.catalog.resume_workflow(name)

    def list_runners(self) -> list[RunnerInfo]:
        """List the runners of the database, the oldest first.  Raises StoreUnavailable."""
        return list(self._backend.catalog.list_runners())

    def close(self) -> None:
        """Close its connections; its handles cannot be used any more.  Idempotent."""
        self._finalizer.detach()
        self._backend.close()

    def __repr__(self) -> str:
        return f"Client({mask_password(self.url)!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import asyncio

        await asyncio.shield(asyncio.to_thread(self.close))
