"""In one process: what code reads is looked at again at every lookup."""

from __future__ import annotations

import functools
import importlib
import io
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.caching.nodes import key_of, reason_of


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Imports the text as a module."""
    monkeypatch.syspath_prepend(tmp_path)
    names: list[str] = []

    def make(text: str, name: str = "live") -> Any:
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        names.append(name)
        return importlib.import_module(name)

    yield make
    for name in names:
        sys.modules.pop(name, None)


LIVE = """
import copy

class Settings:
    def __init__(self):
        self.rate = 1

class Model:
    factor = 2
    def apply(self, x):
        return x * self.factor

LIMIT = 1
NAMES = ["a", {"deep": [1]}]
SETTINGS = Settings()
ALIAS = NAMES

def helper(x, by=1, *, scale=2):
    return x + by * scale

def make(n, box):
    def inner(x):
        return x + n + len(box)
    def move(to):
        nonlocal n
        n = to
    return inner, move

box = []
inner, move = make(1, box)

def work(x):
    return helper(x) + LIMIT + len(NAMES) + SETTINGS.rate + Model().apply(x) + inner(x)
"""

MUTATIONS: dict[str, Callable[[Any], object]] = {
    "global rebound": lambda m: setattr(m, "LIMIT", 2),
    "global of another type": lambda m: setattr(m, "LIMIT", True),
    "global removed": lambda m: delattr(m, "LIMIT"),
    "global changed in place": lambda m: m.NAMES[1]["deep"].append(2),
    "instance changed": lambda m: setattr(m.SETTINGS, "rate", 2),
    "instance with one attribute more": lambda m: setattr(m.SETTINGS, "more", 2),
    "helper replaced": lambda m: setattr(m, "helper", lambda x: x),
    "helper's code replaced": lambda m: setattr(m.helper, "__code__", (lambda x, by=1, *, scale=2: x).__code__),
    "helper's default": lambda m: setattr(m.helper, "__defaults__", (2,)),
    "helper's keyword default": lambda m: m.helper.__kwdefaults__.update(scale=3),
    "closure variable": lambda m: m.move(2),
    "closure changed in place": lambda m: m.box.append(1),
    "class attribute": lambda m: setattr(m.Model, "factor", 3),
    "class with one attribute more": lambda m: setattr(m.Model, "__mul__", lambda self, o: 1),
    "method replaced": lambda m: setattr(m.Model, "apply", lambda self, x: x),
    "base class": lambda m: setattr(m.Model, "__init__", m.Settings.__init__),
    "attribute of a function": lambda m: setattr(m.helper, "limit", 1),
    "keyword default added": lambda m: setattr(m.helper, "__kwdefaults__", {"scale": 2, "other": 1}),
    "builtin shadowed": lambda m: setattr(m, "len", lambda x: 0),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_change_is_seen_at_the_next_lookup(module: Callable[..., Any], mutation: str) -> None:
    live = module(LIVE)
    before = key_of(live.work, x=1)
    assert key_of(live.work, x=1) == before
    MUTATIONS[mutation](live)
    assert key_of(live.work, x=1) != before


def test_a_change_taken_back_gives_the_same_key(module: Callable[..., Any]) -> None:
    live = module(LIVE)
    before = key_of(live.work, x=1)
    live.NAMES.append("b")
    key_of(live.work, x=1)
    live.NAMES.pop()
    assert key_of(live.work, x=1) == before


def test_a_module_handed_on_is_read_as_a_whole(module: Callable[..., Any]) -> None:
    helpers = module("def clean(x):\n    return x\nLIMIT = 1\n", "live_helpers")
    live = module("import live_helpers\ndef work(x):\n    return getattr(live_helpers, 'cle' + 'an')(x)\n")
    before = key_of(live.work, x=1)
    helpers.LIMIT = 2
    assert key_of(live.work, x=1) != before


def test_only_the_attributes_of_a_module_that_are_named_count(module: Callable[..., Any]) -> None:
    helpers = module("def clean(x):\n    return x\nLIMIT = 1\n", "live_helpers")
    live = module("import live_helpers\ndef work(x):\n    return live_helpers.clean(x)\n")
    before = key_of(live.work, x=1)
    helpers.LIMIT = 2
    assert key_of(live.work, x=1) == before
    helpers.clean = lambda x: x + 1
    assert key_of(live.work, x=1) != before


def adder(n: int) -> Callable[[int], int]:
    return lambda x: x + n


def multiply(x: int, by: int) -> int:
    return x * by


class Offset:
    def __init__(self, by: int) -> None:
        self.by = by

    def __call__(self, x: int) -> int:
        return x + self.by

    def add(self, x: int) -> int:
        return x + self.by


def wrapping(function: Callable[..., int], extra: int) -> Callable[..., int]:
    @functools.wraps(function)
    def wrapper(*args: int, **kwargs: int) -> int:
        return function(*args, **kwargs) + extra

    return wrapper


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        (adder(1), adder(1), adder(2)),
        (functools.partial(multiply, by=1), functools.partial(multiply, by=1), functools.partial(multiply, by=2)),
        (Offset(1), Offset(1), Offset(2)),
        (Offset(1).add, Offset(1).add, Offset(2).add),
        (wrapping(multiply, 1), wrapping(multiply, 1), wrapping(multiply, 2)),
        (functools.cache(adder(1)), functools.cache(adder(1)), functools.cache(adder(2))),
    ],
    ids=["closure", "partial", "callable object", "bound method", "decorated", "memoised"],
)
def test_callables_are_distinguished_by_what_they_hold(one: Any, same: Any, other: Any) -> None:
    assert key_of(one, x=1) == key_of(same, x=1)
    assert key_of(one, x=1) != key_of(other, x=1)


def test_a_wrapping_partial_is_still_distinguished_by_its_arguments() -> None:
    one, other = (functools.update_wrapper(functools.partial(multiply, by=n), multiply) for n in (1, 2))
    assert key_of(one, x=1) != key_of(other, x=1)


def test_functions_that_call_each_other_end(module: Callable[..., Any]) -> None:
    chain = "\n".join([f"def f{n}(x):\n    return f{n + 1}(x) + f{max(n - 1, 0)}(x)\n" for n in range(3000)])
    live = module(f"{chain}\ndef f3000(x):\n    return LAST\nLAST = 1\n")
    before = key_of(live.f0, x=1)
    live.LAST = 2
    assert key_of(live.f0, x=1) != before


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (threading.Lock(), "lock"),
        (io.StringIO, ""),
        ((n for n in [1]), "generator"),
        (open(__file__), "TextIOWrapper"),  # noqa: SIM115 - closed below
    ],
    ids=["lock", "class is fine", "generator", "file"],
)
def test_what_has_no_state_to_read_cannot_be_cached(value: Any, reason: str) -> None:
    def work(x: int) -> object:
        return value, x

    if not reason:
        assert key_of(work, x=1)
        return
    told = reason_of(work, x=1)
    assert reason in told
    assert "closure variable value of tests.fingerprint.test_live_code" in told
    assert reason in reason_of(multiply, x=value)
    assert "input x" in reason_of(multiply, x=value)
    if isinstance(value, io.TextIOWrapper):
        value.close()


@pytest.mark.parametrize(
    "body",
    [
        "return eval('x + 1')",
        "return globals()['LIMIT']",
        "import importlib\n    return importlib.import_module('json').dumps(x)",
        "from importlib import import_module\n    return import_module('json').dumps(x)",
        "import sys\n    return sys.modules['live'].LIMIT",
        "import no_such_module\n    return x",
    ],
)
def test_code_that_leads_anywhere_cannot_be_cached(module: Callable[..., Any], body: str) -> None:
    live = module(f"LIMIT = 1\ndef work(x):\n    {body}\n")
    assert "live.work" in reason_of(live.work, x=1)


def test_code_that_cannot_work_is_not_refused_but_not_cached(module: Callable[..., Any]) -> None:
    live = module("def work(x):\n    from . import nothing\n    return x\n")
    assert "no package" in reason_of(live.work, x=1)


def test_it_can_be_cached_again_when_the_obstacle_is_gone(module: Callable[..., Any]) -> None:
    live = module("import threading\nGUARD = threading.Lock()\ndef work(x):\n    return GUARD, x\n")
    assert "global GUARD of live.work" in reason_of(live.work, x=1)
    live.GUARD = None
    assert key_of(live.work, x=1)


class ByName:
    """Pickled by its name, as singletons are."""

    def __init__(self, function: Callable[[int], int]) -> None:
        self.function = function

    def __reduce__(self) -> str:
        return "SOMETHING"


class LateProperty(property):
    pass


def test_objects_that_pickle_by_name_are_distinguished_by_what_they_hold() -> None:
    assert key_of(multiply, x=ByName(adder(1))) == key_of(multiply, x=ByName(adder(1)))
    assert key_of(multiply, x=ByName(adder(1))) != key_of(multiply, x=ByName(adder(2)))


def test_descriptors_of_any_class_are_distinguished_by_their_functions() -> None:
    kinds: list[Any] = [property, LateProperty, staticmethod, classmethod, functools.cached_property]
    for kind in kinds:
        one, same, other = (type("T", (), {"p": kind(adder(n))}) for n in (1, 1, 2))
        assert key_of(multiply, x=one) == key_of(multiply, x=same)
        assert key_of(multiply, x=one) != key_of(multiply, x=other)


def test_an_object_that_cannot_be_looked_at_does_not_fail_the_lookup() -> None:
    class Hostile:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("hands off")

    assert "hands off" in reason_of(multiply, x=Hostile())


def test_dead_functions_are_not_kept() -> None:
    import gc
    import weakref

    def made() -> weakref.ref[types.FunctionType]:
        def fact(n: int) -> int:
            return n * fact(n - 1) if n else 1

        assert key_of(fact, n=1)
        assert isinstance(fact, types.FunctionType)
        return weakref.ref(fact)

    reference = made()
    gc.collect()
    assert reference() is None
