"""Base classes of event processors.  Subclass one and pass instances to a runner as `event_processors=[...]`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from holdwater.errors import ConfigError
from holdwater.events.types import BaseEvent


class EventProcessor:
    """Hears every event, one at a time.  What it raises is recorded; it never stops the run or other processors."""

    @property
    def is_listening(self) -> bool:
        """False as long as nothing would come of the events: then none are made for this processor alone."""
        return True

    def on_event(self, event: BaseEvent) -> None:
        """Handle an event; called with each one, in order."""

    def shutdown(self) -> None:
        """Release resources; called once after the outermost run, also after a failure."""

    def enter_node(self, span_id: str) -> None:
        """Prepare the context of a node's function; called right before it, with the span of its start event.

        The context is a copy of the function's own: a context variable set here is visible to this function only.
        """

    def force_flush(self) -> None:
        """Send on whatever is held back."""


def check_processors(processors: Sequence[EventProcessor]) -> tuple[EventProcessor, ...]:
    """Check the processors of a runner.  Raises ConfigError for anything else in the list."""
    wrong = [one for one in processors if not isinstance(one, EventProcessor)]
    if wrong:
        raise ConfigError(
            f"event_processors takes EventProcessors, not {wrong[0]!r}",
            hint="subclass EventProcessor or TypedEventProcessor, and give an instance",
        )
    return tuple(processors)


class AsyncEventProcessor(EventProcessor):
    """Is awaited by runners that run in an event loop; others call `on_event`, which it may implement as well."""

    def on_event(self, event: BaseEvent) -> None:
        raise TypeError(
            f"{type(self).__name__} is only asynchronous: it has no on_event for a run without an event loop"
        )

    async def on_event_async(self, event: BaseEvent) -> None:
        """Awaited with each event, in order."""
        self.on_event(event)

    async def shutdown_async(self) -> None:
        """Awaited once when the outermost run is over, also after a failure."""
        self.shutdown()


class TypedEventProcessor(EventProcessor):
    """Calls the method named after an event's class: `on_run_start` (or `on_run_start_event`) for `RunStartEvent`.

    So `class TokenSpent(BaseEvent)` arrives at `on_token_spent`.  An event without a method of its own goes to that of
    its nearest base class that has one, or else is ignored.
    """

    def on_event(self, event: BaseEvent) -> None:
        kind: type = type(event)
        for method_name in _method_names(kind):
            method = getattr(self, method_name, None)
            if method is not None:
                method(event)
                return


@lru_cache(maxsize=256)
def _method_names(kind: type) -> tuple[str, ...]:
    names: list[str] = []
    for cls in kind.__mro__[: kind.__mro__.index(BaseEvent)]:
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()
        stem = snake.removesuffix("_event")
        names += (f"on_{stem}", f"on_{stem}_event")
    return tuple(names)
