"""Definitions whose functions are performed by hosts, for tests of hosts alone."""

from __future__ import annotations

from typing import Any

from holdwater.model.ports.definition import CodeReference


class ByName:
    """A definition of this process that names its code instead of having it."""

    def __init__(self, definition: Any, release: str) -> None:
        self._definition, self.release = definition, release

    def __getattr__(self, name: str) -> Any:
        return getattr(self._definition, name)

    def specialize(self, inputs: Any) -> ByName:
        return self

    def executor_name(self, node: int) -> str:
        return "packages"

    def runs_user_code(self, node: int, view: Any) -> bool:
        return True

    def code_reference(self, node: int) -> CodeReference:
        return CodeReference(self._definition.plan.name, "", (), node)
