"""The context: the data of a workflow as one task reads and changes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NoReturn

from holdwater.errors import ContextTooLarge, DecodingError, EncodingError, KeyExists, KeyMissing
from holdwater.model import codec
from holdwater.model.secret_access import read_secret
from holdwater.model.secrets import DEFAULT_FIELD
from holdwater.model.suggestions import did_you_mean
from holdwater.model.value_types.display import to_display_text
from holdwater.model.values import StoredValue
from holdwater.tasks.layered_map import EMPTY, LayeredMap
from holdwater.tasks.patch import join_json_object

MAX_CONTEXT_BYTES: Final = 256 * 1024 * 1024
MAX_KEYS_FOR_SUGGESTIONS: Final = 50
MAX_HINT_CHARS: Final = 300
MAX_REPR_VALUE_CHARS: Final = 200
"""bound of each value in the repr of a context"""


class Context(Mapping[str, Any]):
    """Named values, `str` -> any value the codec can store.

    Values are copied on the way in and out.  A returned value belongs to this context: changing it in place
    (`context["rows"].append(x)`) changes this context and no other.  Internally a context is a layer over an immutable
    view: creating one is O(1) in the number of keys, and untouched keys are neither copied nor encoded.

    `max_bytes`: limit of the encodings of all values together; a write beyond it raises ContextTooLarge.
    """

    __slots__ = ("_live_copies", "_local_writes", "_max_bytes", "_size_bytes", "_view")

    def __init__(self, data: Mapping[str, Any] | None = None, *, max_bytes: int = MAX_CONTEXT_BYTES) -> None:
        self._view: LayeredMap = EMPTY
        self._local_writes: dict[str, StoredValue | None] = {}  # values written to this context; None: removed
        self._live_copies: dict[str, Any] = {}  # copies handed out, which may have been changed in place
        self._size_bytes = 0
        self._max_bytes = max_bytes
        if isinstance(data, Context):
            for key, value in data.stored_values().items():
                self._store(key, value)
        elif data is not None:
            self.update_from_dict(data)

    @classmethod
    def from_view(cls, view: LayeredMap, *, max_bytes: int = MAX_CONTEXT_BYTES) -> Context:
        """Create a context over a view, in O(1)."""
        made = cls(max_bytes=max_bytes)
        made._view = view
        made._size_bytes = view.size_bytes
        return made

    @classmethod
    def from_stored(cls, values: Mapping[str, StoredValue]) -> Context:
        """Create a context of encoded values."""
        return cls.from_view(LayeredMap.from_values(values))

    def secret(self, name: str, field: str = DEFAULT_FIELD) -> str:
        """Return the text of a secret, for the task function that is running; it becomes no part of the context.

        Raises SecretNotFound, SecretNotAllowed, SecretsUnavailable, StoreUnavailable, as `TaskHandle.secret`;
        WorkflowError outside of a task function.
        """
        return read_secret(name, field)

    # -- one key

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or `default` if it is missing."""
        name = _check_key(key)
        live = self._live_copies.get(name)
        if live is not None:
            return live
        stored = self._get_stored(name)
        return default if stored is None else self._copy_out(name, stored)

    def set(self, key: str, value: Any) -> None:
        """Insert or overwrite a key.  Raises EncodingError (also a TypeError and ValueError), ContextTooLarge."""
        name = _check_key(key)
        if name in self._live_copies and self._live_copies[name] is value:
            return  # the value was changed in place; `_capture_mutations` encodes it
        old = self._get_stored(name)
        # Writing an unchanged value back is common, and comparing is several times cheaper than encoding.
        self._store(name, old if old is not None and old.is_known_unchanged(value) else _encode_value(name, value))

    def insert(self, key: str, value: Any) -> None:
        """Set a new key.  Raises KeyExists, EncodingError, ContextTooLarge."""
        if _check_key(key) in self:
            raise KeyExists(f"the context has the key {key!r} already", hint="use set() to overwrite it")
        self.set(key, value)

    def update(self, key: str, value: Any) -> None:
        """Overwrite an existing key.  Raises KeyMissing, EncodingError, ContextTooLarge.

        For many keys at once see `update_from_dict`.
        """
        if _check_key(key) not in self:
            self._raise_missing(key)
        self.set(key, value)

    def remove(self, key: str) -> Any:
        """Remove a key; returns its value, None if it was missing."""
        if self._get_stored(_check_key(key)) is None:
            return None
        value = self[key]
        del self[key]
        return value

    # -- the whole

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary of copies of all values."""
        return {key: value.copy() for key, value in self.stored_values().items()}

    def update_from_dict(self, data: Mapping[str, Any]) -> None:
        """Set all these keys, or none if one of them raises EncodingError or ContextTooLarge."""
        if isinstance(data, Context):
            values = data.stored_values()
        elif isinstance(data, Mapping):
            values = {}
            for key, value in data.items():
                name = _check_key(key)
                values[name] = _encode_value(name, value)
        else:
            raise EncodingError(f"a context is made of a mapping, not of {type(data).__name__}")
        for name, stored in values.items():
            self._store(name, stored)

    def to_json(self) -> str:
        """Encode as a JSON object, which `from_json` decodes."""
        return join_json_object(self.stored_values().items())

    @staticmethod
    def from_json(text: str) -> Context:
        """Decode a JSON object.  Raises DecodingError (a ValueError) for any other text."""
        try:
            tree = codec.parse_finite_json(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise DecodingError(f"not the JSON of a context: {error}") from error
        if not isinstance(tree, dict):
            raise DecodingError(f"the JSON of a context is an object, not {type(tree).__name__}")
        if not codec.is_plain(text):
            _check_tags(tree)
        made = Context()
        for key, value in tree.items():
            made._store(key, StoredValue.from_tree(value))
        return made

    def copy(self) -> Context:
        """Return an independent context with the same values."""
        self._capture_mutations()
        made = Context.from_view(self._view, max_bytes=self._max_bytes)
        made._local_writes = dict(self._local_writes)
        made._size_bytes = self._size_bytes
        return made

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Context:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return Context.from_json, (self.to_json(),)

    # -- mapping

    def __getitem__(self, key: str) -> Any:
        name = _check_key(key)
        live = self._live_copies.get(name)
        if live is not None:
            return live
        stored = self._get_stored(name)
        if stored is None:
            self._raise_missing(key)
        return self._copy_out(name, stored)

    def __setitem__(self, key: str, value: Any) -> None:
        self.set(key, value)

    def __delitem__(self, key: str) -> None:
        name = _check_key(key)
        old = self._get_stored(name)
        if old is None:
            self._raise_missing(key)
        self._size_bytes -= len(name) + old.size_bytes
        self._local_writes[name] = None
        self._live_copies.pop(name, None)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._get_stored(key) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys())

    def __len__(self) -> int:
        count = self._view.count
        for key, value in self._local_writes.items():
            count += (value is not None) - (self._view.get_stored(key) is not None)
        return count

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Context):
            return self.to_dict() == other.to_dict()
        if isinstance(other, Mapping):
            return self.to_dict() == dict(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(
            [
                f"{key!r}: {to_display_text(value.tree, MAX_REPR_VALUE_CHARS)}"
                for key, value in self.stored_values().items()
            ]
        )
        return f"Context({{{shown}}})"

    # -- for the engine

    def stored_values(self) -> dict[str, StoredValue]:
        """Return all values, encoded.  Raises EncodingError for a value changed in place that cannot be encoded."""
        self._capture_mutations()
        out: dict[str, StoredValue] = {}
        for name in self._keys():
            value = self._get_stored(name)
            if value is not None:
                out[name] = value
        return out

    def delta(self) -> tuple[dict[str, StoredValue], list[str]]:
        """Return the changes against the underlying view: values set, keys removed.  O(touched keys).

        The context must not be used afterwards: its copies are passed on to the next reader of the values.
        Raises EncodingError, ContextTooLarge for a value changed in place.
        """
        self._capture_mutations()
        for name, value in self._live_copies.items():
            stored = self._get_stored(name)
            if stored is not None:
                stored.recycle_copy(value)
        self._live_copies = {}
        changed: dict[str, StoredValue] = {}
        removed: list[str] = []
        for key, value in self._local_writes.items():
            old = self._view.get_stored(key)
            if value is None:
                if old is not None:
                    removed.append(key)
            elif old is None or value != old:
                changed[key] = value
        return changed, removed

    def delta_to(self, other: Context) -> tuple[dict[str, StoredValue], list[str]]:
        """Return the changes that turn the underlying view into the contents of another context."""
        if other._view is self._view:
            return other.delta()
        target = other.stored_values()
        changed: dict[str, StoredValue] = {}
        for key, value in target.items():
            old = self._view.get_stored(key)
            if old is None or value != old:
                changed[key] = value
        return changed, [key for key, _ in self._view.items() if key not in target]

    def apply_delta(self, changed: Mapping[str, StoredValue], removed: Iterable[str]) -> None:
        """Apply changes: set and remove keys."""
        for key, value in changed.items():
            self._store(key, value)
        for key in removed:
            if key in self:
                del self[key]

    # -- inside

    def _keys(self) -> list[str]:
        own = self._local_writes
        if self._view is EMPTY:
            return [key for key, value in own.items() if value is not None]
        names = [key for key, _ in self._view.items() if own.get(key, key) is not None]
        names += [key for key, value in own.items() if value is not None and self._view.get_stored(key) is None]
        return names

    def _get_stored(self, name: str) -> StoredValue | None:
        if name in self._local_writes:
            return self._local_writes[name]
        return self._view.get_stored(name)

    def _store(self, name: str, value: StoredValue) -> None:
        old = self._get_stored(name)
        size = self._size_bytes + value.size_bytes
        size += len(name) if old is None else -old.size_bytes
        if size > self._max_bytes:
            raise ContextTooLarge(
                f"context key {name!r} of {value.size_bytes:,} bytes makes the context {size:,} bytes large; "
                f"at most {self._max_bytes:,} are allowed",
                hint="keep large data in a file or a table and put its address into the context",
            )
        self._size_bytes = size
        self._local_writes[name] = value
        self._live_copies.pop(name, None)

    def _capture_mutations(self) -> None:
        """Encode the values that were changed in place."""
        for name, value in list(self._live_copies.items()):
            stored = self._get_stored(name)
            if stored is not None and not _is_unchanged(name, stored, value):
                self._store(name, _encode_value(name, value))
                self._live_copies[name] = value  # the caller may still hold it

    def _copy_out(self, name: str, stored: StoredValue) -> Any:
        """Copy a value for the caller; the copy is remembered if it can be changed in place."""
        value = stored.copy()
        if not stored.is_scalar:
            self._live_copies[name] = value
        return value

    def _raise_missing(self, key: str) -> NoReturn:
        raise KeyMissing(f"the context has no key {key!r}", hint=self._suggest_key(key))

    def _suggest_key(self, key: str) -> str:
        """Return a hint for a missing key; empty for a large context, where the search would take too long."""
        if self._view.count + len(self._local_writes) > MAX_KEYS_FOR_SUGGESTIONS:
            return ""
        names = self._keys()
        if close := did_you_mean(key, names):
            return close
        return f"it has {', '.join(map(repr, names))}"[:MAX_HINT_CHARS] if names else "it is empty"


def _check_key(key: object) -> str:
    if isinstance(key, str):
        name = key if type(key) is str else str.__str__(key)
        if name.isascii() or codec.is_plain_scalar(name):
            return name
        raise EncodingError(
            f"the context key {name!r} holds two surrogates, which JSON takes for one character",
            path=name,
            hint="use a key that is valid Unicode",
        )
    raise EncodingError(f"keys of a context are strings, not {type(key).__name__}: {key!r}")


def _encode_value(name: str, value: Any) -> StoredValue:
    try:
        return StoredValue.encode(value)
    except EncodingError as error:
        raise _with_key_path(name, error) from error


def _is_unchanged(name: str, stored: StoredValue, value: Any) -> bool:
    try:
        return stored.is_unchanged(value)
    except EncodingError as error:
        raise _with_key_path(name, error) from error


def _with_key_path(name: str, error: EncodingError) -> EncodingError:
    inner = error.path
    path = name + (inner if not inner or inner.startswith("[") else f".{inner}")
    said = error.message.replace(
        codec.describe_location(inner), codec.describe_location(""), 1
    )  # the full path is prefixed instead
    return EncodingError(f"context key {codec.shorten_path(path)!r}: {said}", path=path, hint=error.hint)


def _check_tags(tree: dict[str, Any]) -> None:
    """Check that all tagged values can be decoded now, not at a later access.  Raises DecodingError."""
    try:
        codec.revive(list(tree.values()))
    except RecursionError as error:
        raise DecodingError("the JSON of a context is nested too deeply") from error
