"""Units of code: a function, class or module with everything it reads directly, as named dependencies with digests.

A unit is analyzed once and then validated at every use: each dependency is read again; immutable values are compared by
identity, mutable ones (a list, an instance) by a new digest.
"""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from typing import Final
from weakref import ref

from holdwater.fingerprint.packages import module_name, top_level_package
from holdwater.fingerprint.referenced_names import Dependency, dependencies_of, qualified_name
from holdwater.fingerprint.values import CodeReference, Unfingerprintable


class CodeUnit:
    """A function, class or module as it was when it was analyzed."""

    __slots__ = ("dependencies", "digest", "home", "name", "target")

    def __init__(self, target: CodeReference) -> None:
        """Analyze a unit.  Raises Unfingerprintable, naming the dependency that cannot be read."""
        self.target = ref(target, partial(_units.pop, id(target)))
        self.name, self.home = qualified_name(target), top_level_package(module_name(target))
        self.dependencies: list[Dependency] = []
        digest = sha256()
        for source in dependencies_of(target):
            try:
                source.capture(target, self.home)
            except Unfingerprintable as error:
                raise error.within(f"{source.label} of {self.name}") from error
            self.dependencies.append(source)
            digest.update(sha256(source.label.encode("utf-8", "surrogatepass")).digest() + source.digest)
            digest.update(len(source.references).to_bytes(4, "little"))
        self.digest = digest.digest()

    def references(self) -> list[CodeReference] | None:
        """Return the code it refers to, in order; None if some of it was garbage-collected."""
        found = []
        for source in self.dependencies:
            for reference in source.references:
                target = reference()
                if target is None:
                    return None
                found.append(target)
        return found

    def is_current(self, target: CodeReference) -> bool:
        """Return True if the unit belongs to this target, and none of its dependencies has changed."""
        try:
            return self.target() is target and all(
                [source.is_unchanged(target, self.home) for source in self.dependencies]
            )
        except Unfingerprintable:
            return False


_units: Final[dict[int, CodeUnit]] = {}


def code_unit(target: CodeReference) -> tuple[CodeUnit, list[CodeReference]]:
    """Return the current unit of a target, and the code it refers to.  Raises Unfingerprintable."""
    unit = _units.get(id(target))
    if unit is not None and unit.is_current(target):
        references = unit.references()
        if references is not None:
            return unit, references
    unit = CodeUnit(target)
    references = unit.references()
    if references is None:
        raise Unfingerprintable(f"{unit.name} reads code that is created anew at every read")
    _units[id(target)] = unit
    return unit, references
