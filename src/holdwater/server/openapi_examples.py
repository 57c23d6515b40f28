"""Examples of bodies in the description of the API, made of those of their fields, so that they fit the schema."""

from __future__ import annotations

from typing import Any, Final

MAX_DEPTH: Final = 8
"""of bodies that hold others of their kind"""
INSTANT: Final = "2026-11-21T05:00:00Z"
_EMPTY: Final[dict[str, Any]] = {"array": [], "boolean": False, "null": None, "object": {}, "string": ""}
JSON: Final = "application/json"


def add_examples(document: dict[str, Any]) -> None:
    """Give each body of requests, and each good answer, in JSON, an example."""
    schemas = document["components"]["schemas"]
    for path in document["paths"].values():
        for operation in path.values():
            asked = operation.get("requestBody", {}).get("content", {}).get(JSON)
            if asked is not None:
                asked["example"] = example_of(asked["schema"], schemas, is_request=True)
            for status, answer in operation["responses"].items():
                content = answer.get("content", {}).get(JSON)
                if content and status < "400":
                    content["example"] = example_of(content["schema"], schemas)


def example_of(schema: dict[str, Any], schemas: dict[str, Any], *, is_request: bool = False, depth: int = 0) -> Any:
    """Create an example.  `schemas`: those that others refer to.  `is_request`: without fields that are rarely given.

    Of a field: its own example, else the value that it has most often.
    """
    reference = schema.get("$ref")
    if reference is not None:
        schema = schemas[reference.rpartition("/")[2]]
    if schema.get("examples"):
        return schema["examples"][0]
    for given in ("example", "const", "default"):
        if schema.get(given) is not None:
            return schema[given]
    if "enum" in schema:
        return schema["enum"][0]
    choices = [one for name in ("anyOf", "oneOf", "allOf") for one in schema.get(name, ())]
    if choices:
        return example_of(choices[0], schemas, is_request=is_request, depth=depth)
    kind = schema.get("type")
    if kind == "object" and depth < MAX_DEPTH:
        required = set(schema.get("required", ()))
        return {
            name: example_of(field, schemas, is_request=is_request, depth=depth + 1)
            for name, field in schema.get("properties", {}).items()
            if not is_request or name in required or _has_example(field, schemas)
        }
    if kind == "array" and schema.get("maxItems") != 0 and depth < MAX_DEPTH and schema.get("items"):
        return [example_of(schema["items"], schemas, is_request=is_request, depth=depth + 1)]
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 0), schema.get("exclusiveMinimum", -1) + 1)
    if schema.get("format") == "date-time":
        return INSTANT
    return _EMPTY.get(kind or "null")


def _has_example(field: dict[str, Any], schemas: dict[str, Any]) -> bool:
    """Return True for a field that shows something; a limit of time would be over when the example is read."""
    inner = schemas[field["$ref"].rpartition("/")[2]] if "$ref" in field else field
    return any(one.get("examples") and one.get("format") != "date-time" for one in (inner, *inner.get("anyOf", ())))
