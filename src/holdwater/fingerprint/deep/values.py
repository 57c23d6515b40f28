"""Values as digests: equal values have one, in every process; 1, True and 1.0 have three.

A digest is made from the leaves upwards, so that neither the sharing of objects counts nor the order of sets and dicts
(of an OrderedDict it does).  What is neither plain data nor an array or a frame is taken apart as pickle would do it.
Code is not looked into: functions, classes and modules are *references*, numbered as they are met, to be followed by
others.
"""

from __future__ import annotations

import copyreg
import functools
import marshal
import math
import struct
import typing
from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import sha256
from operator import itemgetter
from types import BuiltinFunctionType, CellType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from holdwater.fingerprint.deep.arrays import parts_of_table
from holdwater.fingerprint.deep.errors import Unfingerprintable
from holdwater.fingerprint.deep.packages import release_of, top_of

Reference: TypeAlias = FunctionType | type | ModuleType
Order: TypeAlias = Literal["listed", "sorted", "paired"]

_FLAT: Final = frozenset({int, float, bool, str, bytes, type(None)})
_NAMES: Final = frozenset({str})
_MEMOISED: Final = type(functools.cache(len))
_SHORT_BYTES: Final = 64
_REVISITS: Final = 100_000
"""how often parts of a value that contains itself may be walked through again"""


class Summary(NamedTuple):
    """A value without its code: the digest, and the code it refers to in the order the digest numbers it."""

    digest: bytes
    references: tuple[Reference, ...]


def summarise(value: object, home: str) -> Summary:
    """Raises Unfingerprintable.  `home`: the top-level package of the reader."""
    walk = _Walk(home)
    return Summary(walk.digest(value), tuple(walk.references))


class _Frame:
    """A value whose parts are being walked through."""

    __slots__ = ("children", "key", "lowest", "order", "results", "tag", "value")

    def __init__(self, value: object, tag: bytes, children: Iterable[object], order: Order) -> None:
        self.value, self.tag, self.order = value, tag, order
        self.key = id(value)
        self.children = iter(children)
        self.results: list[bytes] = []
        self.lowest = 1 << 60
        """the least depth a part of it refers back to"""

    def digest(self) -> bytes:
        parts = self.results
        if self.order == "sorted":
            parts = sorted(parts)
        elif self.order == "paired":
            parts = sorted([parts[k] + parts[k + 1] for k in range(0, len(parts), 2)])
        return b"#" + sha256(self.tag + b"".join(parts)).digest()


class _Walk:
    def __init__(self, home: str) -> None:
        self.home = home
        self.references: list[Reference] = []
        self._numbers: dict[int, int] = {}
        self._done: dict[int, bytes] = {}
        self._kept: list[object] = []
        self._revisits = 0

    def digest(self, value: object) -> bytes:
        found = self._open(value)
        if isinstance(found, bytes):
            return found
        stack = [found]
        path = {found.key: 0}
        while True:
            frame = stack[-1]
            for child in frame.children:
                back = path.get(id(child))
                if back is not None:
                    frame.lowest = min(frame.lowest, back)
                    frame.results.append(b"^" + struct.pack("<I", len(stack) - back))
                    continue
                known = self._done.get(id(child))
                found = self._open(child) if known is None else known
                if isinstance(found, bytes):
                    frame.results.append(found)
                    continue
                path[found.key] = len(stack)
                stack.append(found)
                break
            else:
                stack.pop()
                del path[frame.key]
                digest = frame.digest()
                self._close(frame, digest, len(stack))
                if not stack:
                    return digest
                stack[-1].results.append(digest)
                stack[-1].lowest = min(stack[-1].lowest, frame.lowest)

    def _close(self, frame: _Frame, digest: bytes, depth: int) -> None:
        self._kept.append(frame.value)  # so that no other object gets its id
        if frame.lowest >= depth:
            self._done[frame.key] = digest
            return
        self._revisits += 1
        if self._revisits > _REVISITS:
            raise Unfingerprintable("the value contains itself in too many ways")

    def _open(self, value: Any) -> bytes | _Frame:
        kind = type(value)
        leaf = _LEAVES.get(kind)
        if leaf is not None:
            return leaf(value)
        if kind is list or kind is tuple:
            if _FLAT.issuperset(map(type, value)):
                return _hashed(b"f", marshal.dumps(value, 2))  # version 2: no references, equal data gives equal bytes
            return _Frame(value, b"l" if kind is list else b"t", value, "listed")
        if kind is dict:
            pairs: Iterable[tuple[Any, Any]] = value.items()
            if _NAMES.issuperset(map(type, value)):
                if _FLAT.issuperset(map(type, value.values())):
                    return _hashed(b"m", marshal.dumps(sorted(pairs), 2))
                pairs = sorted(pairs, key=itemgetter(0))  # code is numbered in this order
            return _Frame(value, b"d", [part for pair in pairs for part in pair], "paired")
        if kind is set or kind is frozenset:
            parts = sorted(value, key=_name_of)  # code is numbered in this order
            return _Frame(value, b"e" if kind is set else b"z", parts, "sorted")
        if isinstance(value, type):
            return self._class(value)
        special = _SPECIAL.get(kind)
        if special is not None:
            return special(self, value)
        return self._object(value)

    # -- code

    def _refer(self, target: Reference) -> bytes:
        number = self._numbers.get(id(target))
        if number is None:
            number = self._numbers[id(target)] = len(self.references)
            self.references.append(target)
        return b"&" + struct.pack("<I", number)

    def _class(self, value: type) -> bytes:
        module: object = value.__module__
        if not isinstance(module, str):  # compiled by Cython
            return _named("class", value.__qualname__)
        release = release_of(module, self.home)
        return self._refer(value) if release is None else _named("class", module, value.__qualname__, release)

    def _module(self, value: ModuleType) -> bytes:
        release = release_of(value.__name__, self.home)
        return self._refer(value) if release is None else _named("module", value.__name__, release)

    def _function(self, value: FunctionType) -> bytes | _Frame:
        module = value.__globals__.get("__name__")
        release = release_of(module, self.home)
        if release is None:
            return self._refer(value)
        name = _named("function", str(module), value.__code__.co_qualname, release)
        if module == "functools" and hasattr(value, "registry"):  # singledispatch; its closure holds a cache of calls
            return _Frame(value, name, (value.__dict__["__wrapped__"], value.__dict__["registry"]), "listed")
        if value.__closure__ is None:
            return name
        return _Frame(value, name, [*value.__closure__, value.__defaults__, value.__kwdefaults__], "listed")

    def _builtin(self, value: BuiltinFunctionType) -> bytes | _Frame:
        owner = value.__self__
        if owner is None or isinstance(owner, ModuleType):
            module = value.__module__
            return _named("builtin", str(module), value.__qualname__, release_of(module, self.home) or "")
        return _Frame(value, _named("bound", value.__name__), (owner,), "listed")

    # -- all else

    def _object(self, value: Any) -> bytes | _Frame:
        kind = type(value)
        try:
            table = parts_of_table(value)
            if table is not None:
                return _Frame(value, _named("table"), (kind, *table), "listed")
            for base, open_base in _DESCRIPTORS.items():
                if isinstance(value, base):
                    return _Frame(value, b"D", (kind, *open_base(self, value).children, vars(value)), "listed")
            if isinstance(value, (set, frozenset)):
                return _Frame(value, b"S", (kind, frozenset(value), getattr(value, "__dict__", None)), "listed")
            if kind is _MEMOISED or _is_node(value):  # called, it is the function it wraps
                return _Frame(value, b"w", (kind, value.__wrapped__), "listed")
            return self._reduced(value)
        except Exception as error:  # the code of its class
            raise Unfingerprintable(
                f"the state of a {kind.__module__}.{kind.__qualname__} cannot be read ({error})"
            ) from error

    def _reduced(self, value: Any) -> bytes | _Frame:
        """Taken apart as pickle does."""
        kind = type(value)
        reduce = copyreg.dispatch_table.get(kind)
        reduced = value.__reduce_ex__(4) if reduce is None else reduce(value)
        if isinstance(reduced, str):
            name = _named("global", str(getattr(value, "__module__", None) or kind.__module__), reduced)
            return _Frame(value, name, (kind, getattr(value, "__dict__", None)), "listed")
        make, arguments, state, items, pairs = (*reduced[:5], None, None, None)[:5]
        if pairs is not None:
            pairs = list(pairs) if isinstance(value, OrderedDict) else dict(pairs)
        return _Frame(value, b"o", (kind, make, arguments, state, items and list(items), pairs), "listed")


def _is_node(value: object) -> bool:
    return top_of(type(value).__module__) == "holdwater" and "__wrapped__" in getattr(value, "__dict__", ())


def _hashed(tag: bytes, content: bytes) -> bytes:
    return b"#" + sha256(tag + content).digest()


def _leaf(tag: bytes, content: bytes) -> bytes:
    """A text no other leaf begins with."""
    if len(content) > _SHORT_BYTES:
        return _hashed(tag, content)
    return tag + struct.pack("<B", len(content)) + content


def _named(*names: str) -> bytes:
    return _hashed(b"n", "\0".join(names).encode("utf-8", "surrogatepass"))


def _float(value: float) -> bytes:
    return b"xn" if math.isnan(value) else _leaf(b"x", struct.pack("<d", value))


def _int(value: int) -> bytes:
    return _leaf(b"i", value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True))


def _name_of(value: object) -> str:
    return getattr(value, "__qualname__", "") if isinstance(value, (FunctionType, type, ModuleType)) else ""


def _cell(_: _Walk, value: CellType) -> _Frame:
    try:
        return _Frame(value, b"c", (value.cell_contents,), "listed")
    except ValueError:  # not assigned yet
        return _Frame(value, b"c", (), "listed")


def _parts(*names: str) -> Callable[[_Walk, Any], _Frame]:
    """Of a descriptor and the like: its parts by name."""
    return lambda _, value: _Frame(value, _named(type(value).__name__), [getattr(value, n) for n in names], "listed")


_LEAVES: Final[dict[type, Callable[[Any], bytes]]] = {
    type(None): lambda _: b"N",
    bool: lambda value: b"T" if value else b"F",
    int: _int,
    float: _float,
    complex: lambda value: b"j" + _float(value.real) + _float(value.imag),
    str: lambda value: _leaf(b"s", value.encode("utf-8", "surrogatepass")),
    bytes: lambda value: _leaf(b"b", value),
}

_DESCRIPTORS: Final = {
    property: _parts("fget", "fset", "fdel"),
    staticmethod: _parts("__func__"),
    classmethod: _parts("__func__"),
}
_SLOT: Final = _parts("__objclass__", "__name__")

_SPECIAL: Final[dict[type, Callable[[_Walk, Any], bytes | _Frame]]] = {
    FunctionType: _Walk._function,
    ModuleType: _Walk._module,
    BuiltinFunctionType: _Walk._builtin,
    MethodType: _parts("__func__", "__self__"),
    CellType: _cell,
    MappingProxyType: lambda _, value: _Frame(value, b"p", (dict(value),), "listed"),
    **_DESCRIPTORS,
    functools.cached_property: _parts("func", "attrname"),
    typing.ForwardRef: _parts("__forward_arg__"),
    type(int.real): _SLOT,  # getset_descriptor
    type(slice.start): _SLOT,  # member_descriptor
    type(str.join): _SLOT,  # method_descriptor
    type(dict.__dict__["fromkeys"]): _SLOT,  # classmethod_descriptor
    type(object.__init__): _SLOT,  # wrapper_descriptor
    type(object().__str__): _parts("__self__", "__name__"),  # method-wrapper
}
