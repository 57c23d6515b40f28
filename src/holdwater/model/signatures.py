"""Signatures and annotations of users' functions, whose annotations may name what only type checkers import.

Python 3.14 evaluates annotations when they are asked for (PEP 649), and raises NameError at such a name; there it is
asked for a `ForwardRef` instead.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

if sys.version_info >= (3, 14):
    import annotationlib

    def signature_of(function: Callable[..., Any], *, follow_wrapped: bool = True) -> inspect.Signature:
        """`inspect.signature`; unknown names are ForwardRefs.  Raises TypeError or ValueError if there is none."""
        return inspect.signature(
            function, follow_wrapped=follow_wrapped, annotation_format=annotationlib.Format.FORWARDREF
        )

    def annotations_of(thing: Any) -> Mapping[str, Any]:
        """The own `__annotations__` of a function or class; unknown names are ForwardRefs, no annotations are {}."""
        try:
            return annotationlib.get_annotations(thing, format=annotationlib.Format.FORWARDREF)
        except TypeError:  # neither a function nor a class nor a module
            return getattr(thing, "__annotations__", {})

else:

    def signature_of(function: Callable[..., Any], *, follow_wrapped: bool = True) -> inspect.Signature:
        """`inspect.signature`.  Raises TypeError or ValueError if there is none."""
        return inspect.signature(function, follow_wrapped=follow_wrapped)

    def annotations_of(thing: Any) -> Mapping[str, Any]:
        """The own `__annotations__` of a function or class, as they stand there; no annotations are {}."""
        found: Mapping[str, Any] = getattr(thing, "__annotations__", {})
        return found


def accepts_arguments(function: Callable[..., Any], count: int) -> bool:
    """Return True if it can be called with so many arguments, or has no signature."""
    try:
        signature = signature_of(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True
