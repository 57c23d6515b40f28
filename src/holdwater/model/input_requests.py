"""Questions as they are recorded, and values that were given before they could be checked or converted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from holdwater.errors import HoldwaterError, InputError
from holdwater.model.json_schema import Schema
from holdwater.model.values import StoredValue


@dataclass(frozen=True, slots=True)
class Question:
    """A question: the value to show, and the JSON Schema of its answers (None: any value will do)."""

    prompt: StoredValue
    answer_schema: Schema | None = None

    @property
    def text(self) -> str:
        """Its encoding in a journal: the value, and the schema if there is one."""
        return (
            self.prompt.text if self.answer_schema is None else f"{self.prompt.text},{json.dumps(self.answer_schema)}"
        )


def convert_or_mark(given: StoredValue, convert: Callable[[StoredValue], StoredValue], *, strict: bool) -> StoredValue:
    """The converted value; in the place of one that `convert` refuses, an `InvalidValue`.

    Raises the InputError of `convert` at once if `strict`.
    """
    try:
        return convert(given)
    except InputError as error:
        if strict:
            raise
        return InvalidValue(given, error)


class RawValue(StoredValue):
    """An input or an answer, given as JSON, that the process with the code of its workflow has to convert.

    `source`: the place it was given at, `input:NAME` or `answer:NODE`.  In the journal it is the value as given.
    """

    __slots__ = ("source",)

    def __init__(self, given: StoredValue, source: str) -> None:
        super().__init__(text=given.text)
        self._scalar = given.copy() if given.is_scalar else self._scalar
        self.source: Final = source


class InvalidValue(StoredValue):
    """In the place of an answer or an input that is of a wrong type: whatever reads it gets the error."""

    __slots__ = ("_error",)

    def __init__(self, given: StoredValue, error: HoldwaterError) -> None:
        super().__init__(text=given.text)
        self._error: Final = error

    def copy(self) -> Any:
        """Raises AnswerError, InputError."""
        raise self._error
