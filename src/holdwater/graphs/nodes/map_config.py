"""Options of a nested graph that runs once per item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from holdwater.errors import MapOverError

MapMode = Literal["zip", "product"]
ErrorHandling = Literal["raise", "continue"]
OnPause = Literal["item"] | None


@dataclass(frozen=True, slots=True)
class MapConfig:
    """Options of a map.

    `params`: the inputs that are lists.  `clone`: other inputs of which every item gets a deep copy; True: all of them.
    `on_pause`: "item" permits interrupts, at which items pause one by one.
    """

    params: tuple[str, ...]
    mode: MapMode = "zip"
    error_handling: ErrorHandling = "raise"
    clone: bool | tuple[str, ...] = False
    on_pause: OnPause = None

    def __post_init__(self) -> None:
        if not self.params:
            raise MapOverError("map_over needs the name of at least one input", hint='map_over("items")')
        if len(set(self.params)) < len(self.params):
            raise MapOverError(f"map_over names an input twice: {self.params}")
        for word, given, allowed in (
            ("mode", self.mode, get_args(MapMode)),
            ("error_handling", self.error_handling, get_args(ErrorHandling)),
            ("on_pause", self.on_pause, (None, "item")),
        ):
            if given not in allowed:
                raise MapOverError(f"{word} of a map is one of {', '.join(map(repr, allowed))}, not {given!r}")
        if isinstance(self.clone, tuple):
            for name in self.clone:
                if name in self.params:
                    raise MapOverError(
                        f"{name!r} is mapped: every item has a value of its own, there is nothing to clone"
                    )
