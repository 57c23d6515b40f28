"""Values of every family, and whether two of them are the same all the way down.  Also imported by killed processes."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import ipaddress
import math
import pathlib
import re
import struct
import uuid
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar
from zoneinfo import ZoneInfo

from holdwater import register_type

T = TypeVar("T")

# -- enums


class Colour(enum.Enum):
    RED = 1
    GREEN = "g"
    CRIMSON = RED


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    YES = "yes"


class Right(enum.Flag):
    READ = 1
    WRITE = 2
    BOTH = 3


class Bit(enum.IntFlag, boundary=enum.KEEP):
    A = 1
    B = 4


class Owner:
    class Inner(enum.Enum):
        X = "x"


# -- tuples


class Point(NamedTuple):
    x: Any
    y: Any = 0


Pair = namedtuple("Pair", "left right")


class Loose(namedtuple("Loose", "a")):
    """Has a `__dict__`."""


class Movie(TypedDict):
    name: str
    year: int


# -- dataclasses


@dataclasses.dataclass
class Plain:
    n: Any
    m: Any = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Frozen:
    n: Any


@dataclasses.dataclass(slots=True, kw_only=True)
class Slotted:
    n: Any
    late: Any = dataclasses.field(init=False, repr=False, default=None)


@dataclasses.dataclass(frozen=True, slots=True)
class Sealed(Frozen):
    k: Any = 1


@dataclasses.dataclass
class Counted:
    """Its constructor must not run when it is read, and what that made is part of it."""

    n: Any
    factor: dataclasses.InitVar[int] = 2
    double: Any = dataclasses.field(init=False)

    def __post_init__(self, factor: int) -> None:
        self.double = [self.n] * factor
        self.host = ("host", self.n)


@dataclasses.dataclass
class Unset:
    n: Any = dataclasses.field(init=False)


@dataclasses.dataclass
class Lazy:
    n: Any

    @cached_property
    def twice(self) -> Any:
        return [self.n, self.n]


@dataclasses.dataclass
class Guarded:
    """No `__setattr__` may run when it is read."""

    n: Any

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, ("set", value))


@dataclasses.dataclass
class Box(Generic[T]):
    n: T


@dataclasses.dataclass(eq=False)
class Named:
    """Equal to itself only."""

    n: Any
    __hash__ = object.__hash__


@dataclasses.dataclass
class Table(dict):  # type: ignore[type-arg]
    name: str = "t"


@dataclasses.dataclass
class Rows(list):  # type: ignore[type-arg]
    name: str = "t"


@dataclasses.dataclass
class Trouble(Exception):
    code: int = 1


# -- what users register


class Money:
    def __init__(self, amount: Any, currency: str = "EUR") -> None:
        self.amount, self.currency = amount, currency

    def __repr__(self) -> str:
        return f"Money({self.amount!r}, {self.currency!r})"


class Forgetful:
    """Its functions lose a part of it."""

    def __init__(self, kept: Any, lost: Any) -> None:
        self.kept, self.lost = kept, lost


class Unreadable:
    pass


class Text(str):
    pass


def _unreadable(data: Any) -> Unreadable:
    raise ValueError("no way back")


def register() -> None:
    register_type(Money, "tests.money", lambda m: [m.amount, m.currency], lambda data: Money(*data))
    register_type(Forgetful, "tests.forgetful", lambda f: [f.kept, id(f)], lambda data: Forgetful(data[0], None))
    register_type(Unreadable, "tests.unreadable", lambda u: None, _unreadable)


register()


class Unregistered:
    pass


def build_with_attributes(build: Callable[[], Any], **attributes: Any) -> Any:
    value = build()
    for name, attribute in attributes.items():
        object.__setattr__(value, name, attribute)
    return value


BERLIN = ZoneInfo("Europe/Berlin")

LEAVES: list[Any] = [
    None, True, 0, 2**70, -(2**3000), 10**5000, 1.5, -0.0, math.nan, -math.nan, math.inf, -math.inf,
    struct.unpack(">d", bytes.fromhex("7ff8000000000001"))[0], 1 + 2j, complex(math.nan, -0.0), "", "\0",
    "é\N{GRINNING FACE}", "\ud800",
    "a\ud83d\ude00b", b"", b"\0\xff", bytearray(b"x"), Decimal("0.10"), Decimal("-0"), Decimal("NaN"),
    Decimal("-sNaN12"),
    Decimal("1E+400"), Decimal("Infinity"), Fraction(-1, 3), uuid.UUID(int=5),
    uuid.UUID(int=5, is_safe=uuid.SafeUUID.safe),
    dt.date.min, dt.datetime.max, dt.datetime(2026, 10, 25, 2, 30, fold=1),
    dt.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN),
    dt.datetime(2026, 7, 1, tzinfo=BERLIN), dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")),
    dt.datetime(1900, 1, 1, tzinfo=dt.timezone(-dt.timedelta(hours=1, seconds=3, microseconds=7), "odd")),
    dt.time(9, tzinfo=BERLIN), dt.time(2, fold=1), dt.time(1, tzinfo=dt.timezone(dt.timedelta(minutes=90))),
    dt.timedelta.min,
    dt.timedelta.max, dt.UTC, dt.timezone(dt.timedelta(hours=1), "CET"), BERLIN, pathlib.PurePosixPath("/a/b"),
    pathlib.PureWindowsPath("C:\\a"), pathlib.Path("x"), ipaddress.ip_address("127.0.0.1"),
    ipaddress.ip_address("fe80::1%eth0"),
    ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_interface("10.0.0.1/8"), ipaddress.ip_network("::/0"),
    ipaddress.ip_interface("::1/64"), re.compile("a(?i:b)", re.MULTILINE), re.compile(b"x"), range(0, 10, 3),
    range(10**40),
    Colour.RED, Colour.CRIMSON, Level.LOW, Word.YES, Right.READ | Right.WRITE, Right(0), Bit.A | Bit.B, Bit(9),
    Owner.Inner.X,
]  # fmt: skip
"""hashable or not, without other values inside"""


def nested(leaf: Any) -> list[Any]:
    """One value of every family that has others inside."""
    lazy = Lazy(leaf)
    assert lazy.twice
    return [
        [leaf], {"k": leaf}, {"$t": leaf}, {1: leaf, "1": leaf, None: 0}, (leaf,), (), deque([leaf], 3), deque([leaf]),
        OrderedDict(b=leaf, a=1), defaultdict(list, k=[leaf]), defaultdict(None, {2: leaf}), Counter("abca"),
        slice(1, None, leaf),
        Point(leaf), Pair(leaf, (leaf,)), build_with_attributes(lambda: Loose(leaf), note=[leaf]),
        Movie(name="n", year=1), Plain(leaf),
        build_with_attributes(lambda: Plain(leaf), extra=leaf), Frozen(leaf), Slotted(n=leaf), Sealed(leaf),
        Counted(leaf), Unset(),
        build_with_attributes(Unset, n=leaf), lazy, Guarded(leaf), Box[Any](leaf), [Named(leaf)], Money(leaf),
        {"x": [Money((leaf, Money(leaf)))]},
        {"a": [Plain({"b": (leaf, Frozen([leaf]))})]},
    ]  # fmt: skip


HASHED: list[Any] = [
    set(), {1, "a", None}, frozenset({(1, "b"), frozenset({2})}), {Frozen(1): 2, Point(1): 3}, {Right.READ, Colour.RED},
    {dt.datetime(2026, 7, 1, tzinfo=BERLIN), Decimal("1.50")}, {math.nan, math.inf}, {Named(1), Named(1)},
    {Frozen((1, 2))},
    {b"a": 1, (1, 2): {"x": {3}}}, {Colour.RED: {Level.LOW: 1}}, {True: 1, "a\ud83d\ude00b": 2},
]  # fmt: skip


def _local() -> Any:
    @dataclasses.dataclass
    class Local:
        n: int = 0

    return Local()


def _shadowed() -> Any:
    """Of a class whose name is another one's now."""
    old = dataclasses.make_dataclass("Plain", ["n"])
    old.__module__ = __name__
    return old(1)


REFUSED: list[Any] = [
    object(), len, int, Plain, Colour, Unregistered(), Text("a"), memoryview(b"x"), iter([]), (x for x in (1,)),
    ValueError("x"), re,
    Trouble(), Table(), Rows(), Forgetful(1, 2), Unreadable(), lambda: 0, _local(), _shadowed(), defaultdict(lambda: 0),
    dt.datetime(2026, 1, 1, tzinfo=ZoneInfo.no_cache("Europe/Berlin")), build_with_attributes(OrderedDict),
    type("Decimal2", (Decimal,), {})(1),
]  # fmt: skip
REFUSED[-2].note = 1


def is_same(a: Any, b: Any) -> bool:
    """Of one type and equal, all the way down and beyond what `==` sees: order, sign of zero, hidden attributes."""
    kind = type(a)
    if kind is not type(b):
        return False
    if kind.__module__.partition(".")[0] in ("numpy", "pandas"):
        return is_same_array(a, b)
    if kind is int:
        return bool(a == b)
    if kind is float:
        return struct.pack(">d", a) == struct.pack(">d", b)
    if kind is complex:
        return is_same(a.real, b.real) and is_same(a.imag, b.imag)
    if kind is Decimal:
        return bool(a.as_tuple() == b.as_tuple())
    if isinstance(a, enum.Enum):
        return a is b
    if isinstance(a, (dt.datetime, dt.time)):
        naive = a.replace(tzinfo=None) == b.replace(tzinfo=None) and a.fold == b.fold
        return naive and is_same(a.tzinfo, b.tzinfo)
    if isinstance(a, dt.tzinfo):
        return a == b and repr(a) == repr(b)
    if isinstance(a, (set, frozenset)):
        rest = list(b)
        for x in a:
            match = next((k for k, y in enumerate(rest) if is_same(x, y)), None)
            if match is None:
                return False
            del rest[match]
        return not rest
    if isinstance(a, dict):
        factory = getattr(a, "default_factory", None) is getattr(b, "default_factory", None)
        return factory and is_same(list(a.items()), list(b.items()))
    if isinstance(a, (list, tuple, deque)):
        inner = len(a) == len(b) and all(map(is_same, a, b))
        ends = getattr(a, "maxlen", None) == getattr(b, "maxlen", None)
        return inner and ends and is_same(getattr(a, "__dict__", None), getattr(b, "__dict__", None))
    if kind is slice:
        return is_same((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    if kind in (Money, Forgetful) or dataclasses.is_dataclass(kind) or hasattr(kind, "__pydantic_fields__"):
        return is_same(instance_state(a), instance_state(b))
    if kind is uuid.UUID:
        return bool(a == b and a.is_safe is b.is_safe)
    return bool(a == b) and repr(a) == repr(b)


def instance_state(value: Any) -> Any:
    """All that an instance holds, as `pickle` sees it."""
    held: Any = object.__getstate__(value)  # type: ignore[attr-defined, unused-ignore]
    parts: list[dict[str, Any]] = [dict(part or {}) for part in held] if type(held) is tuple else [dict(held or {})]
    for part in parts:
        part.pop("__orig_class__", None)
    return [dict(sorted(part.items())) for part in parts]


def is_same_array(a: Any, b: Any) -> bool:
    """Two values of numpy or pandas of one type."""
    if hasattr(a, "flags") and hasattr(a, "dtype") and hasattr(a, "strides"):
        spread = not all([x.flags.c_contiguous or x.flags.f_contiguous for x in (a, b)])  # comes back without gaps
        layout = spread or a.flags.f_contiguous == b.flags.f_contiguous
        return (
            layout
            and a.flags.writeable == b.flags.writeable
            and (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
        )
    if type(a).__name__ in ("Series", "DataFrame") or "Index" in type(a).__name__:
        import pandas as pd

        if "Index" in type(a).__name__:
            pd.testing.assert_index_equal(a, b, exact=True)
            return getattr(a, "freq", None) == getattr(b, "freq", None)
        compare = pd.testing.assert_series_equal if type(a) is pd.Series else pd.testing.assert_frame_equal
        compare(a, b, check_flags=True, check_freq=True)
        return getattr(a, "attrs", None) == getattr(b, "attrs", None)
    if hasattr(a, "tobytes"):
        return bool(a.dtype == b.dtype) and a.tobytes() == b.tobytes() and repr(a) == repr(b)
    return a is b or (bool(a == b) and repr(a) == repr(b) and a.unit == b.unit)
