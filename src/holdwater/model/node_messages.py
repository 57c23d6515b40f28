"""Inputs and results of one execution of a node as bytes, to have it performed by another process.

Values are the texts a journal holds; there are no pickles.  Inputs come from the runner and are trusted.  A result
comes from where users' code runs: it is parsed strictly, held against the plan, and encoded anew.  Inputs that are to
be converted there (`RawValue`) are sent with their sources.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from holdwater.errors import BadAnswer, DecodingError
from holdwater.model.codec import MAX_DEPTH
from holdwater.model.error_report import MAX_TEXT_CHARS, sanitize_text
from holdwater.model.fanout import ChildResult, ChildRunsRequest
from holdwater.model.input_requests import Question, RawValue
from holdwater.model.message_framing import FrameLimits, pack_frame, unpack_frame, unpack_untrusted_frame
from holdwater.model.node_inputs import NodeInputs
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.results import NodeResult
from holdwater.model.strict_json import parse_untrusted_json
from holdwater.model.time import Micros
from holdwater.model.values import StoredValue

MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024
"""of the result of one execution, unless an executor says otherwise"""
MAX_RESULT_HEADER_BYTES: Final = 16 * 1024 * 1024
MAX_RESULT_PARTS: Final = 1_000_000
"""cells of one result, and of the child runs it asks for"""
MAX_NOTES: Final = 10
"""failures of observers that are told with one result"""
MAX_WAIT_UNTIL: Final = Micros(253_402_300_800_000_000)
"""the year 10000"""
_CELL_DEPTH: Final = MAX_DEPTH + 4
"""a cell holds values, a few levels down"""
_KINDS: Final = {
    "values": frozenset({"kind", "decision"}),
    "question": frozenset({"kind"}),
    "child_runs": frozenset({"kind", "inputs", "max_concurrency", "fail_fast"}),
    "wait": frozenset({"kind", "until"}),
}
"""kind of a result -> the fields of its header

One with values has `notes` too, if observers have failed where the code is.
"""


# -- inputs


def pack_inputs(inputs: NodeInputs) -> bytes:
    """Encode the inputs of an execution."""
    groups = {name: list(values) for name, values in inputs.groups.items()}
    children = None
    if inputs.child_results is not None:
        children = [
            None if child is None else [child.status, child.error, list(child.values)] for child in inputs.child_results
        ]
    values = list(inputs.stored_values())
    raw = [[i, value.source] for i, value in enumerate(values) if type(value) is RawValue]
    header = [groups, dict(inputs.details), children, inputs.woken_at, raw]
    return pack_frame(header, *[value.text.encode("ascii") for value in values])


def unpack_inputs(data: bytes) -> NodeInputs:
    """Decode what `pack_inputs` encoded.  Raises DecodingError."""
    (groups, details, children, woken_at, raw), texts = unpack_frame(data)
    stored = [_stored_from_text(text) for text in texts]
    for i, source in raw:
        stored[i] = RawValue(stored[i], source)
    values = iter(stored)
    made = {group: dict(zip(names, values)) for group, names in groups.items()}
    results = None
    if children is not None:
        results = tuple(
            [
                None if row is None else ChildResult(row[0], dict(zip(row[2], values)), row[1])  # status, names, error
                for row in children
            ]
        )
    return NodeInputs(made, details, results, woken_at)


def _stored_from_text(text: bytes) -> StoredValue:
    """Create a value from its text; scalars are decoded at once."""
    known = text.decode("ascii")
    return StoredValue(text=known) if known[:1] in ("{", "[") else StoredValue.from_tree(json.loads(known))


# -- results


def pack_result(result: NodeResult) -> bytes:
    """Encode the result of an execution."""
    if result.question is not None:
        return pack_frame({"kind": "question"}, *_texts([result.question.prompt]))
    if result.child_runs is not None:
        asked = result.child_runs
        header = {
            "kind": "child_runs",
            "inputs": [list(cells) for cells in asked.inputs],
            "max_concurrency": asked.max_concurrency,
            "fail_fast": asked.fail_fast,
        }
        return pack_frame(header, *_texts([cell for cells in asked.inputs for cell in cells.values()]))
    if result.wait_until is not None:
        return pack_frame({"kind": "wait", "until": result.wait_until})
    notes = {"notes": list(result.observer_errors)} if result.observer_errors else {}
    return pack_frame({"kind": "values", "decision": result.decision, **notes}, *_texts(result.values))


def _texts(cells: Iterable[Any]) -> list[bytes]:
    return [cell.text.encode("ascii") for cell in cells]


def unpack_result(
    data: bytes, definition: WorkflowDefinition, node: int, max_bytes: int = MAX_ANSWER_BYTES
) -> NodeResult:
    """Decode the result of a node that another process has executed.  Raises BadAnswer unless it may be one.

    The rules of its style are checked by `WorkflowDefinition.accept_result`.
    """
    limits = FrameLimits(MAX_RESULT_HEADER_BYTES, MAX_RESULT_PARTS, max_bytes)
    header, texts = unpack_untrusted_frame(data, limits)
    kind = header.get("kind") if type(header) is dict else None
    notes = {"notes"} if kind == "values" and not definition.has_code else set()
    if type(kind) is not str or kind not in _KINDS or header.keys() - notes != _KINDS[kind]:
        raise BadAnswer(f"the result of {_name(definition, node)} has other fields than a result has")
    if kind == "values":
        return _unpack_values(header, texts, definition, node)
    if kind == "child_runs":
        return NodeResult(child_runs=_unpack_child_runs(header, texts, definition, node))
    if kind == "question":
        return NodeResult(question=_unpack_question(texts, definition, node))
    return NodeResult(wait_until=_unpack_wait(header["until"], texts, definition, node))


def _name(definition: WorkflowDefinition, node: int) -> str:
    return repr(definition.plan.nodes[node].name)


def _unpack_values(
    header: Mapping[str, Any], texts: list[bytes], definition: WorkflowDefinition, node: int
) -> NodeResult:
    decision, name, cells = header["decision"], _name(definition, node), definition.plan.nodes[node].writes
    if len(texts) != len(cells):
        raise BadAnswer(f"the result of {name} has {len(texts)} values, and it writes {len(cells)}")
    if decision is not None:
        if type(decision) is not list or not all([type(target) is str for target in decision]):
            raise BadAnswer(f"the decision of {name} is no list of names")
        decision = tuple(decision)
    parse = partial(definition.style.parse_output, of_children=definition.plan.nodes[node].kind == "fan_out")
    values = [_parse_cell(text, f"the result of {name}", parse) for text in texts]
    return NodeResult(tuple(values), decision, parse_notes(header.get("notes", []), f"the result of {name}"))


def parse_notes(notes: Any, label: str) -> tuple[str, ...]:
    """Check failures of observers in another process.  Raises BadAnswer.  `label`: names their message."""
    if type(notes) is not list or len(notes) > MAX_NOTES or not all([type(note) is str for note in notes]):
        raise BadAnswer(f"{label} has notes that are no list of at most {MAX_NOTES} texts")
    return tuple([sanitize_text(note, MAX_TEXT_CHARS) for note in notes])


def _parse_cell(text: bytes, label: str, parse: Any) -> Any:
    try:
        cell = parse(parse_untrusted_json(text, label, _CELL_DEPTH))
        cell.text  # noqa: B018 - encoded here, not in the thread that commits it
    except (DecodingError, ValueError) as error:
        raise BadAnswer(f"{label} is no such value: {error}") from error
    return cell


def _unpack_question(texts: list[bytes], definition: WorkflowDefinition, node: int) -> Question:
    """The schema of the answers is that of the definition, whatever another process says."""
    name = _name(definition, node)
    if definition.plan.nodes[node].kind != "interrupt" or len(texts) != 1:
        raise BadAnswer(f"{name} asked a question, and it is no interrupt, or asked several at once")
    return Question(_parse_cell(texts[0], f"the question of {name}", StoredValue.from_tree))


def _unpack_wait(until: Any, texts: list[bytes], definition: WorkflowDefinition, node: int) -> Micros:
    if type(until) is not int or not 0 < until < MAX_WAIT_UNTIL or texts:
        raise BadAnswer(f"{_name(definition, node)} wants to wait until what is no instant")
    return Micros(until)


def _unpack_child_runs(
    header: Mapping[str, Any], texts: list[bytes], definition: WorkflowDefinition, node: int
) -> ChildRunsRequest:
    name, rows, width = _name(definition, node), header["inputs"], header["max_concurrency"]
    child = definition.child_definitions().get(node)
    if child is None or definition.plan.nodes[node].kind != "fan_out":
        raise BadAnswer(f"{name} asked for child runs, and it has none")
    if type(header["fail_fast"]) is not bool or not (width is None or (type(width) is int and width > 0)):
        raise BadAnswer(f"{name} asked for child runs with a limit that is none")
    known, names = frozenset(child.plan.inputs), []
    for row in rows if type(rows) is list else [None]:
        if type(row) is not list or not all([type(cell) is str and cell in known for cell in row]):
            raise BadAnswer(f"{name} asked for child runs with inputs that {child.plan.name!r} does not have")
        names.append(row)
    if sum(map(len, names)) != len(texts):
        raise BadAnswer(f"{name} asked for child runs with more or fewer values than inputs")
    cells = iter([_parse_cell(text, f"an input of child runs of {name}", child.style.parse_input) for text in texts])
    return ChildRunsRequest(tuple([dict(zip(row, cells)) for row in names]), width, header["fail_fast"])
