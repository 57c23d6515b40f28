"""The codec: values as JSON text, exactly.

Plain JSON data stands for itself.  Everything else is an object `{"$t": tag, ...}`, written and read by the modules of
`holdwater.model.value_types`, which are imported when there is the first such value.  Never pickle: reading imports no
module that stored data names, calls no constructor of a user's class, and refuses a class this process has not
imported.
"""

from __future__ import annotations

import json
import marshal
import math
import sys
import threading
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from typing import Any, Final, NoReturn

from holdwater.errors import DecodingError, EncodingError
from holdwater.model.error_report import describe_error
from holdwater.model.value_types.tag import INT_PLAIN_BITS, MAX_DEPTH, TAG, NotStorable

__all__ = [
    "MAX_DEPTH",
    "TAG",
    "decode",
    "encode",
    "encode_plain",
    "encode_tagged",
    "freeze",
    "is_plain",
    "is_plain_scalar",
    "parse_finite_json",
    "referenced_types",
    "revive",
    "revive_builtins",
    "thaw",
]

to_compact_json: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode
_SCALAR_TYPES: Final = frozenset({str, int, bool, type(None), float})
MAX_PATH_CHARS: Final = 120
"""of a key path in a message"""


def encode(value: Any) -> str:
    """The value as one JSON text.  Raises EncodingError, with the key path, if that cannot be exact."""
    kind = type(value)
    if kind in _SCALAR_TYPES and is_plain_scalar(value):
        return _encode_scalar(value)
    if kind is dict or kind is list:
        proved = encode_plain(value)
        if proved is not None:
            return proved[0]
    return encode_tagged(value)


def is_plain_scalar(value: Any) -> bool:
    """Return True for a str, int, float, bool or None that every process reads from JSON as the same."""
    kind = type(value)
    if kind is str:
        return value.isascii() or _is_portable_text(value)
    if kind is int:
        return bool(value.bit_length() <= INT_PLAIN_BITS)
    return kind is not float or math.isfinite(value)


def _is_portable_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        from holdwater.model.value_types.scalars import text_tree

        return type(text_tree(text)) is str
    return True


def decode(text: str) -> Any:
    """The value that `encode` wrote; a fresh object at every call.  Raises DecodingError."""
    try:
        return _decode(text)
    except RecursionError:
        return _decode_in_thread(text)


def _decode(text: str) -> Any:
    try:
        tree = json.loads(text)
    except ValueError as error:
        raise DecodingError(f"stored value is not JSON: {error}") from error
    return revive(tree) if f'"{TAG}"' in text else tree


def parse_finite_json(text: str) -> Any:
    """The tree of JSON from outside, all of whose numbers are finite.  Raises ValueError, TypeError, RecursionError."""
    return json.loads(text, parse_constant=_reject_constant, parse_float=_parse_finite_float)


def _reject_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _parse_finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:80]} is larger than any number a float can hold")
    return number


def _decode_in_thread(text: str) -> Any:
    """Read in a thread of its own: what one could write, every other can read, however deep its own calls are."""
    made: list[Any] = []

    def read() -> None:
        try:
            made.append(_decode(text))
        except RecursionError as error:
            made.append(DecodingError(f"stored value is nested too deeply: {error}"))
        except DecodingError as error:
            made.append(error)

    reader = threading.Thread(target=read, name="holdwater-decode")
    reader.start()
    reader.join()
    if isinstance(made[0], DecodingError):
        raise made[0]
    return made[0]


def revive(tree: Any) -> Any:
    """Data with tags, as `json.start_loads` gives it, turned into the values it stands for.  Raises DecodingError."""
    from holdwater.model.value_types import reader

    return reader.revive(tree)


def revive_builtins(tree: Any) -> Any:
    """The same without classes, for values of code that is not trusted; see `value_types.reader`."""
    from holdwater.model.value_types import reader

    return reader.revive_builtins(tree)


def is_plain(text: str) -> bool:
    """Return True if `encode` wrote this text without tags."""
    return f'"{TAG}"' not in text


def referenced_types(text: str) -> tuple[list[str], list[str]]:
    """The names of the classes, and of the registered types, whose values are in a text that `encode` wrote."""
    classes: dict[str, None] = {}
    types: dict[str, None] = {}

    def look(tree: dict[str, Any]) -> dict[str, Any]:
        if TAG in tree:
            if type(tree.get("c")) is str:
                classes[tree["c"]] = None
            if tree[TAG] == "type":
                types[tree["n"]] = None
        return tree

    if not is_plain(text):
        json.loads(text, object_hook=look)
    return list(classes), list(types)


def freeze(value: Any) -> bytes | None:
    """A private, comparable copy of plain data, None if the value is not plain.

    Exact where equality is not: 1, 1.0 and True differ, and so do a list and a tuple.  For this process only; never
    stored.  `thaw` gives a fresh copy back, several times faster than JSON.
    """
    try:
        return marshal.dumps(value, 2)  # version 2: no references, so equal data gives equal bytes
    except ValueError:
        return None


thaw: Final[Callable[[bytes], Any]] = marshal.loads


def _encode_scalar(value: Any) -> str:
    if type(value) is str:
        return encode_basestring_ascii(value)
    return repr(value) if type(value) is int else to_compact_json(value)


def encode_plain(value: Any) -> tuple[str, bytes] | None:
    """Text and frozen copy of plain data, proved exact by reading it back; None if the value is not plain."""
    frozen = freeze(value)
    if frozen is None:
        return None
    try:
        text = to_compact_json(value)
    except (TypeError, ValueError, RecursionError):
        return None  # the careful way finds out where
    if not is_plain(text):
        return None
    # Of what marshal and JSON both take, only tuples and keys that are no strings come back as something else, and
    # those are not equal to what they were.  All of it is builtin data: no code of a user runs in the comparison.
    again = json.loads(text)
    if again != value:
        return None
    # But for numpy's float64 and str_, which are floats and strings to JSON, bytes to marshal, and equal to both.
    if "numpy" in sys.modules and freeze(again) != frozen:
        return None
    return text, frozen


# -- the careful way: tags


def encode_tagged(value: Any, *, verify: bool = True) -> str:
    """The text of a value of any kind.  Raises EncodingError.

    `verify`: what depends on the code of others (registered types, numpy and pandas, classes that are hashed) is read
    back once, and must be written the same again.
    """
    from holdwater.model.value_types.writer import TreeWriter

    writer = TreeWriter()
    try:
        text = to_compact_json(writer.write(value))
    except NotStorable as refused:
        raise _encoding_error(refused.path, refused.reason, refused.hint) from refused.__cause__
    except EncodingError:
        raise
    except RecursionError as error:
        raise _encoding_error("", "is nested too deeply to be stored from here") from error
    except Exception as error:  # code of a user's class runs: `__hash__` of keys, properties
        raise EncodingError(f"cannot store this value: {describe_error(error)}") from error
    if verify and writer.needs_verification:
        _verify_round_trip(text)
    return text


def _verify_round_trip(text: str) -> None:
    """Raises EncodingError unless the text is read as what is written the same."""
    try:
        again = encode_tagged(decode(text), verify=False)
    except DecodingError as error:
        raise EncodingError(
            f"value cannot be stored, for it could not be read back: {error.message}",
            hint=error.hint
            or "convert it to plain data first; if it is of a registered type, mend its encode or decode",
        ) from error
    if again != text:
        path = _first_difference(json.loads(text), json.loads(again))
        raise _encoding_error(
            path,
            "cannot be stored, for it comes back as another value",
            "convert it to plain data first; if it is of a registered type, mend its encode or decode",
        )


def _first_difference(a: Any, b: Any) -> str:
    """Find the first place at which two trees differ, as a path in the tree."""
    path = ""
    while type(a) is type(b):
        if type(a) is dict and a.keys() == b.keys():
            key = next((key for key in a if a[key] != b[key]), None)
            step = key if not path else f".{key}"
        elif type(a) is list and len(a) == len(b):
            key = next((k for k, x in enumerate(a) if x != b[k]), None)
            step = f"[{key}]"
        else:
            break
        if key is None:
            break
        if type(a) is not dict or TAG not in a:
            path += str(step)
        a, b = a[key], b[key]
    return path


def _encoding_error(path: str, reason: str, hint: str = "") -> EncodingError:
    return EncodingError(f"{describe_location(path)} {reason}", path=path, hint=hint)


def describe_location(path: str) -> str:
    """The beginning of an EncodingError's message: the value, and where it is inside the one that was given."""
    return f"value at {shorten_path(path)}" if path else "value"


def shorten_path(path: str) -> str:
    """A path as messages show it, without the middle of a long one (of a value that contains itself, for instance)."""
    return path if len(path) <= MAX_PATH_CHARS else f"{path[: MAX_PATH_CHARS // 2]}...{path[-MAX_PATH_CHARS // 2 :]}"
