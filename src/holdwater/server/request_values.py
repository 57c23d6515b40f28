"""Values for runs in bodies of requests: JSON, in which tags of the store may stand for values that JSON does not know.

A tag that names a class is refused: to read it, the module of the class would have to be imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query

from holdwater.errors import DecodingError, InvalidArgument
from holdwater.operations.edited_values import values_from_json
from holdwater.server.refusals import RequestError

Typed = Annotated[bool, Query(description="values as they are stored: JSON with the tags of their types")]


def read_values(trees: Mapping[str, Any]) -> Mapping[str, Any]:
    """Decode values by name.  Raises RequestError."""
    try:
        return values_from_json(trees)
    except (DecodingError, InvalidArgument) as error:
        raise RequestError(400, error.message, code="value_invalid") from error


def read_value(tree: Any) -> Any:
    """Decode one value.  Raises RequestError."""
    return read_values({"value": tree})["value"]
