"""Coroutines run to their end from plain code."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar, cast

T = TypeVar("T")


def run_to_end(awaitable: Awaitable[T]) -> T:
    """`asyncio.run` for any awaitable and any exception.

    asyncio looks at the exception of its main task, and never ends if code of the exception's class raises then.  So
    the outcome is returned to it, and raised here.
    """
    import asyncio

    value, error = asyncio.run(_outcome(awaitable))
    if error is not None:
        raise error
    return cast("T", value)


async def _outcome(awaitable: Awaitable[T]) -> tuple[T | None, BaseException | None]:
    import asyncio

    try:
        return await awaitable, None
    except asyncio.CancelledError:  # Ctrl-C: asyncio turns it into KeyboardInterrupt
        raise
    except BaseException as error:  # noqa: BLE001 - raised by `run_to_end`
        return None, error
