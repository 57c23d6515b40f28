"""Names of ports: the original and the current name of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from holdwater.errors import RenameError
from holdwater.model.suggestions import did_you_mean


class Ports:
    """An immutable, ordered set of current names, each with its original name."""

    __slots__ = ("_original_by_name", "_rename_history", "names", "original_names")

    def __init__(
        self,
        original_names: Iterable[str],
        names: Iterable[str] | None = None,
        rename_history: tuple[Mapping[str, str], ...] = (),
    ) -> None:
        self.original_names = tuple(original_names)
        self.names = self.original_names if names is None else tuple(names)
        self._rename_history = rename_history
        self._original_by_name = dict(zip(self.names, self.original_names))

    def __contains__(self, name: object) -> bool:
        return name in self._original_by_name

    def original_name(self, name: str) -> str:
        """Return the original name of a port.  Raises KeyError for an unknown current name."""
        return self._original_by_name[name]

    def rename(self, changes: Mapping[str, str], *, kind: str, owner: str) -> Ports:
        """Rename ports simultaneously, so that two names can be swapped.  Raises RenameError."""
        for old, new in changes.items():
            if old not in self._original_by_name:
                raise self._unknown_port_error(old, kind, owner)
            if not isinstance(new, str) or not new:
                raise RenameError(f"{kind} {old!r} of {owner} cannot be renamed to {new!r}: a name is a non-empty str")
        names = [changes.get(name, name) for name in self.names]
        if len(set(names)) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise RenameError(
                f"after this rename {owner} would have more than one {kind} named {', '.join(map(repr, twice))}",
                hint=f"its {kind}s are now {self.names}",
            )
        return Ports(self.original_names, names, (*self._rename_history, dict(changes)))

    def _unknown_port_error(self, name: str, kind: str, owner: str) -> RenameError:
        for origin in self.original_names:
            chain = self._rename_chain(origin)
            if name in chain:
                return RenameError(
                    f"{owner} has no {kind} {name!r} any more: {' → '.join(chain)}",
                    hint=f"use its present name, {chain[-1]!r}; its {kind}s are now {self.names}",
                )
        return RenameError(
            f"{owner} has no {kind} {name!r}; its {kind}s are {self.names}",
            hint=did_you_mean(name, self.names),
        )

    def _rename_chain(self, original: str) -> list[str]:
        chain = [original]
        for changes in self._rename_history:
            if chain[-1] in changes:
                chain.append(changes[chain[-1]])
        return chain
