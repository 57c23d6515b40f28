"""The inputs of a graph as its annotations declare them: a JSON Schema, and values of the types they ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from holdwater.errors import EncodingError, InputError
from holdwater.graphs.type_compat import format_type, is_instance
from holdwater.model.from_json import from_json
from holdwater.model.input_requests import convert_or_mark
from holdwater.model.json_schema import Schema, schema_of
from holdwater.model.value_types.plain_json import to_plain_json
from holdwater.model.values import StoredValue

if TYPE_CHECKING:
    from holdwater.graphs.graph_protocol import GraphProtocol

MAX_OPTIONAL_SEEDS: Final = 4
"""optional inputs that start loops: any number of them may be given, each choice with a plan of its own"""
MAX_DEFAULT_BYTES: Final = 10_000
"""size of a default that is shown in a schema"""


def inputs_schema(graph: GraphProtocol) -> Schema:
    """Build the JSON Schema of the inputs of a graph; a part whose annotation says nothing is `{}`."""
    inputs = graph.inputs
    definitions: dict[str, Schema] = {}
    properties = {}
    for name in inputs.all:
        schema = _annotation_schema(input_annotation(graph, name))
        definitions.update(schema.pop("$defs", {}))
        properties[name] = {**schema, **_default_of(graph, name)}
    made: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if inputs.required:
        made["required"] = list(inputs.required)
    return {**made, "$defs": definitions} if definitions else made


def input_annotation(graph: GraphProtocol, name: str) -> Any:
    """Return the annotation of an input; None if it has none, or its readers have different ones."""
    hints = [node.get_input_type(name) for node in graph.nodes.values() if name in node.inputs]
    first = hints[0] if hints else None
    return first if all([hint == first for hint in hints]) else None


def _annotation_schema(annotation: Any) -> Schema:
    if annotation is None:
        return {}
    try:
        return schema_of(annotation)
    except Exception:  # noqa: BLE001 - code of the user's class raised, pydantic's schema of it for one
        return {}


def _default_of(graph: GraphProtocol, name: str) -> Schema:
    """Return the value of an input that is not given, as the keyword of a schema, if it can be written as JSON."""
    if name in graph.bound_values:
        value = graph.bound_values[name]
    else:
        readers = [node for node in graph.nodes.values() if name in node.inputs]
        if not readers or not all([node.has_default_for(name) for node in readers]):
            return {}
        value = readers[0].get_default_for(name)
    try:
        stored = StoredValue.encode(value.value if isinstance(value, Enum) else value)
    except EncodingError:
        return {}
    return {} if len(stored.text) > MAX_DEFAULT_BYTES else {"default": to_plain_json(stored.tree)}


def convert_inputs(graph: GraphProtocol, cells: Mapping[str, StoredValue], *, strict: bool) -> dict[str, StoredValue]:
    """Convert the cells of inputs given as JSON; wrong ones are marked, or raise InputError at once if `strict`."""
    return {
        name: convert_or_mark(given, partial(convert_input, graph, name), strict=strict)
        for name, given in cells.items()
    }


def convert_input(graph: GraphProtocol, name: str, given: StoredValue) -> StoredValue:
    """Convert a JSON value to the type an input is annotated with.  Raises InputError for a wrong one."""
    annotation = input_annotation(graph, name)
    if annotation is None:
        return given
    value = given.copy()
    try:
        made = from_json(value, annotation)
        if is_instance(made, annotation):
            return given if made is value else StoredValue.encode(made)
    except Exception as error:  # a constructor of the user's class raised
        reason = f"but cannot be made a {format_type(annotation)}: {error}"
        raise InputError(f"input {name!r} is {value!r:.200}, {reason}") from error
    raise InputError(f"input {name!r} is {value!r:.200}, but must be {format_type(annotation)}")


def seed_combinations(graph: GraphProtocol) -> Iterator[tuple[str, ...]]:
    """Iterate over choices of inputs that nodes write as well; none for a graph without loops."""
    seeds = [name for name in graph.inputs.all if name in graph.wiring.writers]
    needed = [name for name in seeds if name in graph.inputs.required]
    optional = [name for name in seeds if name not in graph.inputs.required]
    sizes = range(len(optional) + 1) if len(optional) <= MAX_OPTIONAL_SEEDS else (0, 1, len(optional))
    for size in sizes:
        for chosen in combinations(optional, size):
            if names := tuple(sorted([*needed, *chosen])):
                yield names
