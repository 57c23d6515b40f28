"""The definitions this process knows, by name."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from holdwater.errors import WorkflowError, WorkflowNotFound
from holdwater.model import validation
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.suggestions import did_you_mean

RegistrationListener = Callable[[str, WorkflowDefinition], None]


def check_names(definition: WorkflowDefinition, name: str) -> None:
    """Raises WorkflowError for names that a database could not hold: of the workflow, its tasks, and their children."""
    validation.check_text(
        "the name of a workflow", name, max_bytes=validation.MAX_NAME_BYTES, error_class=WorkflowError
    )
    for node in definition.plan.nodes:
        what = f"the name of a task of workflow {validation.shorten_repr(name)}"
        validation.check_text(what, node.name, max_bytes=validation.MAX_NAME_BYTES, error_class=WorkflowError)


class Registry:
    """Definitions by name; thread-safe.  A name registered again is redefined: later runs get the new one."""

    def __init__(self) -> None:
        self._definitions: dict[str, WorkflowDefinition] = {}
        self._listeners: list[RegistrationListener] = []
        self._lock = threading.Lock()

    def register(self, definition: WorkflowDefinition, name: str | None = None) -> None:
        """Make a program known under its plan's name, or another one, and tell every listener."""
        known_as = definition.plan.name if name is None else name
        check_names(definition, known_as)
        with self._lock:
            self._definitions[known_as] = definition
            listeners = list(self._listeners)
        for tell in listeners:  # outside the lock: a listener may ask the registry
            tell(known_as, definition)

    def find(self, name: str) -> WorkflowDefinition | None:
        """The program of this name, or the child of that name inside another one; None if there is none."""
        if not isinstance(name, str):
            return None
        with self._lock:
            found = self._definitions.get(name)
        if found is not None or "/" not in name:
            return found
        parent = self.find(name.rpartition("/")[0])
        if parent is None:
            return None
        return next((child for child in parent.child_definitions().values() if child.plan.name == name), None)

    def get(self, name: str) -> WorkflowDefinition:
        """The program of this name.  Raises WorkflowNotFound, with the names that come close."""
        program = self.find(name)
        if program is None:
            raise self.not_found_error(name)
        return program

    def not_found_error(self, name: str) -> WorkflowNotFound:
        """Build the error for an unregistered name; its hint names up to three that come close."""
        names = self.names()
        if close := did_you_mean(name, names):
            hint = close
        elif names:
            hint = f"this process knows {', '.join(map(repr, names[:10]))}" + (" and more" if len(names) > 10 else "")
        else:
            hint = "this process knows no workflow yet: import the module that defines it"
        return WorkflowNotFound(
            f"no workflow named {validation.shorten_repr(name)} is registered in this process", hint=hint
        )

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        with self._lock:
            return tuple(sorted(self._definitions))

    def executable_names(self) -> tuple[str, ...]:
        """All names a run can have here: those registered, and those of the children inside them."""
        with self._lock:
            found = dict(self._definitions)
        stack = list(found.values())
        while stack:
            children = stack.pop().child_definitions().values()
            stack += [child for child in children if found.setdefault(child.plan.name, child) is child]
        return tuple(found)

    def unregister(self, name: str) -> None:
        """Drop a name; one that is not there is no error."""
        with self._lock:
            self._definitions.pop(name, None)

    def add_listener(self, callback: RegistrationListener) -> Callable[[], None]:
        """Call `callback(name, program)` at every registration from now on.  Call what is returned to stop that."""
        with self._lock:
            self._listeners.append(callback)

        def stop() -> None:
            with self._lock:
                if callback in self._listeners:
                    self._listeners.remove(callback)

        return stop


registry: Final = Registry()
"""The one every authoring module registers in, and every runner reads, unless told otherwise."""
