"""Between loops and threads."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from penstock.model.awaiting import run_to_end

T = TypeVar("T")


async def in_thread(work: Callable[[], T], *, waits: bool = False) -> T:
    """Run in a worker thread, with this task's context variables.

    A thread cannot be cancelled: if this task is, it still waits for the thread's end.  `waits`: the work may wait for
    other work, and so must not take a place among the workers that the other needs: it gets a thread of its own.
    """
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    context = contextvars.copy_context()
    own = ThreadPoolExecutor(1) if waits else None
    # The outcome is returned, not raised: a future cannot carry StopIteration, and nobody may be left to hear of it.
    future = asyncio.get_running_loop().run_in_executor(own, context.run, _outcome, work)
    if own is not None:
        own.shutdown(wait=False)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return _raised(future.result())


def in_own_loop(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end from plain code, also below a running loop: then in a thread that has none."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run_to_end(make())
    context = contextvars.copy_context()
    outcomes: list[tuple[T, None] | tuple[None, BaseException]] = []
    thread = threading.Thread(target=lambda: outcomes.append(context.run(_outcome, lambda: run_to_end(make()))))
    thread.start()
    thread.join()
    return _raised(outcomes[0])


def _outcome(work: Callable[[], T]) -> tuple[T, None] | tuple[None, BaseException]:
    try:
        return work(), None
    except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
        return None, error


def _raised(outcome: tuple[T, None] | tuple[None, BaseException]) -> T:
    value, error = outcome
    if error is not None:
        raise error
    return cast("T", value)
