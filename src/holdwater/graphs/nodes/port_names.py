"""The names of a node's ports: those they were made with and those they have now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from holdwater.errors import RenameError
from holdwater.graphs.messages import close_to


class Ports:
    """An ordered set of names, each with the name it began with.  Immutable."""

    __slots__ = ("_history", "_origin", "names", "origins")

    def __init__(
        self, origins: Iterable[str], names: Iterable[str] | None = None, history: tuple[Mapping[str, str], ...] = ()
    ) -> None:
        self.origins = tuple(origins)
        self.names = self.origins if names is None else tuple(names)
        self._history = history
        self._origin = dict(zip(self.names, self.origins))

    def __contains__(self, name: object) -> bool:
        return name in self._origin

    def origin(self, name: str) -> str:
        """The name a port began with.  Raises KeyError for a name that no port has now."""
        return self._origin[name]

    def renamed(self, changes: Mapping[str, str], *, kind: str, owner: str) -> Ports:
        """All changes at once, so that two names can be swapped.  Raises RenameError."""
        for old, new in changes.items():
            if old not in self._origin:
                raise self._unknown(old, kind, owner)
            if not isinstance(new, str) or not new:
                raise RenameError(f"{kind} {old!r} of {owner} cannot be renamed to {new!r}: a name is a non-empty str")
        names = [changes.get(name, name) for name in self.names]
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise RenameError(
                f"after this rename {owner} would have more than one {kind} named {', '.join(map(repr, twice))}",
                hint=f"its {kind}s are now {self.names}",
            )
        return Ports(self.origins, names, (*self._history, dict(changes)))

    def _unknown(self, name: str, kind: str, owner: str) -> RenameError:
        for origin in self.origins:
            chain = self._chain(origin)
            if name in chain:
                return RenameError(
                    f"{owner} has no {kind} {name!r} any more: {' → '.join(chain)}",
                    hint=f"use its present name, {chain[-1]!r}; its {kind}s are now {self.names}",
                )
        return RenameError(
            f"{owner} has no {kind} {name!r}; its {kind}s are {self.names}",
            hint=close_to(name, self.names),
        )

    def _chain(self, origin: str) -> list[str]:
        chain = [origin]
        for changes in self._history:
            if chain[-1] in changes:
                chain.append(changes[chain[-1]])
        return chain
