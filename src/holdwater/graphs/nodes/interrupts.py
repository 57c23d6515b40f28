"""Interrupts: nodes that show a value and pause the run until it is answered (human in the loop)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

from holdwater.errors import AnswerError, SignatureError
from holdwater.fingerprint.shallow import json_digest
from holdwater.graphs.messages import type_with_article
from holdwater.graphs.nodes.base import PortOptions
from holdwater.graphs.nodes.call_node import CallNode, P, R, default_node_name, node_signature
from holdwater.graphs.nodes.signatures import CallableSignature, identity_function
from holdwater.model.from_json import from_json
from holdwater.model.json_schema import Schema, schema_of


class InterruptOptions(PortOptions, total=False):
    """Keywords of `interrupt`.  `response_type`: type of the answer, by default `answer_type` of the question class."""

    response_type: Any
    name: str | None


class InterruptNode(CallNode[P, R]):
    """A node that shows a value and pauses the run until its output `response_param` is answered.

    Created by the constructor it shows its one input, by `@interrupt` the return value of the function.
    """

    is_interrupt = True

    _shows_input: bool
    _response_type: Any

    def __init__(
        self: InterruptNode[..., Any],
        name: str,
        input_param: str,
        response_param: str,
        response_type: Any = None,
        **ports: Unpack[PortOptions],
    ) -> None:
        """Create an interrupt that shows an input.  `response_type`: annotation of answers; None accepts any."""
        if not isinstance(name, str):
            raise SignatureError(
                f"InterruptNode takes a name, an input_param and a response_param, not {name!r}",
                hint="for a function use @interrupt(response_param=...)",
            )
        signature = CallableSignature(identity_function(name, input_param), f"interrupt {name!r}")
        self._init_interrupt(signature, name, response_param, response_type, True, ports)

    @classmethod
    def from_function(
        cls,
        source: Callable[P, R],
        response_param: str,
        *,
        name: str | None = None,
        response_type: Any = None,
        **ports: Unpack[PortOptions],
    ) -> InterruptNode[P, R]:
        """Create an interrupt that shows the return value of a function.  Raises SignatureError, GraphConfigError."""
        name = name or default_node_name(source)
        new: InterruptNode[P, R] = object.__new__(cls)
        new._init_interrupt(
            node_signature(source, f"interrupt {name!r}"), name, response_param, response_type, False, ports
        )
        return new

    def _init_interrupt(
        self,
        signature: CallableSignature,
        name: str,
        answer_name: str,
        answer_type: Any,
        shows_input: bool,
        ports: PortOptions,
    ) -> None:
        if not isinstance(answer_name, str) or not answer_name:
            raise SignatureError(f"the answer of interrupt {name!r} needs a name, not {answer_name!r}")
        if signature.is_generator:
            raise SignatureError(f"interrupt {name!r} must return what it shows, not yield it")
        self._set_fields(_shows_input=shows_input, _response_type=answer_type)
        CallNode.__init__(self, signature, name, (answer_name,), **ports)

    @property
    def input_param(self) -> str | None:
        """Name of the input that is shown; None if the return value of a function is shown."""
        return self.inputs[0] if self._shows_input else None

    @property
    def response_param(self) -> str:
        """The current name of its one data output, the answer."""
        return self.data_outputs[0]

    answer_name = response_param

    @property
    def response_type(self) -> Any:
        """Type of the answers; None accepts any.  By default `answer_type` of the class the function returns."""
        if self._response_type is not None:
            return self._response_type
        question = self._signature.hints.get("return")
        return getattr(question, "answer_type", None) if isinstance(question, type) else None

    @property
    def definition_hash(self) -> str:
        return json_digest([self._signature.fingerprint, repr(self._response_type)])

    def get_output_type(self, name: str) -> Any:
        return self.response_type if name == self.response_param else None

    def parse_answer(self, answer: Any) -> Any:
        """Check an answer, converting JSON to the `response_type`.

        A dict becomes a dataclass, an ISO 8601 string a date, a value the member of an Enum.  Raises AnswerError (a
        TypeError) for other types.
        """
        from holdwater.graphs.type_compat import format_type, is_instance

        expected = self.response_type
        if expected is None or is_instance(answer, expected):
            return answer
        try:
            made = from_json(answer, expected)
        except Exception as error:
            raise self._invalid_answer_error(
                answer, f"but cannot be made a {format_type(expected)}: {error}"
            ) from error
        if not is_instance(made, expected):
            raise self._invalid_answer_error(answer, f"but must be {format_type(expected)}")
        return made

    def _invalid_answer_error(self, answer: Any, reason: str) -> AnswerError:
        given = f"{answer!r:.200}"
        return AnswerError(
            f"the answer {self.response_param!r} to interrupt {self.name!r} is {given}, "
            f"{type_with_article(answer)}, {reason}"
        )

    @property
    def answer_schema(self) -> Schema | None:
        """Return the JSON Schema of its answers; None if it accepts any."""
        schema = {} if self.response_type is None else schema_of(self.response_type)
        return schema or None


def interrupt(
    *, answer_name: str | None = None, response_param: str | None = None, **options: Unpack[InterruptOptions]
) -> Callable[[Callable[P, R]], InterruptNode[P, R]]:
    """Create an interrupt from a function: its return value is shown, the answer is the output `answer_name`.

    `response_param`: another name of `answer_name`.  `response_type`: type of the answer; by default `answer_type` of
    the class in the return annotation.  Raises SignatureError (a TypeError), GraphConfigError.
    """
    given = [name for name in (answer_name, response_param) if name is not None]
    if len(given) != 1:
        raise SignatureError("@interrupt needs the name of its answer once", hint='@interrupt(answer_name="decision")')
    return lambda function: InterruptNode.from_function(function, given[0], **options)
