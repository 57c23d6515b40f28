"""Deep fingerprints: a callable or value with all code its functions and classes reach, transitively."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from holdwater.fingerprint.units import CodeUnit, code_unit
from holdwater.fingerprint.values import CodeReference, digest_value

_DIGEST_CHARS = 16


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`digest`: 32 bytes that depend on everything reached.  `units`: the code reached, in breadth-first order."""

    digest: bytes
    units: tuple[CodeUnit, ...]

    def dependency_digests(self) -> Mapping[str, Mapping[str, str]]:
        """Map each function, class or module, in the order met, to the digests of its dependencies by label.

        The digest of a dependency that is code does not cover that code, which is a unit of its own.
        """
        found: dict[str, dict[str, str]] = {}
        for unit in self.units:
            name, count = unit.name, 1
            while name in found:  # all lambdas have the same name
                count += 1
                name = f"{unit.name} ({count})"
            found[name] = {
                source.label: sha256(source.digest).hexdigest()[:_DIGEST_CHARS] for source in unit.dependencies
            }
        return found


def deep_fingerprint(value: object, home: str) -> Fingerprint:
    """Compute the fingerprint of a callable or any other value in its current state.  Raises Unfingerprintable.

    `home`: the top-level package whose code is read even if it is installed.
    """
    summary = digest_value(value, home)
    if not summary.references:
        return Fingerprint(summary.digest, ())
    digest = sha256(summary.digest)
    units = []
    for unit, numbers in _walk_references(summary.references):
        units.append(unit)
        digest.update(unit.digest + array("Q", numbers).tobytes())
    return Fingerprint(digest.digest(), tuple(units))


def _walk_references(roots: Sequence[CodeReference]) -> Iterator[tuple[CodeUnit, list[int]]]:
    """Iterate over all units reached, with the numbers of the units each refers to.

    Breadth first, so that the same code always gets the same numbers.
    """
    targets = list(roots)
    numbers = {id(target): k for k, target in enumerate(targets)}
    for target in targets:  # the list grows during the iteration
        unit, references = code_unit(target)
        for further in references:
            if id(further) not in numbers:
                numbers[id(further)] = len(targets)
                targets.append(further)
        yield unit, [numbers[id(further)] for further in references]
