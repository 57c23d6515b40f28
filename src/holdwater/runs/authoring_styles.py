"""The authoring styles this version can read, each imported when a run of it is met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final, cast

from holdwater.model.ports import Style

_WHERE: Final = {
    "tasks": ("holdwater.tasks.run_data", "TaskStyle"),
    "steps": ("holdwater.steps.run_data", "StepsStyle"),
    "graphs": ("holdwater.graphs.run_data", "GraphStyle"),
}


class Styles(Mapping[str, Style]):
    """Name -> style."""

    def __init__(self) -> None:
        self._known: dict[str, Style] = {}

    def __getitem__(self, name: str) -> Style:
        style = self._known.get(name)
        if style is None:
            module, kind = _WHERE[name]
            made: Any = getattr(import_module(module), kind)()
            style = self._known[name] = cast(Style, made)
        return style

    def __iter__(self) -> Iterator[str]:
        return iter(_WHERE)

    def __len__(self) -> int:
        return len(_WHERE)


STYLES: Final = Styles()
