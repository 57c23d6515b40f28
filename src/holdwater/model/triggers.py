"""Triggers: functions that are asked from time to time whether a run is to be started, and what they answer."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True, repr=False)
class TriggerResult:
    """The answer of a trigger function: `TriggerResult.skip()` or `TriggerResult.fire(context)`."""

    fires: bool
    context: Mapping[str, Any] | None = None

    @classmethod
    def skip(cls) -> TriggerResult:
        """Nothing is to be done now."""
        return cls(False)

    @classmethod
    def fire(cls, context: Mapping[str, Any] | None = None) -> TriggerResult:
        """Start a run with this context."""
        return cls(True, context)

    def is_fire_result(self) -> bool:
        return self.fires

    def is_skip_result(self) -> bool:
        return not self.fires

    def __repr__(self) -> str:
        return f"TriggerResult.Fire({self.context!r})" if self.fires else "TriggerResult.Skip"


TriggerReturn = TriggerResult | Awaitable[TriggerResult]


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger function and what it starts.  `poll_interval_us`: how often it is asked, in microseconds."""

    name: str
    workflow: str
    poll_interval_us: int
    allow_concurrent: bool
    function: Callable[[], TriggerReturn]


class TriggerRegistry:
    """Name -> Trigger; thread-safe.  A name registered again is redefined."""

    def __init__(self) -> None:
        self._triggers: dict[str, Trigger] = {}
        self._listeners: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def register(self, trigger: Trigger) -> None:
        """Make a trigger known, and tell every listener."""
        with self._lock:
            self._triggers[trigger.name] = trigger
            listeners = list(self._listeners)
        for tell in listeners:
            tell()

    def find(self, name: str) -> Trigger | None:
        with self._lock:
            return self._triggers.get(name)

    def __len__(self) -> int:
        return len(self._triggers)

    def list_triggers(self) -> list[Trigger]:
        """All triggers, by name."""
        with self._lock:
            return [self._triggers[name] for name in sorted(self._triggers)]

    def unregister(self, name: str) -> None:
        """Drop a name; one that is not there is no error."""
        with self._lock:
            self._triggers.pop(name, None)

    def add_listener(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `tell()` at every registration from now on.  Call what is returned to stop that."""
        with self._lock:
            self._listeners.append(callback)

        def stop() -> None:
            with self._lock:
                if callback in self._listeners:
                    self._listeners.remove(callback)

        return stop


triggers: Final = TriggerRegistry()
"""The ones this process knows."""
