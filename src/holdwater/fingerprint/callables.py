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

_ATOMIC_TYPES: Final = (type(None), bool, int, float, complex, str, bytes, bytearray, type(...))


def fingerprint_callable(func: Callable[..., Any]) -> str:
    """64 hex digits over the code of a callable and the state it carries.

    An object says what it is by `cache_key()`; otherwise it is what it would be pickled as.  Raises SignatureError (a
    TypeError) for state that cannot be known, such as a lock.
    """
    return combine_fingerprints(*_iter_tokens(func))


def combine_fingerprints(*parts: object) -> str:
    """64 hex digits over fingerprints, names and flags."""
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _iter_tokens(value: object) -> Iterable[str]:
    """Tokens, parents before their parts; without recursion, since state may be deep and may refer to itself."""
    seen: dict[int, tuple[int, object]] = {}  # holds what it has seen, so that no id comes twice
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, _ATOMIC_TYPES):
            yield f"{type(value).__name__} {value!r}"
            continue
        if id(value) in seen:
            yield f"again {seen[id(value)][0]}"
            continue
        seen[id(value)] = len(seen), value
        token, parts = _decompose(value)
        yield token
        stack += reversed(parts)


def _decompose(value: Any) -> tuple[str, list[Any]]:
    """What kind of thing it is, and what it consists of."""
    kind = _qualified_name(type(value))
    if isinstance(value, FunctionType):
        code = value.__code__
        # several lambdas may stand in one line
        return text_of(code) if value.__name__ != "<lambda>" else text_of(code) + instructions_of(code), []
    if isinstance(value, (type, BuiltinFunctionType, ModuleType)):
        return _qualified_name(value), []
    if isinstance(value, MethodType):
        return kind, [value.__func__, value.__self__]
    if isinstance(value, partial):
        return kind, [value.func, value.args, value.keywords]
    if isinstance(value, (list, tuple)):
        return f"{kind} {len(value)}", list(value)
    if isinstance(value, dict):
        keys = sorted(value, key=_sort_key)
        return f"{kind} {len(value)}", [part for key in keys for part in (key, value[key])]
    if isinstance(value, (set, frozenset)):
        return f"{kind} {len(value)}", sorted(value, key=_sort_key)
    call = [type(value).__call__] if callable(value) and isinstance(type(value).__call__, FunctionType) else []
    if callable(getattr(value, "cache_key", None)):
        return kind, [*call, value.cache_key()]
    return kind, [*call, *_pickle_state(value)]


def _pickle_state(value: Any) -> list[Any]:
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
    return [_qualified_name(make), arguments, *[list(part) if isinstance(part, Iterator) else part for part in rest]]


def _sort_key(value: object) -> tuple[str, str]:
    return _qualified_name(type(value)), combine_fingerprints(*_iter_tokens(value))


def _qualified_name(value: Any) -> str:
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", type(value).__qualname__)
    return f"{getattr(value, '__module__', None)}.{name}"
