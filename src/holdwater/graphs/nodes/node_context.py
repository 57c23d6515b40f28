"""What a body may ask of the run it belongs to."""

from __future__ import annotations

from typing import Any, Protocol


class NodeContext(Protocol):
    """Given by the runner to a parameter annotated `NodeContext`, which is no input of the node."""

    def stream(self, chunk: object) -> None:
        """Send a chunk to whoever listens to the run.  It is no part of the node's value."""
        ...

    def execute(self, workflow: str, inputs: Any = None, *, key: str | None = None) -> Any:
        """Run a registered workflow of any style as a child of a recorded run, and wait for its `PipelineResult`.

        Found again after a crash by workflow and inputs, or by `key`; cancelled with the run.  Also from threads of the
        body.  Raises ConfigError where the run is not recorded, and what `TaskHandle.execute` raises.
        """
        ...

    async def execute_async(self, workflow: str, inputs: Any = None, *, key: str | None = None) -> Any:
        """The same for `async def` bodies."""
        ...
