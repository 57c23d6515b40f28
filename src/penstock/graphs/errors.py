"""Errors of graphs: their definition, their inputs, and what their nodes return."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.model.errors import AnswerError as AnswerError
from penstock.model.errors import PenstockError, WorkflowError


class GraphConfigError(WorkflowError):
    """A node or a graph cannot be built as it was declared."""


class ConflictError(GraphConfigError):
    """Two nodes that no order and no gate separates write the same output."""


class SignatureError(GraphConfigError, TypeError):
    """A function, or an argument of a decorator, is of a kind that this node cannot use."""


class RenameError(GraphConfigError):
    """A rename names a port the node does not have, or gives two ports one name."""


class MapOverError(GraphConfigError):
    """A map names inputs the graph does not have, or lists that do not fit each other."""


class InputError(PenstockError, ValueError):
    """A value is given for what is no input, is given twice, or cannot be given in this way."""


class MissingInputError(PenstockError, ValueError):
    """A run was started without an input that nothing else provides: `missing`, out of `provided`."""

    def __init__(self, missing: Iterable[str], provided: Iterable[str], message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.missing = tuple(missing)
        self.provided = tuple(provided)


class InfiniteLoopError(PenstockError, RuntimeError):
    """A loop was still going after `max_iterations` supersteps."""

    def __init__(self, message: str, *, max_iterations: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.max_iterations = max_iterations


class DeadlockError(PenstockError, RuntimeError):
    """Nodes of a loop wait for each other: nothing else is left to run, and no gate decided against them."""


class IncompatibleRunnerError(PenstockError, TypeError, ValueError):
    """A graph needs a `capability` its runner does not have, because of the node `node_name`."""

    def __init__(self, message: str, *, node_name: str = "", capability: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.node_name = node_name
        self.capability = capability


class NodeReturnError(PenstockError, ValueError, TypeError):
    """A body returned something its node does not allow: a gate's decision, the number of outputs."""
