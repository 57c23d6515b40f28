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
from holdwater.fingerprint.deep.packages import top_of
from holdwater.fingerprint.deep.referenced_names import Source, module_of, name_of, sources_of
from holdwater.fingerprint.deep.values import Reference


class Unit:
    """A function, class or module as it was when it was read."""

    __slots__ = ("digest", "home", "name", "sources", "target")

    def __init__(self, target: Reference) -> None:
        """Raises Unfingerprintable, with the source that cannot be read."""
        self.target = ref(target, partial(_known.pop, id(target)))
        self.name, self.home = name_of(target), top_of(module_of(target))
        self.sources: list[Source] = []
        digest = sha256()
        for source in sources_of(target):
            try:
                source.fill(target, self.home)
            except Unfingerprintable as error:
                raise error.within(f"{source.label} of {self.name}") from error
            self.sources.append(source)
            digest.update(sha256(source.label.encode("utf-8", "surrogatepass")).digest() + source.digest)
            digest.update(len(source.references).to_bytes(4, "little"))
        self.digest = digest.digest()

    def references(self) -> list[Reference] | None:
        """The code it refers to, in order; None if some of that is gone."""
        found = []
        for source in self.sources:
            for reference in source.references:
                target = reference()
                if target is None:
                    return None
                found.append(target)
        return found

    def is_of(self, target: Reference) -> bool:
        """Whether it is this one's, and nothing it reads has changed."""
        try:
            return self.target() is target and all([source.unchanged(target, self.home) for source in self.sources])
        except Unfingerprintable:
            return False


_known: Final[dict[int, Unit]] = {}


def unit_of(target: Reference) -> tuple[Unit, list[Reference]]:
    """As it is now, with the code it refers to.  Raises Unfingerprintable."""
    unit = _known.get(id(target))
    if unit is not None and unit.is_of(target):
        references = unit.references()
        if references is not None:
            return unit, references
    unit = Unit(target)
    references = unit.references()
    if references is None:
        raise Unfingerprintable(f"{unit.name} reads code that is made anew at every look")
    _known[id(target)] = unit
    return unit, references
