"""Digests of values: equal for equal values of equal types, in every process.

A digest is computed from the leaves upwards; neither shared objects nor the order of sets and dicts count (that of an
OrderedDict does).  An object that defines `cache_key()` is represented by its return value.  Other objects than plain
data, arrays and frames are reduced as pickle does it.  Functions, classes and modules are not read: they become
*references*, numbered in the order met, which the caller resolves.
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

from holdwater.fingerprint.packages import module_release, top_level_package

CodeReference: TypeAlias = FunctionType | type | ModuleType
ChildOrder: TypeAlias = Literal["listed", "sorted", "paired"]

_FLAT_TYPES: Final = frozenset({int, float, bool, str, bytes, type(None)})
_NAME_TYPES: Final = frozenset({str})
_LRU_CACHE_TYPE: Final = type(functools.cache(len))
_INLINE_LIMIT_BYTES: Final = 64
_MAX_REVISITS: Final = 100_000
"""bound of repeated visits of parts of a value that contains itself"""


class Unfingerprintable(Exception):
    """Raised for a value or code two states of which cannot be told apart.  `reason`: names it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def within(self, where: str) -> Unfingerprintable:
        """Return the error with the place of the value in front."""
        return Unfingerprintable(f"{where}: {self.reason}")


class ValueDigest(NamedTuple):
    """The digest of a value, and the code it refers to, in the order numbered by the digest."""

    digest: bytes
    references: tuple[CodeReference, ...]


def digest_value(value: object, home: str) -> ValueDigest:
    """Compute the digest of a value.  `home`: the top-level package of the reader.  Raises Unfingerprintable."""
    walk = _ValueVisitor(home)
    return ValueDigest(walk.digest(value), tuple(walk.references))


class _Frame:
    """A value whose parts are being visited."""

    __slots__ = ("child_digests", "children", "key", "low_link", "order", "tag", "value")

    def __init__(self, value: object, tag: bytes, children: Iterable[object], order: ChildOrder) -> None:
        self.value, self.tag, self.order = value, tag, order
        self.key = id(value)
        self.children = iter(children)
        self.child_digests: list[bytes] = []
        self.low_link = 1 << 60
        """smallest depth one of its parts refers back to"""

    def digest(self) -> bytes:
        parts = self.child_digests
        if self.order == "sorted":
            parts = sorted(parts)
        elif self.order == "paired":
            parts = sorted([parts[k] + parts[k + 1] for k in range(0, len(parts), 2)])
        return b"#" + sha256(self.tag + b"".join(parts)).digest()


class _ValueVisitor:
    def __init__(self, home: str) -> None:
        self.home = home
        self.references: list[CodeReference] = []
        self._reference_numbers: dict[int, int] = {}
        self._digests: dict[int, bytes] = {}
        self._kept_alive: list[object] = []
        self._revisits = 0

    def digest(self, value: object) -> bytes:
        found = self._visit(value)
        if isinstance(found, bytes):
            return found
        stack = [found]
        path = {found.key: 0}
        while True:
            frame = stack[-1]
            for child in frame.children:
                back = path.get(id(child))
                if back is not None:
                    frame.low_link = min(frame.low_link, back)
                    frame.child_digests.append(b"^" + struct.pack("<I", len(stack) - back))
                    continue
                known = self._digests.get(id(child))
                found = self._visit(child) if known is None else known
                if isinstance(found, bytes):
                    frame.child_digests.append(found)
                    continue
                path[found.key] = len(stack)
                stack.append(found)
                break
            else:
                stack.pop()
                del path[frame.key]
                digest = frame.digest()
                self._leave(frame, digest, len(stack))
                if not stack:
                    return digest
                stack[-1].child_digests.append(digest)
                stack[-1].low_link = min(stack[-1].low_link, frame.low_link)

    def _leave(self, frame: _Frame, digest: bytes, depth: int) -> None:
        self._kept_alive.append(frame.value)  # so that no other object gets its id
        if frame.low_link >= depth:
            self._digests[frame.key] = digest
            return
        self._revisits += 1
        if self._revisits > _MAX_REVISITS:
            raise Unfingerprintable("the value contains itself in too many ways")

    def _visit(self, value: Any) -> bytes | _Frame:
        kind = type(value)
        leaf = _LEAF_ENCODERS.get(kind)
        if leaf is not None:
            return leaf(value)
        if kind is list or kind is tuple:
            if _FLAT_TYPES.issuperset(map(type, value)):
                return _hash_content(
                    b"f", marshal.dumps(value, 2)
                )  # version 2: no references, equal data gives equal bytes
            return _Frame(value, b"l" if kind is list else b"t", value, "listed")
        if kind is dict:
            pairs: Iterable[tuple[Any, Any]] = value.items()
            if _NAME_TYPES.issuperset(map(type, value)):
                if _FLAT_TYPES.issuperset(map(type, value.values())):
                    return _hash_content(b"m", marshal.dumps(sorted(pairs), 2))
                pairs = sorted(pairs, key=itemgetter(0))  # code is numbered in this order
            return _Frame(value, b"d", [part for pair in pairs for part in pair], "paired")
        if kind is set or kind is frozenset:
            parts = sorted(value, key=_name_sort_key)  # code is numbered in this order
            return _Frame(value, b"e" if kind is set else b"z", parts, "sorted")
        if isinstance(value, type):
            return self._visit_class(value)
        special = _TYPE_VISITORS.get(kind)
        if special is not None:
            return special(self, value)
        return self._visit_object(value)

    # -- code

    def _add_reference(self, target: CodeReference) -> bytes:
        number = self._reference_numbers.get(id(target))
        if number is None:
            number = self._reference_numbers[id(target)] = len(self.references)
            self.references.append(target)
        return b"&" + struct.pack("<I", number)

    def _visit_class(self, value: type) -> bytes:
        module: object = value.__module__
        if not isinstance(module, str):  # compiled by Cython
            return _hash_names("class", value.__qualname__)
        release = module_release(module, self.home)
        return (
            self._add_reference(value) if release is None else _hash_names("class", module, value.__qualname__, release)
        )

    def _visit_module(self, value: ModuleType) -> bytes:
        release = module_release(value.__name__, self.home)
        return self._add_reference(value) if release is None else _hash_names("module", value.__name__, release)

    def _visit_function(self, value: FunctionType) -> bytes | _Frame:
        module = value.__globals__.get("__name__")
        release = module_release(module, self.home)
        if release is None:
            return self._add_reference(value)
        name = _hash_names("function", str(module), value.__code__.co_qualname, release)
        if module == "functools" and hasattr(value, "registry"):  # singledispatch; its closure holds a cache of calls
            return _Frame(value, name, (value.__dict__["__wrapped__"], value.__dict__["registry"]), "listed")
        if value.__closure__ is None:
            return name
        return _Frame(value, name, [*value.__closure__, value.__defaults__, value.__kwdefaults__], "listed")

    def _visit_builtin(self, value: BuiltinFunctionType) -> bytes | _Frame:
        owner = value.__self__
        if owner is None or isinstance(owner, ModuleType):
            module = value.__module__
            return _hash_names("builtin", str(module), value.__qualname__, module_release(module, self.home) or "")
        return _Frame(value, _hash_names("bound", value.__name__), (owner,), "listed")

    # -- other objects

    def _visit_object(self, value: Any) -> bytes | _Frame:
        kind = type(value)
        try:
            if callable(getattr(value, "cache_key", None)):
                return _Frame(value, b"k", (kind, value.cache_key()), "listed")
            table = _array_parts(value)
            if table is not None:
                return _Frame(value, _hash_names("table"), (kind, *table), "listed")
            for base, open_base in _DESCRIPTOR_VISITORS.items():
                if isinstance(value, base):
                    return _Frame(value, b"D", (kind, *open_base(self, value).children, vars(value)), "listed")
            if isinstance(value, (set, frozenset)):
                return _Frame(value, b"S", (kind, frozenset(value), getattr(value, "__dict__", None)), "listed")
            if kind is _LRU_CACHE_TYPE or _is_graph_node(value):  # when called it is the function it wraps
                return _Frame(value, b"w", (kind, value.__wrapped__), "listed")
            return self._visit_reduced(value)
        except Exception as error:  # raised by the code of its class
            raise Unfingerprintable(
                f"the state of a {kind.__module__}.{kind.__qualname__} cannot be read ({error})"
            ) from error

    def _visit_reduced(self, value: Any) -> bytes | _Frame:
        """Visit the parts pickle reduces a value to."""
        kind = type(value)
        reduce = copyreg.dispatch_table.get(kind)
        reduced = value.__reduce_ex__(4) if reduce is None else reduce(value)
        if isinstance(reduced, str):
            name = _hash_names("global", str(getattr(value, "__module__", None) or kind.__module__), reduced)
            return _Frame(value, name, (kind, getattr(value, "__dict__", None)), "listed")
        make, arguments, state, items, pairs = (*reduced[:5], None, None, None)[:5]
        if pairs is not None:
            pairs = list(pairs) if isinstance(value, OrderedDict) else dict(pairs)
        return _Frame(value, b"o", (kind, make, arguments, state, items and list(items), pairs), "listed")


def _array_parts(value: Any) -> tuple[object, ...] | None:
    """Return the contents of a NumPy array, or of a pandas frame, column or index, independent of memory layout.

    None for any other value.  Neither library is imported.
    """
    kind = type(value)
    if kind.__module__ == "numpy" and kind.__name__ == "ndarray":
        return value.shape, value.dtype, value.tolist() if value.dtype.hasobject else value.tobytes()
    if top_level_package(kind.__module__) != "pandas" or not hasattr(value, "to_numpy"):
        return None
    if hasattr(value, "columns"):
        columns = [value.iloc[:, k].array for k in range(value.shape[1])]
        return value.columns, value.index, columns, value.attrs
    if not hasattr(value, "dtype"):  # a Timestamp
        return None
    names = list(value.names) if kind.__name__.endswith("Index") else getattr(value, "name", None)
    return value.dtype, names, getattr(value, "index", None), getattr(value, "attrs", None), value.to_numpy()


def _is_graph_node(value: object) -> bool:
    return top_level_package(type(value).__module__) == "holdwater" and "__wrapped__" in getattr(value, "__dict__", ())


def _hash_content(tag: bytes, content: bytes) -> bytes:
    return b"#" + sha256(tag + content).digest()


def _encode_leaf(tag: bytes, content: bytes) -> bytes:
    """Encode a leaf; no encoding is a prefix of another one."""
    if len(content) > _INLINE_LIMIT_BYTES:
        return _hash_content(tag, content)
    return tag + struct.pack("<B", len(content)) + content


def _hash_names(*names: str) -> bytes:
    return _hash_content(b"n", "\0".join(names).encode("utf-8", "surrogatepass"))


def _encode_float(value: float) -> bytes:
    return b"xn" if math.isnan(value) else _encode_leaf(b"x", struct.pack("<d", value))


def _encode_int(value: int) -> bytes:
    return _encode_leaf(b"i", value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True))


def _name_sort_key(value: object) -> str:
    return getattr(value, "__qualname__", "") if isinstance(value, (FunctionType, type, ModuleType)) else ""


def _visit_cell(_: _ValueVisitor, value: CellType) -> _Frame:
    try:
        return _Frame(value, b"c", (value.cell_contents,), "listed")
    except ValueError:  # not assigned yet
        return _Frame(value, b"c", (), "listed")


def _attribute_visitor(*names: str) -> Callable[[_ValueVisitor, Any], _Frame]:
    """Create a visitor of the named attributes of a descriptor or similar object."""
    return lambda _, value: _Frame(
        value, _hash_names(type(value).__name__), [getattr(value, n) for n in names], "listed"
    )


_LEAF_ENCODERS: Final[dict[type, Callable[[Any], bytes]]] = {
    type(None): lambda _: b"N",
    bool: lambda value: b"T" if value else b"F",
    int: _encode_int,
    float: _encode_float,
    complex: lambda value: b"j" + _encode_float(value.real) + _encode_float(value.imag),
    str: lambda value: _encode_leaf(b"s", value.encode("utf-8", "surrogatepass")),
    bytes: lambda value: _encode_leaf(b"b", value),
}

_DESCRIPTOR_VISITORS: Final = {
    property: _attribute_visitor("fget", "fset", "fdel"),
    staticmethod: _attribute_visitor("__func__"),
    classmethod: _attribute_visitor("__func__"),
}
_slot_visitor: Final = _attribute_visitor("__objclass__", "__name__")

_TYPE_VISITORS: Final[dict[type, Callable[[_ValueVisitor, Any], bytes | _Frame]]] = {
    FunctionType: _ValueVisitor._visit_function,
    ModuleType: _ValueVisitor._visit_module,
    BuiltinFunctionType: _ValueVisitor._visit_builtin,
    MethodType: _attribute_visitor("__func__", "__self__"),
    CellType: _visit_cell,
    MappingProxyType: lambda _, value: _Frame(value, b"p", (dict(value),), "listed"),
    **_DESCRIPTOR_VISITORS,
    functools.cached_property: _attribute_visitor("func", "attrname"),
    typing.ForwardRef: _attribute_visitor("__forward_arg__"),
    type(int.real): _slot_visitor,  # getset_descriptor
    type(slice.start): _slot_visitor,  # member_descriptor
    type(str.join): _slot_visitor,  # method_descriptor
    type(dict.__dict__["fromkeys"]): _slot_visitor,  # classmethod_descriptor
    type(object.__init__): _slot_visitor,  # wrapper_descriptor
    type(object().__str__): _attribute_visitor("__self__", "__name__"),  # method-wrapper
}
