"""Values of a node's function, encoded as the cells of a recorded run."""

from __future__ import annotations

from typing import Any, Final

from holdwater.errors import EncodingError
from holdwater.graphs.nodes.base import Node
from holdwater.model.results import NodeResult
from holdwater.model.values import StoredValue

NONE_VALUE: Final = StoredValue.encode(None)
"""of outputs without data"""


def encode_labelled(value: Any, label: str) -> StoredValue:
    """Encode a value.  `label`: names it in errors.  Raises EncodingError."""
    try:
        return StoredValue.encode(value)
    except EncodingError as error:
        raise EncodingError(f"{label}: {error.message}", path=error.path, hint=error.hint) from error


def encode_outputs(node: Node, result: NodeResult) -> NodeResult:
    """Encode the outputs of a node; those without data are None.  Raises EncodingError."""
    names = node.data_outputs
    values = [encode_labelled(value, f"output {name!r} of {node.name!r}") for name, value in zip(names, result.values)]
    return NodeResult((*values, *[NONE_VALUE] * (len(result.values) - len(names))), result.decision)


def encode_prompt(node: Node, value: Any) -> StoredValue:
    """Encode what an interrupt shows.  Raises EncodingError."""
    return encode_labelled(value, f"what {node.name!r} shows")
