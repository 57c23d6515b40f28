"""Signatures of runners' methods.

`run` and `map` take inputs of a graph by keyword besides their options, so options cannot be declared by a TypedDict
(`Unpack`): a type checker would refuse every input.  Each list of options is declared in one signature instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def parameters_of(
    source: Callable[Concatenate[Any, Any, P], Any],
) -> Callable[[Callable[..., R]], Callable[Concatenate[Any, P], R]]:
    """Give a method the parameters of another one, without the first after `self`.

    The method takes `**options` and passes them to `source`.
    """
    signature = inspect.signature(source)
    own, _, *shared = signature.parameters.values()

    def set_signature(method: Callable[..., R]) -> Callable[Concatenate[Any, P], R]:
        returned = inspect.signature(method).return_annotation
        shown = signature.replace(
            parameters=[own.replace(kind=own.POSITIONAL_OR_KEYWORD), *shared], return_annotation=returned
        )
        vars(method).update(__signature__=shown, __wrapped__=source)  # documentation reads the defaults of the latter
        return method

    return set_signature


def option_names(method: Callable[..., Any]) -> frozenset[str]:
    """Return the keyword-only parameters of a method."""
    parameters = inspect.signature(method).parameters.values()
    return frozenset(one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY)
