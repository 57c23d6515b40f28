"""Named values that nobody can change: each reader has copies of its own, made when it first looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn, Protocol

from holdwater.errors import EncodingError, ReadOnlyContext
from holdwater.model import codec
from holdwater.model.values import Stored


class Layer(Protocol):
    """Stored values that stay as they are."""

    def get(self, name: str) -> Stored | None: ...

    def names(self) -> Iterable[str]: ...


class Values(Mapping[str, Any]):
    """A mapping over a layer that many share, with values of its own on top.  What it hands out is its own copy.

    `what` and `instead` are for the message to whoever tries to change it.
    """

    __slots__ = ("_below", "_instead", "_live", "_own", "_what")

    def __init__(self, own: dict[str, Stored], below: Layer | None = None, what: str = "", instead: str = "") -> None:
        self._own, self._below = own, below
        self._what, self._instead = what, instead
        self._live: dict[str, Any] = {}

    def stored(self, name: str) -> Stored | None:
        """The value as it is stored; None if there is none."""
        found = self._own.get(name)
        return self._below.get(name) if found is None and self._below is not None else found

    def all_stored(self) -> dict[str, Stored]:
        """A new dictionary of all values as they are stored."""
        found: dict[str, Stored] = {}
        if self._below is not None:
            for name in self._below.names():
                value = self._below.get(name)
                if value is not None:
                    found[name] = value
        found.update(self._own)
        return found

    def over(self, more: Mapping[str, Stored]) -> Values:
        """These values with others over them.  Costs what was put on the shared layer, not what is in it."""
        return Values({**self._own, **more}, self._below, self._what, self._instead)

    def apart(self) -> Values:
        """The same values for another reader, in O(1)."""
        return Values(self._own, self._below, self._what, self._instead)

    def to_dict(self) -> dict[str, Any]:
        """A new dictionary of new copies."""
        return {name: value.copy() for name, value in self.all_stored().items()}

    copy = to_dict

    def __getitem__(self, name: str) -> Any:
        if name in self._live:
            return self._live[name]
        value = self.stored(name)
        if value is None:
            raise KeyError(name)
        made = self._live[name] = value.copy()
        return made

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.stored(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.all_stored())

    def __len__(self) -> int:
        return len(self.all_stored())

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**self, **other}

    def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**other, **self}

    def __repr__(self) -> str:
        return repr(dict(self))

    def __setitem__(self, name: str, value: Any) -> NoReturn:
        raise ReadOnlyContext(f"{self._what} of a context cannot be changed", hint=self._instead)

    def __delitem__(self, name: str) -> NoReturn:
        raise ReadOnlyContext(f"{self._what} of a context cannot be changed", hint=self._instead)


def stored_all(given: Mapping[str, Any], what: str) -> dict[str, Stored]:
    """These values, encoded.  Raises EncodingError, which names `what` and the key path."""
    if isinstance(given, Values):
        return given.all_stored()
    if not isinstance(given, Mapping):
        raise EncodingError(f"{what} is a mapping, not {type(given).__name__}")
    return {_name(name, what): stored(value, f"{what}[{name!r}]") for name, value in given.items()}


def stored(value: Any, what: str) -> Stored:
    """One value, encoded.  Raises EncodingError, which names `what` and the key path."""
    try:
        return Stored.of(value)
    except EncodingError as error:
        raise EncodingError(f"{what}: {error.message}", path=error.path, hint=error.hint) from error


def _name(name: Any, what: str) -> str:
    if not isinstance(name, str):
        raise EncodingError(f"{what} has the key {name!r}: keys are strings", path=str(name))
    if not codec.is_plain_scalar(name):
        raise EncodingError(
            f"{what} has the key {name!r}, which holds two surrogates, and JSON takes them for one character",
            path=name,
            hint="use a key that is valid Unicode",
        )
    return name
