"""What a callable or a value depends on in code: everything its functions and classes lead to, transitively."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from types import MethodType

from holdwater.fingerprint.deep.packages import top_level_package
from holdwater.fingerprint.deep.units import CodeUnit, code_unit
from holdwater.fingerprint.deep.values import CodeReference, digest_value

_DIGEST_CHARS = 16


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`digest`: 32 bytes that change with anything the thing depends on."""

    digest: bytes
    units: tuple[CodeUnit, ...]

    def dependency_digests(self) -> Mapping[str, Mapping[str, str]]:
        """What was read: by function, class or module, in the order met, the digest of each source.

        A source that is itself code has no digest of its own: it has its place among the units.
        """
        found: dict[str, dict[str, str]] = {}
        for unit in self.units:
            name, count = unit.name, 1
            while name in found:  # lambdas have one name
                count += 1
                name = f"{unit.name} ({count})"
            found[name] = {
                source.label: sha256(source.digest).hexdigest()[:_DIGEST_CHARS] for source in unit.dependencies
            }
        return found


def compute_fingerprint(value: object, home: str) -> Fingerprint:
    """Of a callable or any other value, as it is now.  Raises Unfingerprintable.

    `home`: the top-level package whose code is read even where it is installed.
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


def home_package(function: Callable[..., object]) -> str:
    """The top-level package a callable was written in."""
    inner: object = function
    while isinstance(inner, (partial, MethodType)):
        inner = inner.func if isinstance(inner, partial) else inner.__func__
    return top_level_package(getattr(inner, "__module__", None) or type(inner).__module__)


def _walk_references(roots: Sequence[CodeReference]) -> Iterator[tuple[CodeUnit, list[int]]]:
    """Every unit that is reached, with the numbers of those it refers to; breadth first, so that the same code gives
    the same numbers.
    """
    targets = list(roots)
    numbers = {id(target): k for k, target in enumerate(targets)}
    for target in targets:  # grows while it is walked through
        unit, references = code_unit(target)
        for further in references:
            if id(further) not in numbers:
                numbers[id(further)] = len(targets)
                targets.append(further)
        yield unit, [numbers[id(further)] for further in references]
