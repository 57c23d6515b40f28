"""Secrets for the task function that is running, without its handle."""

from __future__ import annotations

from holdwater.errors import WorkflowError
from holdwater.model.log_context import ORIGIN
from holdwater.model.secrets import DEFAULT_FIELD


def read_secret(name: str, field: str = DEFAULT_FIELD) -> str:
    """Return the text of a secret for the running task function.

    Raises WorkflowError outside of one, and in a thread that it has started without its context variables.
    """
    origin = ORIGIN.get()
    if origin is None:
        raise WorkflowError(
            f"secret {name!r:.80} was asked for outside of a task function",
            hint="ask in the function, and pass it to the threads it starts (or use contextvars.copy_context().run)",
        )
    return origin.read_secret(name, field)
