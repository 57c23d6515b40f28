"""Interrupts: nodes that show something, wait for an answer and pass it on."""

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
    """Keywords of `interrupt`.  `response_type`: what an answer must be; by default the question class says it."""

    response_type: Any
    name: str | None


class InterruptNode(CallNode[P, R]):
    """Shows a value and pauses the run until `response_param` is answered.

    Declared here, it shows its one input.  Made by `@interrupt`, it shows what the function returns.
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
        """`response_type`: an annotation that every answer is checked against; None takes any."""
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
        """An interrupt that shows what a function returns."""
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
        """The input that is shown; None if a function makes what is shown."""
        return self.inputs[0] if self._shows_input else None

    @property
    def response_param(self) -> str:
        """The current name of its one data output, the answer."""
        return self.data_outputs[0]

    answer_name = response_param

    @property
    def response_type(self) -> Any:
        """What an answer must be; None takes any.  A function may leave it to the `answer_type` of what it returns."""
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
        """The answer, or the value of the `response_type` that it stands for if it came as JSON: a dict for a
        dataclass, an ISO 8601 string for a date, the value of an Enum's member.

        Raises AnswerError (a TypeError) for anything else.
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
        """The JSON Schema of its answers; None if it takes any."""
        schema = {} if self.response_type is None else schema_of(self.response_type)
        return schema or None


def interrupt(
    *, answer_name: str | None = None, response_param: str | None = None, **options: Unpack[InterruptOptions]
) -> Callable[[Callable[P, R]], InterruptNode[P, R]]:
    """Make a function an interrupt: what it returns is shown, and the answer becomes the output `answer_name`.

    `response_param` is another word for `answer_name`.  A return annotation that is a class with an `answer_type` says
    what an answer must be; `response_type` says it for any other.
    """
    given = [name for name in (answer_name, response_param) if name is not None]
    if len(given) != 1:
        raise SignatureError("@interrupt needs the name of its answer once", hint='@interrupt(answer_name="decision")')
    return lambda function: InterruptNode.from_function(function, given[0], **options)
