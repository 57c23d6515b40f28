"""The context of a node's function: access to its run."""

from __future__ import annotations

from typing import Any, Protocol

from holdwater.model.secrets import DEFAULT_FIELD


class NodeContext(Protocol):
    """The argument the runner passes to a parameter annotated `NodeContext`, which is not an input of the node."""

    def stream(self, chunk: object) -> None:
        """Send a chunk to the listeners of the run; it is not part of the node's value."""
        ...

    def secret(self, name: str, field: str = DEFAULT_FIELD) -> str:
        """Return the text of a secret of the database that a recorded run is in.

        Raises ConfigError if the run is not recorded, SecretNotFound, SecretNotAllowed, SecretsUnavailable,
        StoreUnavailable.
        """
        ...

    def execute(self, workflow: str, inputs: Any = None, *, key: str | None = None) -> Any:
        """Run a registered workflow of any style as a child of a recorded run, and wait for its `PipelineResult`.

        After a crash the child is found again by workflow and inputs, or by `key`; it is cancelled with the run.  May
        be called from threads of the function.  Raises ConfigError if the run is not recorded, WorkflowNotFound,
        EncodingError, IdempotencyConflict, StoreUnavailable, and FunctionCancelled if the run is cancelled.
        """
        ...

    async def execute_async(self, workflow: str, inputs: Any = None, *, key: str | None = None) -> Any:
        """Run a child as `execute` does, in an `async def` function."""
        ...
