"""Answers of a server: JSON objects that say what is missing in them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeVar

from holdwater import __version__
from holdwater.errors import HoldwaterError, ServerMismatch

P = ParamSpec("P")
T = TypeVar("T")
Data = TypeVar("Data")


def mismatch_error(what: str) -> ServerMismatch:
    """Return the error for an answer that this version does not understand."""
    return ServerMismatch(
        f"the server gives answers that this version of Holdwater ({__version__}) does not understand: {what}",
        hint="upgrade the older one of the two: GET /openapi.json of the server has its version",
    )


class AnswerObject(dict[str, Any]):
    """The JSON object of an answer.  To read a field that it lacks raises ServerMismatch."""

    def __missing__(self, name: str) -> NoReturn:
        raise mismatch_error(f"there is no {name!r} in one")


def parsing(parse: Callable[Concatenate[Data, P], T]) -> Callable[Concatenate[Data, P], T]:
    """Have a function that parses JSON raise ServerMismatch for what it does not expect."""

    @functools.wraps(parse)
    def parse_checked(data: Data, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return parse(data, *args, **kwargs)
        except HoldwaterError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise mismatch_error(f"{type(error).__name__} {error} in {parse.__name__}") from error

    return parse_checked
