"""What one function, class or module depends on: named sources, each with the digest of what it held.

A unit is read once and then only looked at again: every source is fetched at every look, and what cannot change is
compared by identity.  What can change in place (a list, an instance) is digested at every look.
"""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from typing import Final
from weakref import ref

from holdwater.fingerprint.deep.errors import Unfingerprintable
from holdwater.fingerprint.deep.packages import top_level_package
from holdwater.fingerprint.deep.referenced_names import Dependency, dependencies_of, module_name, qualified_name
from holdwater.fingerprint.deep.values import CodeReference


class CodeUnit:
    """A function, class or module as it was when it was read."""

    __slots__ = ("dependencies", "digest", "home", "name", "target")

    def __init__(self, target: CodeReference) -> None:
        """Raises Unfingerprintable, with the source that cannot be read."""
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
        """The code it refers to, in order; None if some of that is gone."""
        found = []
        for source in self.dependencies:
            for reference in source.references:
                target = reference()
                if target is None:
                    return None
                found.append(target)
        return found

    def is_current(self, target: CodeReference) -> bool:
        """Whether it is this one's, and nothing it reads has changed."""
        try:
            return self.target() is target and all(
                [source.is_unchanged(target, self.home) for source in self.dependencies]
            )
        except Unfingerprintable:
            return False


_units: Final[dict[int, CodeUnit]] = {}


def code_unit(target: CodeReference) -> tuple[CodeUnit, list[CodeReference]]:
    """As it is now, with the code it refers to.  Raises Unfingerprintable."""
    unit = _units.get(id(target))
    if unit is not None and unit.is_current(target):
        references = unit.references()
        if references is not None:
            return unit, references
    unit = CodeUnit(target)
    references = unit.references()
    if references is None:
        raise Unfingerprintable(f"{unit.name} reads code that is made anew at every look")
    _units[id(target)] = unit
    return unit, references
