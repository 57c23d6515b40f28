"""A stored value: immutable, encoded once, decoded once per private copy."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, Final

from holdwater.model import codec

MIN_REUSED_BYTES: Final = 64 * 1024
_UNKNOWN: Final[Any] = object()
_SCALAR_TYPES: Final = frozenset({str, int, bool, type(None), float})


class StoredValue:
    """One value as the store has it.  It is never shared: `copy()` returns a private one to each reader.

    Equality is that of the encoding: exact, and no code of a user runs in it.
    """

    __slots__ = ("_frozen", "_reusable_copies", "_scalar", "_text", "_tree")

    def __init__(self, *, text: Any = None, tree: Any = _UNKNOWN, frozen: bytes | None = None) -> None:
        self._text: str | None = text
        self._tree = tree
        self._frozen = frozen
        self._scalar = _UNKNOWN
        self._reusable_copies: list[Any] = []

    @classmethod
    def encode(cls, value: Any) -> StoredValue:
        """Encode a value.  Raises EncodingError if it cannot be stored exactly."""
        kind = type(value)
        if kind in _SCALAR_TYPES and codec.is_plain_scalar(value):
            made = cls()
            made._scalar = value
            return made
        proved = codec.encode_plain(value) if kind is dict or kind is list else None
        if proved is not None:
            return cls(text=proved[0], frozen=proved[1])
        if kind is StoredValue:  # of inputs that come encoded
            return value  # type: ignore[no-any-return]
        return cls(text=codec.encode_tagged(value))

    @classmethod
    def from_tree(cls, tree: Any) -> StoredValue:
        """Create it from parsed JSON with tags.  Nothing is decoded before the first copy."""
        made = cls(tree=tree)
        if type(tree) in _SCALAR_TYPES:
            made._scalar = tree
        return made

    @property
    def text(self) -> str:
        """The encoding."""
        if self._text is None:
            self._text = (
                codec.encode(self._scalar) if self._scalar is not _UNKNOWN else codec.to_compact_json(self._tree)
            )
        return self._text

    @property
    def tree(self) -> Any:
        """Data with tags, as the journal holds it."""
        if self._tree is _UNKNOWN:
            return self._scalar if self._scalar is not _UNKNOWN else json.loads(self.text)
        return self._tree

    @property
    def size_bytes(self) -> int:
        """Size of the encoding in bytes; a bound from below for what is not encoded yet."""
        if self._text is not None:
            return len(self._text)
        return len(self._scalar) if type(self._scalar) is str else 8

    @property
    def is_scalar(self) -> bool:
        """An immutable value that needs no copy."""
        return self._scalar is not _UNKNOWN

    @property
    def is_plain_object(self) -> bool:
        """A dict whose keys are strings."""
        tree = self.tree
        return type(tree) is dict and codec.TAG not in tree

    def copy(self) -> Any:
        """The value, private to the caller.  Raises DecodingError."""
        if self._scalar is not _UNKNOWN:
            return self._scalar
        if self._reusable_copies:
            try:
                return self._reusable_copies.pop()
            except IndexError:  # another reader was faster
                pass
        if self._frozen is not None:
            return codec.thaw(self._frozen)
        value = codec.decode(self.text)
        if codec.is_plain(self.text):
            self._frozen = codec.freeze(value)
            self._tree = _UNKNOWN
        return value

    def copy_builtins(self) -> Any:
        """The value as far as it is of builtin types; an object that equals nothing in the place of any other."""
        return self._scalar if self._scalar is not _UNKNOWN else codec.revive_builtins(self.tree)

    def is_unchanged(self, value: Any) -> bool:
        """Return True if this private copy still encodes to the same.  Cheaper than encoding it."""
        if self._scalar is not _UNKNOWN:
            return _is_same_scalar(value, self._scalar)
        if self._frozen is not None:
            return codec.freeze(value) == self._frozen
        if codec.is_plain(self.text):
            self._frozen = codec.freeze(codec.decode(self.text))
            return codec.freeze(value) == self._frozen
        return codec.encode_tagged(value, verify=False) == self.text  # the text is proved already

    def recycle_copy(self, value: Any) -> None:
        """Reuse a private copy, proved unchanged, for the next reader.  Its holder must be done with it.

        Only for large values, where copying costs: a body that keeps a reference beyond its end shares it.
        """
        if not self._reusable_copies and self._frozen is not None and len(self._frozen) >= MIN_REUSED_BYTES:
            self._reusable_copies.append(value)

    def is_known_unchanged(self, value: Any) -> bool:
        """Return True if `value` is known to encode to the same, without encoding it; False may mean "not known"."""
        return self._frozen is not None and codec.freeze(value) == self._frozen

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StoredValue):
            return NotImplemented
        if self is other:
            return True
        if self._scalar is not _UNKNOWN or other._scalar is not _UNKNOWN:
            return _is_same_scalar(self._scalar, other._scalar)
        if self._frozen is not None and other._frozen is not None:
            return self._frozen == other._frozen
        return self.text == other.text

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Stored({self.text[:60]})"


def stored_list(values: Iterable[StoredValue]) -> StoredValue:
    """Build the list of these values, without decoding them."""
    return StoredValue(text="[" + ",".join([value.text for value in values]) + "]")


def _is_same_scalar(a: Any, b: Any) -> bool:
    if type(a) is not type(b) or bool(a != b):
        return False
    return type(a) is not float or math.copysign(1.0, a) == math.copysign(1.0, b)  # 0.0 and -0.0 are two texts
