"""Fingerprints of callables: their code, and the state that is bound to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final

from holdwater.errors import SignatureError
from holdwater.fingerprint.shallow import instructions_of, text_of

_ATOMS: Final = (type(None), bool, int, float, complex, str, bytes, bytearray, type(...))


def fingerprint(func: Callable[..., Any]) -> str:
    """64 hex digits over the code of a callable and the state it carries.

    An object says what it is by `cache_key()`; otherwise it is what it would be pickled as.  Raises SignatureError (a
    TypeError) for state that cannot be known, such as a lock.
    """
    return combined(*_described(func))


def combined(*parts: object) -> str:
    """64 hex digits over fingerprints, names and flags."""
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _described(value: object) -> Iterable[str]:
    """Tokens, parents before their parts; without recursion, since state may be deep and may refer to itself."""
    seen: dict[int, tuple[int, object]] = {}  # holds what it has seen, so that no id comes twice
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, _ATOMS):
            yield f"{type(value).__name__} {value!r}"
            continue
        if id(value) in seen:
            yield f"again {seen[id(value)][0]}"
            continue
        seen[id(value)] = len(seen), value
        token, parts = _taken_apart(value)
        yield token
        stack += reversed(parts)


def _taken_apart(value: Any) -> tuple[str, list[Any]]:
    """What kind of thing it is, and what it consists of."""
    kind = _full_name(type(value))
    if isinstance(value, FunctionType):
        code = value.__code__
        # several lambdas may stand in one line
        return text_of(code) if value.__name__ != "<lambda>" else text_of(code) + instructions_of(code), []
    if isinstance(value, (type, BuiltinFunctionType, ModuleType)):
        return _full_name(value), []
    if isinstance(value, MethodType):
        return kind, [value.__func__, value.__self__]
    if isinstance(value, partial):
        return kind, [value.func, value.args, value.keywords]
    if isinstance(value, (list, tuple)):
        return f"{kind} {len(value)}", list(value)
    if isinstance(value, dict):
        keys = sorted(value, key=_order)
        return f"{kind} {len(value)}", [part for key in keys for part in (key, value[key])]
    if isinstance(value, (set, frozenset)):
        return f"{kind} {len(value)}", sorted(value, key=_order)
    call = [type(value).__call__] if callable(value) and isinstance(type(value).__call__, FunctionType) else []
    if callable(getattr(value, "cache_key", None)):
        return kind, [*call, value.cache_key()]
    return kind, [*call, *_state(value)]


def _state(value: Any) -> list[Any]:
    try:
        reduced: str | tuple[Any, ...] = value.__reduce_ex__(4)
    except Exception as error:
        raise SignatureError(
            f"the state of a {type(value).__qualname__} cannot be fingerprinted ({error})",
            hint="define cache_key() on the object whose method is the node, and return what its results depend on",
        ) from error
    if isinstance(reduced, str):
        return [reduced]
    make, arguments, *rest = reduced
    return [_full_name(make), arguments, *[list(part) if isinstance(part, Iterator) else part for part in rest]]


def _order(value: object) -> tuple[str, str]:
    return _full_name(type(value)), combined(*_described(value))


def _full_name(value: Any) -> str:
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", type(value).__qualname__)
    return f"{getattr(value, '__module__', None)}.{name}"
