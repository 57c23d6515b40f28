"""Context variables of bodies: what one sets is seen by no other attempt, item or run.

The decimal context is a context variable that holds a mutable object: a copied `contextvars.Context` shares it, so
where there is one, a body that runs in a copy gets a decimal context of its own besides.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from decimal import Context as Decimals
from decimal import getcontext, setcontext
from typing import Final, ParamSpec, TypeVar

from holdwater.model.log_context import ORIGIN

P = ParamSpec("P")
T = TypeVar("T")


def run_in_fresh_context(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call with every context variable at its default, independently of caller and thread."""
    return Context().run(function, *args, **kwargs)


def run_in_context_copy(context: Context, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call with these context variables; what the call changes, its decimal context too, is left behind."""
    made = context.copy()
    made.run(detach_decimal_context)
    origin = ORIGIN.get()
    made.run(ORIGIN.set, origin)  # records and spans are those of the body, whose context the caller's replace
    if origin is not None:
        made.run(origin.enter_context)
    return made.run(function, *args, **kwargs)


def context_copier() -> Callable[[], Context]:
    """Return a function that copies the running context for calls that must not change it; for many calls."""
    return copy_context if _DECIMAL_CONTEXT.get(None) is None else _copy_context_with_decimals


def detach_decimal_context() -> None:
    """Give the running context, which must be a copy, a decimal context of its own with the same settings."""
    held = _DECIMAL_CONTEXT.get(None)
    if held is not None:
        setcontext(held.copy())


def _copy_context_with_decimals() -> Context:
    made = copy_context()
    made.run(detach_decimal_context)
    return made


def _find_decimal_variable() -> ContextVar[Decimals]:
    """The variable of the decimal module, which has no name there: the only one that `getcontext` makes."""
    fresh = Context()
    fresh.run(getcontext)
    (variable,) = fresh
    return variable


_DECIMAL_CONTEXT: Final = _find_decimal_variable()
