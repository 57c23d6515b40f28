"""The authoring styles this version can read, each imported when a run of it is met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final, cast

from holdwater.model.ports.definition import AuthoringStyle

_STYLE_CLASSES: Final = {
    "tasks": ("holdwater.tasks.run_data", "TaskStyle"),
    "steps": ("holdwater.steps.run_data", "StepsStyle"),
    "graphs": ("holdwater.graphs.run_data", "GraphStyle"),
}


class AuthoringStyles(Mapping[str, AuthoringStyle]):
    """Name -> style."""

    def __init__(self) -> None:
        self._loaded: dict[str, AuthoringStyle] = {}

    def __getitem__(self, name: str) -> AuthoringStyle:
        style = self._loaded.get(name)
        if style is None:
            module, kind = _STYLE_CLASSES[name]
            made: Any = getattr(import_module(module), kind)()
            style = self._loaded[name] = cast(AuthoringStyle, made)
        return style

    def __iter__(self) -> Iterator[str]:
        return iter(_STYLE_CLASSES)

    def __len__(self) -> int:
        return len(_STYLE_CLASSES)


STYLES: Final = AuthoringStyles()
