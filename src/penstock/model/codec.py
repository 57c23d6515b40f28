"""The tagged codec: values as JSON text, exactly.

Plain JSON data stands for itself.  Everything else is an object `{"$t": tag, "v": ...}`: datetime, date, time,
timedelta, Decimal, UUID, bytes, set, frozenset, tuple, Path, complex dictionaries, Enum members, dataclasses and
pydantic models.  Never pickle: decoding imports nothing, calls no constructor of a user's class but a pydantic model's
own validation, and refuses a class this process has not imported.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import marshal
import math
import pathlib
import sys
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from json.encoder import encode_basestring_ascii
from typing import Any, Final, NoReturn
from uuid import UUID

from penstock.model.errors import DecodingError, EncodingError

TAG: Final = "$t"
MAX_DEPTH: Final = 150
"""levels of nesting a value with tags may have: what is written must be readable from a deeper stack than this one"""

_compact: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode
_SCALARS: Final = frozenset({str, int, bool, type(None)})


def encode(value: Any) -> str:
    """The value as one JSON text.  Raises EncodingError, with the key path, if that cannot be exact."""
    kind = type(value)
    if kind in _SCALARS or (kind is float and math.isfinite(value)):
        return _scalar_text(value)
    if kind is dict or kind is list:
        proved = encode_plain(value)
        if proved is not None:
            return proved[0]
    try:
        return _compact(_tagged(value, "", 0))
    except (ValueError, RecursionError) as error:
        if isinstance(error, EncodingError):
            raise
        raise EncodingError(f"cannot store this value: {error}") from error


def decode(text: str) -> Any:
    """The value that `encode` wrote; a fresh object at every call.  Raises DecodingError."""
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DecodingError(f"stored value is not JSON: {error}") from error
    return revive(tree) if f'"{TAG}"' in text else tree


def parse(text: str) -> Any:
    """The tree of JSON from outside, all of whose numbers are finite.  Raises ValueError, TypeError, RecursionError."""
    return json.loads(text, parse_constant=_no_number, parse_float=_finite)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:80]} is larger than any number a float can hold")
    return number


def plain(text: str) -> bool:
    """Whether `encode` wrote this text without tags."""
    return f'"{TAG}"' not in text


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


def _scalar_text(value: Any) -> str:
    if type(value) is str:
        return encode_basestring_ascii(value)
    try:
        return repr(value) if type(value) is int else _compact(value)
    except ValueError as error:  # an int of more digits than Python turns into text
        raise EncodingError(f"cannot store this value: {error}") from error


def encode_plain(value: Any) -> tuple[str, bytes] | None:
    """Text and frozen copy of plain data, proved exact by reading it back; None if the value is not plain."""
    frozen = freeze(value)
    if frozen is None:
        return None
    try:
        text = _compact(value)
    except (TypeError, ValueError, RecursionError):
        return None  # the careful way finds out where
    # Of what marshal and JSON both take, only tuples and keys that are no strings come back as something else, and
    # those are not equal to what they were.  All of it is builtin data: no code of a user runs in the comparison.
    if not plain(text) or json.loads(text) != value:
        return None
    return text, frozen


# -- the careful way: tags


def _tagged(value: Any, path: str, depth: int) -> Any:
    kind = type(value)
    if kind in _SCALARS:
        return value
    if depth > MAX_DEPTH:
        raise EncodingError(
            f"value{_at(path)} is nested more than {MAX_DEPTH} levels deep, or contains itself", path=path
        )
    if kind is float:
        if not math.isfinite(value):
            raise EncodingError(
                f"{value!r}{_at(path)} cannot be stored: JSON has no such number",
                path=path,
                hint="store None, or a string",
            )
        return value
    if kind is list:
        return [_tagged(x, f"{path}[{k}]", depth + 1) for k, x in enumerate(value)]
    if kind is dict:
        if TAG not in value and all(type(k) is str for k in value):
            return {k: _tagged(x, f"{path}.{k}" if path else k, depth + 1) for k, x in value.items()}
        pairs = [
            [_tagged(k, f"{path}.<key>", depth + 1), _tagged(x, f"{path}.{k}", depth + 1)] for k, x in value.items()
        ]
        return {TAG: "dict", "v": pairs}
    write = _WRITERS.get(kind)
    if write is not None:
        return {TAG: write[0], "v": write[1](value)}
    if kind in (tuple, set, frozenset):
        items = [_tagged(x, f"{path}[{k}]", depth + 1) for k, x in enumerate(value)]
        if kind is not tuple:
            items.sort(key=_compact)  # one text for one set
        return {TAG: kind.__name__, "v": items}
    if isinstance(value, Enum):
        return {TAG: "enum", "c": _class_name(kind, path), "v": value.name}
    if isinstance(value, pathlib.PurePath):
        return {TAG: "path", "v": str(value)}
    if dataclasses.is_dataclass(value):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {TAG: "dataclass", "c": _class_name(kind, path), "v": _tagged(fields, path, depth + 1)}
    if hasattr(kind, "model_validate") and hasattr(value, "model_dump"):
        return {TAG: "pydantic", "c": _class_name(kind, path), "v": _tagged(value.model_dump(), path, depth + 1)}
    raise EncodingError(
        f"value{_at(path)} is of type {kind.__module__}.{kind.__qualname__}, which cannot be stored",
        path=path,
        hint="store plain data (str, int, float, bool, None, list, dict), a dataclass, an Enum or a pydantic model",
    )


def _at(path: str) -> str:
    return f" at {path}" if path else ""


def _class_name(cls: type, path: str) -> str:
    if "<locals>" in cls.__qualname__:
        raise EncodingError(
            f"value{_at(path)} is of the local class {cls.__qualname__}, which no other process could find",
            path=path,
            hint="move the class to the top level of a module",
        )
    return f"{cls.__module__}:{cls.__qualname__}"


_WRITERS: Final[dict[type, tuple[str, Callable[[Any], Any]]]] = {
    dt.datetime: ("datetime", lambda v: [v.isoformat(), v.fold] if v.fold else v.isoformat()),
    dt.date: ("date", dt.date.isoformat),
    dt.time: ("time", lambda v: [v.isoformat(), v.fold] if v.fold else v.isoformat()),
    dt.timedelta: ("timedelta", lambda v: [v.days, v.seconds, v.microseconds]),
    Decimal: ("decimal", str),
    UUID: ("uuid", str),
    bytes: ("bytes", bytes.hex),
}


def revive(tree: Any) -> Any:
    """Data with tags, as `json.loads` gives it, turned into the values it stands for."""
    if type(tree) is list:
        return [revive(x) for x in tree]
    if type(tree) is not dict:
        return tree
    tag = tree.get(TAG)
    if tag is None:
        return {k: revive(x) for k, x in tree.items()}
    read = _READERS.get(tag) if type(tag) is str else None
    if read is None:
        raise DecodingError(f"stored value has the unknown tag {tag!r}")
    try:
        return read(tree)
    except DecodingError:
        raise
    except Exception as error:
        raise DecodingError(f"stored {tag} cannot be read: {error}") from error


def _instant(kind: type[dt.datetime] | type[dt.time], tree: dict[str, Any]) -> Any:
    v = tree["v"]
    return kind.fromisoformat(v[0]).replace(fold=v[1]) if isinstance(v, list) else kind.fromisoformat(v)


def _stored_class(tree: dict[str, Any], check: Callable[[Any], bool]) -> Any:
    module, _, name = str(tree["c"]).partition(":")
    found: Any = sys.modules.get(module)
    if found is None:
        raise DecodingError(
            f"stored value is of class {tree['c']}, whose module is not imported here",
            hint=f"import {module} before the run is read",
        )
    for part in name.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or not check(found):
        raise DecodingError(f"stored value is of class {tree['c']}, which is not a class of that kind any more")
    return found


def _dataclass(tree: dict[str, Any]) -> Any:
    cls = _stored_class(tree, dataclasses.is_dataclass)
    made = cls.__new__(cls)
    for name, value in revive(tree["v"]).items():
        object.__setattr__(made, name, value)
    return made


_READERS: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "datetime": lambda t: _instant(dt.datetime, t),
    "date": lambda t: dt.date.fromisoformat(t["v"]),
    "time": lambda t: _instant(dt.time, t),
    "timedelta": lambda t: dt.timedelta(*t["v"]),
    "decimal": lambda t: Decimal(t["v"]),
    "uuid": lambda t: UUID(t["v"]),
    "bytes": lambda t: bytes.fromhex(t["v"]),
    "tuple": lambda t: tuple(revive(t["v"])),
    "set": lambda t: set(revive(t["v"])),
    "frozenset": lambda t: frozenset(revive(t["v"])),
    "dict": lambda t: {k: v for k, v in revive(t["v"])},  # noqa: C416 - pairs are lists, dict() would do as well
    "path": lambda t: pathlib.Path(t["v"]),
    "enum": lambda t: _stored_class(t, lambda c: issubclass(c, Enum))[t["v"]],
    "dataclass": _dataclass,
    "pydantic": lambda t: _stored_class(t, lambda c: hasattr(c, "model_validate")).model_validate(revive(t["v"])),
}
