"""Client: starts, reads and steers runs of a database without executing anything and without the workflows' code."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from holdwater.errors import DatabaseURLError
from holdwater.model.provenance import Provenance, check_author
from holdwater.operations.catalog import WorkflowInfo, get_workflow, list_workflows
from holdwater.operations.databases import Database, open_control_engine
from holdwater.operations.runners import RunnerInfo, list_runners
from holdwater.operations.starting import DEFAULT_RUN_TIMEOUT_SECONDS, start_by_name, start_many
from holdwater.runners.tasks.run_methods import RunMethods
from holdwater.runners.tasks.workflow_handle import WorkflowHandle

Inputs = Mapping[str, Any] | None


class Client(RunMethods):
    """One database of runs, seen from a process that executes none of them: a web application, a script, a notebook.

    Runs are started by the names of workflows that runners of the database have announced, and executed by any runner
    that has the workflow: `holdwater worker MODULE`, or a program with a DefaultRunner.  To read, follow, steer and
    answer runs it has the methods of DefaultRunner.  May be shared by threads.  A context manager.

    `schema`: that of a tenant, in PostgreSQL.  `author`: recorded with what it starts and asks for, as `api:reports`.
    `workflow_timeout_seconds`: time limit of the runs it starts; None: no limit.

    Raises DatabaseNotFound if there is no database, DatabaseURLError (a ValueError), StoreUnavailable, InvalidArgument.
    """

    def __init__(
        self,
        database_url: str,
        *,
        schema: str | None = None,
        author: str = "",
        workflow_timeout_seconds: float | None = DEFAULT_RUN_TIMEOUT_SECONDS,
    ) -> None:
        if not isinstance(database_url, str):
            raise DatabaseURLError(f"a database URL is a string, not {database_url!r}")
        self.database_url = database_url
        self._author = check_author(author)
        self._timeout_seconds = workflow_timeout_seconds
        self._engine = open_control_engine(database_url, schema)
        self._database = Database.of(self._engine)
        self._finalizer = weakref.finalize(self, self._engine.close, 0.0, wait=False)
        self._finalizer.atexit = False  # at exit the engine is waited for

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
        started = start_by_name(
            self._engine,
            workflow,
            inputs,
            idempotency_key=idempotency_key,
            timeout_seconds=self._timeout_seconds,
            provenance=Provenance.of_caller(self._author, labels),
        )
        return WorkflowHandle.of(self, self._engine, started, author=self._author)

    def submit_many(
        self,
        workflow: str,
        inputs: Iterable[Inputs],
        *,
        idempotency_keys: Iterable[str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> list[WorkflowHandle]:
        """Start a run for each of these inputs, 10,000 at most, with one transaction per 500; all are on disk then.

        All inputs are checked before the first run is written.  If the database fails in the middle, the runs written
        until then stay; with `idempotency_keys`, one for each, the same call again starts the others only.
        Raises InvalidArgument for too many inputs or another number of keys, and the errors of `submit`.
        """
        started = start_many(
            self._engine,
            workflow,
            inputs,
            idempotency_keys=idempotency_keys,
            timeout_seconds=self._timeout_seconds,
            provenance=Provenance.of_caller(self._author, labels),
        )
        return [WorkflowHandle.of(self, self._engine, one, author=self._author) for one in started]

    def list_workflows(self) -> list[WorkflowInfo]:
        """List the announced workflows by name, 1,000 at most.  Raises StoreUnavailable."""
        return list(list_workflows(self._database))

    def get_workflow(self, name: str) -> WorkflowInfo:
        """Read an announced workflow, with its input schema, nodes and plan.  Raises WorkflowNotFound."""
        return get_workflow(self._database, name)

    def list_runners(self) -> list[RunnerInfo]:
        """List the runners of the database, the oldest first.  Raises StoreUnavailable."""
        return list(list_runners(self._database))

    def close(self) -> None:
        """Close its connections; its handles cannot be used any more.  Idempotent."""
        self._finalizer.detach()
        self._engine.close(0.0)

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
