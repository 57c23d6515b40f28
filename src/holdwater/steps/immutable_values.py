"""Immutable mappings of stored values; each reader gets copies of its own, created on first access."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn, Protocol

from holdwater.errors import EncodingError, ReadOnlyContext
from holdwater.model import codec
from holdwater.model.values import StoredValue


class StoredMap(Protocol):
    """An immutable mapping of stored values."""

    def get(self, name: str) -> StoredValue | None: ...

    def names(self) -> Iterable[str]: ...


class StoredDict:
    """A StoredMap of a dictionary."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, StoredValue]) -> None:
        self._values = values

    def get(self, name: str) -> StoredValue | None:
        """Return the value of a name; None if there is none."""
        return self._values.get(name)

    def names(self) -> Iterable[str]:
        """Return the names."""
        return self._values.keys()


def stored_values(source: StoredMap) -> dict[str, StoredValue]:
    """Return the values of a mapping, by name."""
    found = {name: source.get(name) for name in source.names()}
    return {name: value for name, value in found.items() if value is not None}


class ReadOnlyValues(Mapping[str, Any]):
    """A read-only mapping of copies: values of its own over a shared base.

    `label`, `hint`: for the error of an attempt to change it.
    """

    __slots__ = ("_base", "_hint", "_label", "_live_copies", "_overlay")

    def __init__(
        self, overlay: dict[str, StoredValue], base: StoredMap | None = None, label: str = "", hint: str = ""
    ) -> None:
        self._overlay, self._base = overlay, base
        self._label, self._hint = label, hint
        self._live_copies: dict[str, Any] = {}

    def get_stored(self, name: str) -> StoredValue | None:
        """Return the stored value; None if there is none."""
        found = self._overlay.get(name)
        return self._base.get(name) if found is None and self._base is not None else found

    def stored_values(self) -> dict[str, StoredValue]:
        """Return all stored values."""
        found = {} if self._base is None else stored_values(self._base)
        found.update(self._overlay)
        return found

    def overlaid_with(self, updates: Mapping[str, StoredValue]) -> ReadOnlyValues:
        """Return the mapping with other values on top, in O(values on top of the shared base)."""
        return ReadOnlyValues({**self._overlay, **updates}, self._base, self._label, self._hint)

    def with_own_copies(self) -> ReadOnlyValues:
        """Return the mapping for another reader, in O(1)."""
        return ReadOnlyValues(self._overlay, self._base, self._label, self._hint)

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary of copies."""
        return {name: value.copy() for name, value in self.stored_values().items()}

    copy = to_dict

    def __getitem__(self, name: str) -> Any:
        if name in self._live_copies:
            return self._live_copies[name]
        value = self.get_stored(name)
        if value is None:
            raise KeyError(name)
        made = self._live_copies[name] = value.copy()
        return made

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get_stored(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored_values())

    def __len__(self) -> int:
        return len(self.stored_values())

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**self, **other}

    def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**other, **self}

    def __repr__(self) -> str:
        return repr(dict(self))

    def __setitem__(self, name: str, value: Any) -> NoReturn:
        raise ReadOnlyContext(f"{self._label} of a context cannot be changed", hint=self._hint)

    def __delitem__(self, name: str) -> NoReturn:
        raise ReadOnlyContext(f"{self._label} of a context cannot be changed", hint=self._hint)


def encode_values(values: Mapping[str, Any], label: str) -> dict[str, StoredValue]:
    """Encode values.  `label`: names them in errors.  Raises EncodingError with the key path."""
    if isinstance(values, ReadOnlyValues):
        return values.stored_values()
    if not isinstance(values, Mapping):
        raise EncodingError(f"{label} is a mapping, not {type(values).__name__}")
    return {_check_key(name, label): encode_value(value, f"{label}[{name!r}]") for name, value in values.items()}


def encode_value(value: Any, label: str) -> StoredValue:
    """Encode a value.  `label`: names it in errors.  Raises EncodingError with the key path."""
    try:
        return StoredValue.encode(value)
    except EncodingError as error:
        raise EncodingError(f"{label}: {error.message}", path=error.path, hint=error.hint) from error


def _check_key(name: Any, label: str) -> str:
    if not isinstance(name, str):
        raise EncodingError(f"{label} has the key {name!r}: keys are strings", path=str(name))
    if not codec.is_plain_scalar(name):
        raise EncodingError(
            f"{label} has the key {name!r}, which holds two surrogates, and JSON takes them for one character",
            path=name,
            hint="use a key that is valid Unicode",
        )
    return name
