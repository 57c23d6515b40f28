"""Every family of values: back exactly, or refused with the place named."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import importlib
import json
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib.util import find_spec
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st

from holdwater import register_type
from holdwater.errors import ConfigError, DecodingError, EncodingError
from holdwater.model import codec
from holdwater.model.value_types import class_names
from holdwater.model.values import StoredValue
from tests.model import sample_values
from tests.model.sample_values import HASHED, LEAVES, REFUSED, is_same
from tests.suite.effort import property_test


def round_trip(value: Any) -> Any:
    text = codec.encode(value)
    assert text.isascii()
    json.loads(text, parse_constant=pytest.fail)
    made = codec.decode(text)
    assert codec.encode(made) == text
    stored = StoredValue.encode(value)
    assert stored.is_unchanged(made)
    again = StoredValue.from_tree(json.loads(stored.text))
    assert again == stored
    assert again.is_unchanged(value)
    return made


@pytest.mark.parametrize("value", [*LEAVES, *HASHED], ids=lambda v: type(v).__name__)
def test_values_come_back_exactly(value: Any) -> None:
    assert is_same(round_trip(value), value)
    for outer in ([value], {"k": value}, (value,), {"$t": value}):
        assert is_same(round_trip(outer), outer)


@pytest.mark.parametrize(
    "leaf",
    [1, (1, 2), dt.datetime(2026, 7, 1, tzinfo=sample_values.BERLIN), sample_values.Frozen(sample_values.Right.READ)],
)
def test_every_family_around_every_other(leaf: Any) -> None:
    for outer in sample_values.nested(leaf):
        assert is_same(round_trip(outer), outer), outer
        for outermost in sample_values.nested(outer):
            assert is_same(round_trip(outermost), outermost), outermost


@pytest.mark.parametrize("value", REFUSED, ids=lambda v: type(v).__name__)
def test_what_is_not_kept_is_refused_with_its_place(value: Any) -> None:
    with pytest.raises(EncodingError, match=r"cannot|class") as caught:
        codec.encode(value)
    assert caught.value.hint
    for outer, path in (
        ([0, value], "[1]"),
        ({"a": {"b": (value,)}}, "a.b[0]"),
        (sample_values.Plain({"x": [value]}), "n.x[0]"),
    ):
        with pytest.raises(EncodingError) as caught:
            codec.encode(outer)
        if type(value) not in (sample_values.Forgetful, sample_values.Unreadable):  # found out when all is read back
            assert caught.value.path == path
            assert f" at {path} " in str(caught.value)


@pytest.mark.parametrize(
    "leaf", [1, "x", {"k": (1,)}, sample_values.Frozen(dt.time(9, tzinfo=sample_values.BERLIN)), None]
)
def test_pydantic_models_come_back_exactly(leaf: Any) -> None:
    pytest.importorskip("pydantic")
    from tests.model import models

    for value in models.nested(leaf):
        assert is_same(round_trip(value), value), value
        for outer in (*sample_values.nested(value), models.Zoo(anything=value), models.Open(a=1, more=[value])):
            assert is_same(round_trip(outer), outer), outer


def test_no_validator_runs_when_a_model_is_stored_or_read() -> None:
    pytest.importorskip("pydantic")
    from tests.model import models

    value = models.Restless(parts="x")
    for _ in range(3):
        value = round_trip(value)
    assert value.parts == ["x", "after"]


@pytest.mark.parametrize("which", ["KEPT", "REFUSED"])
def test_numpy_and_pandas(which: str) -> None:
    pytest.importorskip("pandas")
    data = importlib.import_module("tests.model.sample_classes")
    for value in getattr(data, which):
        if which == "REFUSED":
            with pytest.raises(EncodingError):
                codec.encode([value])
            continue
        for outer in (value, [value], {"k": (value, 1)}, sample_values.Plain(value)):
            text = codec.encode(outer)
            assert is_same(codec.decode(text), outer), outer
            assert StoredValue.encode(outer).is_unchanged(codec.decode(text))


def test_numpy_in_plain_data_is_no_plain_data() -> None:
    """numpy's floats and strings are floats and strings to JSON, and bytes to marshal."""
    np = pytest.importorskip("numpy")
    for value in (np.float64(1.5), np.str_("x")):
        for outer in ([value], {"k": [value]}):
            assert codec.encode_plain(outer) is None
            assert is_same(StoredValue.encode(outer).copy(), outer)
    assert not StoredValue.encode([1.5]).is_unchanged([np.float64(1.5)])


def test_libraries_are_imported_for_their_values_only() -> None:
    """Neither by plain nor by tagged values; by a stored value of theirs they are."""
    pytest.importorskip("pandas")
    code = (
        "import sys, datetime; from holdwater.model import codec; from holdwater import Context\n"
        "codec.decode(codec.encode([1, {'a': (datetime.date.min, 1.5)}]))\n"
        "try: codec.encode(object())\n"
        "except codec.EncodingError: pass\n"
        "print([m for m in ('numpy', 'pandas', 'pydantic') if m in sys.modules])\n"
        f"print(codec.decode({codec.encode(__import__('numpy').float64(1.5))!r}), 'pandas' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout
    assert said.split("\n")[:2] == ["[]", "1.5 False"]


def test_keys_of_any_kind_are_named_in_the_path() -> None:
    huge = 10**5000
    steps = {1: "1", (1, "a"): "(1, 'a')", sample_values.Colour.RED: "Colour.RED", huge: f"{hex(huge)[:39]}…"}
    for key, step in steps.items():
        assert is_same(round_trip({key: 1}), {key: 1})
        with pytest.raises(EncodingError) as caught:
            codec.encode({"a": {key: object()}})
        assert caught.value.path == f"a.{step}"


# -- classes that hypothesis builds

HASHED_LEAVES = [v for v in LEAVES if not isinstance(v, (bytearray, float, complex, Decimal))]
HASHABLE = st.integers(0, len(HASHED_LEAVES) - 1).map(lambda k: HASHED_LEAVES[k])
EVERY = [*LEAVES, *HASHED, *(importlib.import_module("tests.model.sample_classes").KEPT if find_spec("pandas") else ())]
LEAF = st.integers(0, len(EVERY) - 1).map(lambda k: EVERY[k])
NAMES = st.lists(
    st.sampled_from(["a", "b", "_c", "self", "v", "c", "name_", "ß", "x1"]), min_size=1, max_size=4, unique=True
)
MODULE = sys.modules[__name__]


def _register_class(cls: Any, name: str) -> Any:
    cls.__module__, cls.__qualname__, cls.__name__ = __name__, name, name
    setattr(MODULE, name, cls)
    return cls


@st.composite
def dataclasses_(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> Any:
    names = draw(NAMES)
    fields: list[Any] = []
    for name in names:
        init = draw(st.booleans())
        fields.append((name, Any, dataclasses.field(init=init, repr=draw(st.booleans()), compare=draw(st.booleans()))))
    options = {key: draw(st.booleans()) for key in ("frozen", "slots", "kw_only", "eq", "unsafe_hash")}
    options["unsafe_hash"] &= options["eq"] and not options["frozen"]
    base = draw(st.sampled_from([(), (sample_values.Frozen,) if options["frozen"] else (sample_values.Plain,)]))
    noisy = {"__post_init__": lambda self: 1 / 0} if draw(st.booleans()) else {}
    if base:
        options["kw_only"] = True
    cls = _register_class(dataclasses.make_dataclass("Built", fields, bases=base, namespace=noisy, **options), "Built")
    value = object.__new__(cls)
    for field in dataclasses.fields(cls):
        if field.init or draw(st.booleans()):
            object.__setattr__(value, field.name, draw(inner))
    if not options["slots"] and draw(st.booleans()):
        object.__setattr__(value, "beside", draw(inner))
    return value


@st.composite
def enums(draw: st.DrawFn) -> Any:
    names = draw(NAMES)
    kind = draw(st.sampled_from([enum.Enum, enum.IntEnum, enum.StrEnum, enum.Flag, enum.IntFlag]))
    values = names if kind is enum.StrEnum else [2**k for k in range(len(names))]
    cls: Any = _register_class(kind("BuiltEnum", dict(zip((f"M{k}" for k in range(len(names))), values))), "BuiltEnum")
    members = draw(st.lists(st.sampled_from(list(cls)), min_size=1))
    if not issubclass(cls, enum.Flag):
        return members[0]
    made = cls(0)
    for member in members:
        made |= member
    return ~made if draw(st.booleans()) else made


@st.composite
def models(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> Any:
    pydantic = pytest.importorskip("pydantic")
    fields: dict[str, Any] = {}
    for name in draw(NAMES):
        name = name.strip("_")
        alias = draw(st.none() | st.just(f"alias_{name}"))
        fields[name] = (
            Any,
            pydantic.Field(default=draw(st.just(...) | LEAF), alias=alias, exclude=draw(st.booleans())),
        )
    config = pydantic.ConfigDict(
        extra=draw(st.sampled_from(["allow", "forbid", "ignore"])),
        frozen=draw(st.booleans()),
        arbitrary_types_allowed=True,
    )
    cls = _register_class(pydantic.create_model("BuiltModel", __config__=config, **fields), "BuiltModel")
    given = {name: draw(inner) for name in fields if draw(st.booleans())}
    return cls.model_construct(set(given), **given)


def families(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        dataclasses_(inner)
        | models(inner)
        | st.builds(
            lambda leaf, k: sample_values.nested(leaf)[k], inner, st.integers(0, len(sample_values.nested(0)) - 1)
        )
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.sets(HASHABLE, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
    )


VALUES = st.recursive(LEAF | enums(), families, max_leaves=6)


@property_test(VALUES, quick_examples=60, long_examples=5000)
def test_built_classes_are_exact_or_refused(value: Any) -> None:
    try:
        text = codec.encode(value)
    except EncodingError as error:
        if "another class now" not in str(error):  # the one reason there is here: two values with built classes
            raise
        return
    assert is_same(codec.decode(text), value)
    assert codec.encode(codec.decode(text)) == text


@property_test(VALUES, st.sampled_from(REFUSED), quick_examples=20, long_examples=1000)
def test_what_is_not_kept_is_refused_wherever_it_is(value: Any, bad: Any) -> None:
    for outer in ([value, bad], {"k": value, "bad": (bad,)}, sample_values.Frozen([bad])):
        with pytest.raises(EncodingError):
            codec.encode(outer)


# -- what happened to the class since

BEFORE = """
import dataclasses, enum, typing
@dataclasses.dataclass
class D:
    a: int
    b: int = 2
class N(typing.NamedTuple):
    a: int
    b: int = 2
class E(enum.Enum):
    A = 1
class F(enum.Flag):
    A = 1
    B = 2
"""


@pytest.fixture
def versions() -> Iterator[Callable[[str], Any]]:
    """Makes the module anew."""

    def load(code: str) -> Any:
        module: Any = types.ModuleType("versioned")
        sys.modules["versioned"] = module
        exec(code, module.__dict__)
        return module

    yield load
    sys.modules.pop("versioned", None)


@pytest.mark.parametrize(
    ("change", "value", "says"),
    [
        (("a: int", "x: int = 0"), "D(1)", "field 'a'"),
        (("b: int = 2", "pass"), "D(1)", "field 'b'"),
        (("a: int", "new: int\n    a: int"), "D(1)", "'new'.*without a default"),
        (("a: int", "x: int"), "N(1)", "field 'a'"),
        (("a: int", "new: int\n    a: int"), "N(1)", "'new'.*without a default"),
        (("A = 1", "X = 1"), "E.A", "no member"),
        (("B = 2", "X = 2"), "F.A | F.B", "no member"),
        (("class D", "class X"), "D(1)", "not a class of that kind"),
        (("@dataclasses.dataclass\n", ""), "D(1)", "not a class of that kind"),
        (("class E(enum.Enum)", "class E"), "E.A", "not a class of that kind"),
    ],
)
def test_a_class_that_changed_says_what_is_missing(
    versions: Callable[[str], Any], change: tuple[str, str], value: str, says: str
) -> None:
    text = codec.encode(eval(value, versions(BEFORE).__dict__))
    versions(BEFORE.replace(*change))
    with pytest.raises(DecodingError, match=says) as caught:
        codec.decode(text)
    assert caught.value.hint


def test_new_fields_with_defaults_and_reordered_ones_are_filled(versions: Callable[[str], Any]) -> None:
    old = versions(BEFORE)
    texts = [codec.encode(v) for v in (old.D(1), old.N(1), old.E.A)]
    new = versions(
        BEFORE.replace("    b: int = 2", "    b: int = 2\n    new: list = None").replace("A = 1", "Z = 1\n    A = 1")
    )
    assert [codec.decode(text) for text in texts] == [new.D(1), new.N(1), new.E.Z]


def test_fields_of_models_that_changed() -> None:
    pytest.importorskip("pydantic")
    from tests.model import models

    tree = json.loads(codec.encode(models.Alias(userId=1)))
    tree["v"]["gone"] = 1
    with pytest.raises(DecodingError, match="field 'gone'"):
        codec.decode(json.dumps(tree))
    tree["v"] = {"user_id": 1}
    assert codec.decode(json.dumps(tree)).other == 1
    tree["v"] = {"other": 1}
    with pytest.raises(DecodingError, match=r"'user_id'.*without a default"):
        codec.decode(json.dumps(tree))


# -- registered types


class Owned(NamedTuple):
    n: int


class Other:
    pass


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (Other, "tests.money"), (sample_values.Money, "tests.other"), (int, "i"), (dict, "d"), (dt.datetime, "t"),
        (Other, ""), (Other, 3),
        (Other(), "x"), (Other, "a\n"),
    ],
)  # fmt: skip
def test_conflicting_registrations_are_refused(cls: Any, name: Any) -> None:
    with pytest.raises(ConfigError):
        register_type(cls, name, lambda v: None, lambda d: Other())
    with pytest.raises(EncodingError):
        codec.encode(Other())


def test_registered_types_win_over_families_and_may_be_registered_again() -> None:
    with pytest.raises(ConfigError, match="functions"):
        register_type(Owned, "tests.owned", None, None)  # type: ignore[arg-type]
    for _ in range(2):
        sample_values.register()
        register_type(Owned, "tests.owned", lambda v: {"n": v.n}, lambda d: Owned(d["n"]))
    assert json.loads(codec.encode(Owned(3))) == {"$t": "type", "n": "tests.owned", "v": {"n": 3}}
    assert is_same(round_trip(Owned(3)), Owned(3))


def test_a_type_that_is_not_registered_here_says_so() -> None:
    for name in ('"nobody"', "3", "null"):
        with pytest.raises(DecodingError, match="not registered"):
            codec.decode(f'{{"$t":"type","n":{name},"v":1}}')


def test_functions_of_users_that_fail_refuse_the_value() -> None:
    for value, says in (
        (sample_values.Forgetful([1], 2), "another value"),
        (sample_values.Unreadable(), "no way back"),
    ):
        with pytest.raises(EncodingError, match=says):
            codec.encode({"a": [value]})


# -- names of classes


def test_classes_of_the_script_have_the_name_that_others_import_it_by(tmp_path: Any) -> None:
    (tmp_path / "flow.py").write_text(
        "import dataclasses, sys\nfrom holdwater.model import codec\n"
        "@dataclasses.dataclass\nclass Point:\n    x: int\n"
        "if __name__ == '__main__':\n    print(codec.encode(Point(1)), codec.decode(codec.encode(Point(1))))\n"
    )
    said = subprocess.run(
        [sys.executable, str(tmp_path / "flow.py")], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    text, _, shown = said.strip().partition(" ")
    assert shown == "Point(x=1)"
    read = f"import flow; from holdwater.model import codec; print(codec.decode({text!r}) == flow.Point(1))"
    for code in (read, read.replace("import flow;", "import runpy, types, sys; flow = types; ")):
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert (done.stdout.strip() == "True") is (code is read), done.stderr
    assert "is not imported here" in done.stderr


def test_no_hook_of_a_module_runs_for_a_stored_name() -> None:
    module: Any = types.ModuleType("hooked")
    module.__getattr__ = lambda name: pytest.fail("asked")
    sys.modules["hooked"] = module
    try:
        assert class_names.find_class("hooked:Anything") is None
    finally:
        del sys.modules["hooked"]


def test_a_value_is_read_from_the_bottom_of_a_deep_stack() -> None:
    value: Any = 1
    for _ in range(codec.MAX_DEPTH // 3):
        value = [sample_values.Plain((value,))]
    text = codec.encode(value)

    def deep(n: int) -> Any:
        return deep(n - 1) if n else codec.decode(text)

    assert codec.encode(deep(sys.getrecursionlimit() - 300)) == text
