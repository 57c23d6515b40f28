"""Context variables of bodies: what one sets is seen by no other attempt, item or run.

The decimal context is a context variable that holds a mutable object: a copied `contextvars.Context` shares it, so a
body that runs in a copy gets a decimal context of its own besides.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from decimal import getcontext, setcontext
from typing import ParamSpec, TypeVar

from penstock.model.log_context import ORIGIN, Origin

P = ParamSpec("P")
T = TypeVar("T")


def in_fresh_context(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call with every context variable at its default, whoever started the run and wherever the body runs."""
    return Context().run(call, *args, **kwargs)


def in_copy_of(variables: Context, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call with these context variables; what the call changes, its decimal context too, is left behind."""
    return variables.copy().run(_separated, ORIGIN.get(), call, *args, **kwargs)


def own_decimals() -> None:
    """Give the running context, which must be a copy, a decimal context of its own with the same settings."""
    setcontext(getcontext().copy())


def _separated(origin: Origin | None, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    own_decimals()
    ORIGIN.set(origin)  # records are those of the body, whose variables the caller's replace
    return call(*args, **kwargs)
