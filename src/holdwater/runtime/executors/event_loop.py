"""The event loop of `async def` task functions, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
JOIN_TIMEOUT_SECONDS: Final = 1.0


class TaskEventLoop:
    """Started by the first that uses it.  Thread-safe; executors may share one."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def get(self) -> asyncio.AbstractEventLoop:
        """The running loop."""
        with self._lock:
            if self._loop is None:
                import asyncio

                self._loop = loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_run_until_stopped, args=(loop,), name="holdwater-async", daemon=True
                )
                self._thread.start()
            return self._loop

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and wait for it, from another thread."""
        import asyncio

        return asyncio.run_coroutine_threadsafe(coroutine, self.get()).result()

    def cancel(self, task: asyncio.Task[None]) -> None:
        """Cancel a task of the loop, from another thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(task.cancel)

    def close(self) -> None:
        """Cancel all tasks and end the thread, if it was started.  Idempotent."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._thread = None
        if loop is None or thread is None:
            return
        _stop(loop)
        thread.join(JOIN_TIMEOUT_SECONDS)
        if not thread.is_alive():
            loop.close()


def _stop(loop: asyncio.AbstractEventLoop) -> None:
    import asyncio

    async def finish() -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await loop.shutdown_asyncgens()
        loop.stop()

    loop.call_soon_threadsafe(lambda: loop.create_task(finish()))


def _run_until_stopped(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is stopped.

    A task that a task function has started may raise SystemExit or KeyboardInterrupt: asyncio gives that to the awaiter
    of the task and ends the loop, which other task functions use.
    """
    while True:
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt):
            continue
        return
