"""The definitions and triggers a process knows, by name: code of its own, and releases of packages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from holdwater.errors import ReleaseNotFound, WorkflowError, WorkflowNotFound
from holdwater.model import validation
from holdwater.model.claim_keys import claim_key, split_claim_key
from holdwater.model.ports.definition import WorkflowDefinition
from holdwater.model.suggestions import did_you_mean
from holdwater.model.triggers import TriggerRegistry
from holdwater.model.triggers import triggers as known_triggers

RegistrationListener = Callable[[str, WorkflowDefinition], None]


def check_names(definition: WorkflowDefinition, name: str) -> None:
    """Raises WorkflowError for names that a database could not hold: of the workflow, its tasks, and their children.

    A name that ends like a claim key (`NAME@RELEASE`) is refused, too.
    """
    validation.check_text(
        "the name of a workflow", name, max_bytes=validation.MAX_NAME_BYTES, error_class=WorkflowError
    )
    if split_claim_key(name)[1] is not None:
        raise WorkflowError(
            f"the name of a workflow cannot end in @ and 16 hex digits, as {validation.shorten_repr(name)} does",
            hint="that is how a workflow in a release of a package is named",
        )
    for node in definition.plan.nodes:
        what = f"the name of a task of workflow {validation.shorten_repr(name)}"
        validation.check_text(what, node.name, max_bytes=validation.MAX_NAME_BYTES, error_class=WorkflowError)


class Registry:
    """Definitions and triggers by name; thread-safe.  A name registered again is redefined: later runs get the new one.

    A release has definitions of its own beside those of the code of this process, under claim keys (`NAME@RELEASE`);
    where this process has no code of a name, the name alone leads to the active release.  `triggers`: those of this
    registry; a new `TriggerRegistry` by default.
    """

    def __init__(self, triggers: TriggerRegistry | None = None) -> None:
        self.triggers: Final = TriggerRegistry() if triggers is None else triggers
        self._definitions: dict[str, WorkflowDefinition] = {}
        self._releases: dict[str, dict[str, WorkflowDefinition]] = {}
        """release -> its definitions by name"""
        self._pinned: dict[str, WorkflowDefinition] = {}
        """claim key -> the definition in a release, those inside of others included"""
        self._active: dict[str, str] = {}
        """name of a workflow, or of one inside it -> the release it leads to"""
        self._listeners: list[RegistrationListener] = []
        self._lock = threading.Lock()

    def register(self, definition: WorkflowDefinition, name: str | None = None) -> None:
        """Make a definition known under its plan's name, or another one, and tell every listener.

        Raises WorkflowError for a name that cannot be stored.
        """
        known_as = definition.plan.name if name is None else name
        check_names(definition, known_as)
        with self._lock:
            self._definitions[known_as] = definition
        self._tell({known_as: definition})

    # -- releases

    def register_release(self, release: str, definitions: Iterable[WorkflowDefinition]) -> None:
        """Make the definitions of a release known under their claim keys, in place of those it had.

        Their names do not lead to it before it is activated.  Raises WorkflowError if one of them is of another
        release, or its name cannot be stored.
        """
        found: dict[str, WorkflowDefinition] = {}
        for definition in definitions:
            name = definition.plan.name
            check_names(definition, name)
            if definition.release != release:
                raise WorkflowError(f"workflow {name!r} is of release {definition.release}, not of {release}")
            found[name] = definition
        pinned = _by_claim_key(release, _with_children(found))
        with self._lock:
            others = {key: one for key, one in self._pinned.items() if one.release != release}
            self._releases[release], self._pinned = found, others | pinned
            self._active = {
                name: active
                for name, active in self._active.items()
                if active != release or claim_key(name, release) in pinned
            }
        self._tell(_by_claim_key(release, found))

    def activate(self, release: str, *, replacing: Iterable[str] = ()) -> None:
        """Have the names of a release lead to it: new runs take it.

        `replacing`: earlier releases of its package, to which no name leads any more.  Raises ReleaseNotFound.
        """
        with self._lock:
            found = self._releases.get(release)
            if found is None:
                raise ReleaseNotFound(f"release {release} is not registered in this process")
            kept = self._active_without({*replacing, release})
            self._active = kept | dict.fromkeys(_with_children(found), release)
        self._tell(found)

    def deactivate(self, release: str) -> None:
        """Have no name lead to a release; its runs go on.  One that is not active is no error."""
        with self._lock:
            self._active = self._active_without({release})
            found = self._releases.get(release, {})
        self._tell(found)

    def remove_release(self, release: str) -> None:
        """Drop the definitions of a release; its runs are left to other processes.

        One that is not there is no error.
        """
        with self._lock:
            found = self._releases.pop(release, {})
            self._pinned = {key: one for key, one in self._pinned.items() if one.release != release}
            self._active = self._active_without({release})
        self._tell(_by_claim_key(release, found))

    def _active_without(self, releases: Collection[str]) -> dict[str, str]:
        return {name: active for name, active in self._active.items() if active not in releases}

    def release_names(self, release: str) -> tuple[str, ...]:
        """Names of the workflows of a release, sorted; none if it is not registered here."""
        with self._lock:
            return tuple(sorted(self._releases.get(release, ())))

    def releases(self) -> tuple[str, ...]:
        """The registered releases, sorted."""
        with self._lock:
            return tuple(sorted(self._releases))

    # -- definitions

    def find(self, name: str) -> WorkflowDefinition | None:
        """The definition new runs of a workflow get; None if there is none.

        By name: code of this process, else the active release, also a workflow inside another one
        (`parent/child`).  By claim key: that of the release.
        """
        if not isinstance(name, str):
            return None
        with self._lock:
            found = self._definitions.get(name)
        return found if found is not None else self._find_elsewhere(name)

    def _find_elsewhere(self, name: str) -> WorkflowDefinition | None:
        with self._lock:
            found = self._pinned.get(name)
        if found is not None:
            return found
        found = self._find_inside(name)
        if found is None:
            with self._lock:
                release = self._active.get(name)
                found = None if release is None else self._pinned.get(claim_key(name, release))
        return found

    def find_in_release(self, workflow: str, release: str | None) -> WorkflowDefinition | None:
        """The definition for runs that are pinned to a release; `release` None: that of the code of this process."""
        with self._lock:
            if release is not None:
                return self._pinned.get(claim_key(workflow, release))
            found = self._definitions.get(workflow)
        return found if found is not None else self._find_inside(workflow)

    def _find_inside(self, name: str) -> WorkflowDefinition | None:
        """The definition of this process's code inside another one, `parent/child`."""
        if "/" not in name:
            return None
        parent = self.find_in_release(name.rpartition("/")[0], None)
        children = () if parent is None else parent.child_definitions().values()
        return next((child for child in children if child.plan.name == name), None)

    def get(self, name: str) -> WorkflowDefinition:
        """The definition new runs of a workflow get.  Raises WorkflowNotFound, with the names that come close."""
        program = self.find(name)
        if program is None:
            raise self.not_found_error(name)
        return program

    def not_found_error(self, name: str) -> WorkflowNotFound:
        """Build the error for an unregistered name; its hint names up to three that come close."""
        with self._lock:
            names = sorted({*self._definitions, *self._active})
        if close := did_you_mean(name, names):
            hint = close
        elif names:
            hint = f"this process knows {', '.join(map(repr, names[:10]))}" + (" and more" if len(names) > 10 else "")
        else:
            hint = "this process knows no workflow yet: import the module that defines it"
        return WorkflowNotFound(
            f"no workflow named {validation.shorten_repr(name)} is registered in this process", hint=hint
        )

    # -- names

    def names(self) -> tuple[str, ...]:
        """Names of the workflows of this process's code, sorted."""
        with self._lock:
            return tuple(sorted(self._definitions))

    def executable_definitions(self) -> dict[str, WorkflowDefinition]:
        """All definitions by claim keys: of code and of releases, and of the children inside them."""
        with self._lock:
            code, pinned = dict(self._definitions), self._pinned
        return _with_children(code) | pinned

    def executable_names(self) -> tuple[str, ...]:
        """Claim keys of all runs that can be executed here."""
        return tuple(self.executable_definitions())

    def startable_names(self) -> tuple[str, ...]:
        """Names of which new runs can be started here: what schedules, triggers and child calls ask for."""
        with self._lock:
            code, active = dict(self._definitions), tuple(self._active)
        return tuple(dict.fromkeys((*_with_children(code), *active)))

    def unregister(self, name: str) -> None:
        """Drop a name of code; one that is not there is no error."""
        with self._lock:
            self._definitions.pop(name, None)

    # -- listeners

    def add_listener(self, callback: RegistrationListener) -> Callable[[], None]:
        """Call `callback(name, definition)` at every registration, and for each name of a release that changes.

        Call what is returned to stop that.
        """
        with self._lock:
            self._listeners.append(callback)

        def stop() -> None:
            with self._lock:
                if callback in self._listeners:
                    self._listeners.remove(callback)

        return stop

    def _tell(self, changed: Mapping[str, WorkflowDefinition]) -> None:
        """Call the listeners, outside of the lock: they may ask the registry."""
        with self._lock:
            listeners = list(self._listeners)
        for callback in listeners:
            for name, definition in changed.items():
                callback(name, definition)


def _by_claim_key(release: str, definitions: Mapping[str, WorkflowDefinition]) -> dict[str, WorkflowDefinition]:
    return {claim_key(name, release): definition for name, definition in definitions.items()}


def _with_children(definitions: Mapping[str, WorkflowDefinition]) -> dict[str, WorkflowDefinition]:
    """These definitions and those inside them, by name."""
    found = dict(definitions)
    stack = list(found.values())
    while stack:
        children = stack.pop().child_definitions().values()
        stack += [child for child in children if found.setdefault(child.plan.name, child) is child]
    return found


registry: Final = Registry(known_triggers)
"""The one every authoring module registers in, and every runner reads, unless told otherwise."""
