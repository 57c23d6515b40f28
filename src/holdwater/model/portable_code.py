"""Functions that are sent to another process: where they were written, what they refer to, and whether they can be."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any


def source_file(function: Callable[..., Any] | None) -> str:
    """Return the source file of a function, "" if that is unknown."""
    code = None if function is None else getattr(inspect.unwrap(function), "__code__", None)
    return "" if code is None else str(code.co_filename)


def global_names(function: Callable[..., Any] | None) -> dict[str, Any]:
    """Return the globals and closure variables a function uses, by name."""
    if function is not None:
        with suppress(TypeError):
            used = inspect.getclosurevars(inspect.unwrap(function))
            return {**used.globals, **used.nonlocals}
    return {}


def is_picklable(value: Any) -> bool:
    """Return True if cloudpickle can send a value to another process."""
    import cloudpickle  # type: ignore[import-untyped, unused-ignore]

    try:
        cloudpickle.dumps(value)
    except Exception:  # noqa: BLE001 - whatever its class does
        return False
    return True
