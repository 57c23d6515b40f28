"""Requests for child runs from a function in another process, and their answers.

The runner starts a child as it does for a function in its own process: the call has the same identity.  A request is
not trusted; an answer is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from holdwater import errors
from holdwater.errors import BadAnswer, EncodingError, HoldwaterError, WorkflowError
from holdwater.model.child_inputs import InputsToSelect
from holdwater.model.error_report import describe_error
from holdwater.model.message_framing import FrameLimits, pack_frame, unpack_frame, unpack_untrusted_frame
from holdwater.model.node_messages import MAX_ANSWER_BYTES, MAX_RESULT_HEADER_BYTES, MAX_RESULT_PARTS
from holdwater.model.required_types import required_types
from holdwater.model.strict_json import parse_untrusted_json
from holdwater.model.validation import MAX_NAME_BYTES
from holdwater.model.values import StoredValue
from holdwater.runtime.handle_protocols import ChildRunResult
from holdwater.tasks.context import Context

_LIMITS: Final = FrameLimits(MAX_RESULT_HEADER_BYTES, MAX_RESULT_PARTS, MAX_ANSWER_BYTES)
_TEXT_FIELDS: Final = (
    "run_id", "workflow_name", "status", "start_time", "end_time", "error_message", "traceback", "reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChildRequest:
    """A request for a child run.  `inputs`: None, a mapping of stored values, or `InputsToSelect`."""

    workflow: str
    inputs: Any
    key: str | None


@dataclass(frozen=True, slots=True)
class RemoteChildResult:
    """The result of a child run in the process of the function that has started it.  See `ChildRunResult`."""

    run_id: str
    workflow_name: str
    status: str
    start_time: str
    end_time: str | None
    error_message: str | None
    traceback: str | None
    reason: str | None
    duration: timedelta | None
    notes: list[str]
    _data: Mapping[str, Any]
    _values: Mapping[str, StoredValue]

    @property
    def final_context(self) -> Context:
        """The context the run ended with; a fresh copy at each access."""
        return Context.from_stored(self._values)

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain data: summary and tasks."""
        return dict(self._data)


# -- requests


def pack_request(workflow: str, inputs: Any, key: str | None) -> bytes:
    """Encode a request, where the function runs.  Raises EncodingError, WorkflowError for inputs that stay there."""
    values: Mapping[str, StoredValue] | None = None
    if isinstance(inputs, InputsToSelect):
        values = inputs.values
    elif isinstance(inputs, Mapping):
        values = Context(inputs).stored_values()
    elif inputs is not None:
        raise WorkflowError(
            f"the inputs of child run {workflow!r} are a {type(inputs).__name__}, which no other process can send",
            hint="give a dict, or take the task off that executor",
        )
    if not isinstance(workflow, str) or not (key is None or isinstance(key, str)):
        raise EncodingError(f"a child run has the name of a workflow and a key, not {workflow!r:.80} and {key!r:.80}")
    names = None if values is None else list(values)
    texts = [value.text.encode("ascii") for value in (values or {}).values()]
    return pack_frame([workflow, names, isinstance(inputs, InputsToSelect), key], *texts)


def unpack_request(data: bytes) -> ChildRequest:
    """Decode a request.  Raises BadAnswer."""
    row, texts = unpack_untrusted_frame(data, _LIMITS)
    if type(row) is not list or [type(one) for one in row[2:3]] != [bool] or len(row) != 4:
        raise BadAnswer("a request for a child run has other fields than such a request has")
    workflow, names, selects, key = row
    if type(workflow) is not str or len(workflow) > MAX_NAME_BYTES or not (key is None or type(key) is str):
        raise BadAnswer("a request for a child run has no name of a workflow")
    if names is None:
        return ChildRequest(workflow, None, key)
    if type(names) is not list or len(names) != len(texts) or not all([type(name) is str for name in names]):
        raise BadAnswer("a request for a child run has more or fewer values than names")
    values = {name: _parse_value(text, workflow) for name, text in zip(names, texts)}
    return ChildRequest(workflow, InputsToSelect(values) if selects else values, key)


def _parse_value(text: bytes, workflow: str) -> StoredValue:
    value = StoredValue.from_tree(parse_untrusted_json(text, f"an input of child run {workflow!r}"))
    value.text  # noqa: B018 - encoded here, not in the thread that commits it
    return value


# -- answers


def pack_result(result: ChildRunResult) -> tuple[bytes, list[Any]]:
    """Encode the result of a child run; returns bytes, and the classes and registered types they refer to."""
    values = result.final_context.stored_values()
    took = result.duration
    fields: dict[str, Any] = {name: getattr(result, name) for name in _TEXT_FIELDS}
    fields["seconds"] = None if took is None else took.total_seconds()
    texts = [value.text for value in values.values()]
    row = ["result", fields, list(result.notes), result.to_dict(), list(values)]
    return pack_frame(row, *[text.encode("ascii") for text in texts]), list(required_types(texts))


def pack_error(error: BaseException) -> bytes:
    """Encode an error of a child run."""
    if isinstance(error, HoldwaterError):
        return pack_frame(["error", type(error).__name__, error.message, error.hint])
    return pack_frame(["error", "WorkflowError", describe_error(error), ""])


def unpack_answer(data: bytes) -> RemoteChildResult:
    """Decode a result.  Raises the error that was sent in its place."""
    (kind, *row), texts = unpack_frame(data)
    if kind == "error":
        raise rebuild_error(*row)
    fields, notes, data_dict, names = row
    took = fields.pop("seconds")
    values = {name: StoredValue(text=text.decode("ascii")) for name, text in zip(names, texts)}
    duration = None if took is None else timedelta(seconds=took)
    return RemoteChildResult(**fields, duration=duration, notes=notes, _data=data_dict, _values=values)


def rebuild_error(name: str, message: str, hint: str) -> HoldwaterError:
    """Make the error that `pack_error` has encoded."""
    kind: Any = getattr(errors, name, WorkflowError)
    made: HoldwaterError = kind.__new__(kind)
    HoldwaterError.__init__(made, message, hint=hint)
    return made
