"""Shallow and deep fingerprints agree on the own code of a function; only the deep one sees the code it reaches."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from types import FunctionType
from typing import Any, NamedTuple

import pytest

from holdwater.fingerprint.bytecode import analyze_code
from holdwater.fingerprint.deep import deep_fingerprint
from holdwater.fingerprint.own_code import code_text
from holdwater.fingerprint.packages import home_package
from holdwater.fingerprint.shallow import code_rows, shallow_fingerprint
from holdwater.fingerprint.values import Unfingerprintable
from holdwater.model.policies import NodePolicy

MODULE = '''
FACTOR = 2

def helper(x):
    return x + 1

def work(x, by=3):
    """Doc."""
    def inner(y):
        return helper(y) * FACTOR
    return sorted([inner(x), by], key=lambda one: -one)
'''

OWN = {
    "a constant": ("-one", "-one * 2"),
    "a helper by name": ("helper(y)", "abs(y)"),
    "a function inside": ("def inner(y)", "def inner(y, *rest)"),
    "a parameter": ("work(x, by=3)", "work(x, by=3, *rest)"),
}
REACHED = {
    "a global": ("FACTOR = 2", "FACTOR = 3"),
    "a helper": ("x + 1", "x + 2"),
}
NEITHER = {
    "another module": ("FACTOR = 2", "FACTOR = 2\nOTHER = 1"),
}


class Depths(NamedTuple):
    shallow: str
    rows: str
    text: str
    instructions: bytes
    deep: bytes


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], FunctionType]:
    """Loads a module from source, each time from a file of its own but under one name."""
    count = iter(range(100))

    def load_work(source: str) -> FunctionType:
        path = tmp_path / f"v{next(count)}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location("depths", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found = module.work
        assert isinstance(found, FunctionType)
        return found

    return load_work


def depths(function: FunctionType) -> Depths:
    return Depths(
        shallow_fingerprint(function),
        code_rows([("task", function, NodePolicy())])[0][1],
        code_text(function.__code__),
        analyze_code(function.__code__).digest,
        deep_fingerprint(function, home_package(function)).digest,
    )


@pytest.mark.parametrize("edit", OWN)
def test_an_edit_of_own_code_is_seen_at_both_depths(load: Callable[[str], FunctionType], edit: str) -> None:
    before, after = depths(load(MODULE)), depths(load(MODULE.replace(*OWN[edit])))
    assert all(one != other for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("edit", REACHED)
def test_code_that_is_reached_is_no_own_code_at_either_depth(load: Callable[[str], FunctionType], edit: str) -> None:
    before, after = depths(load(MODULE)), depths(load(MODULE.replace(*REACHED[edit])))
    assert before[:-1] == after[:-1]
    assert before.deep != after.deep


@pytest.mark.parametrize("edit", NEITHER)
def test_code_that_is_not_reached_does_not_count(load: Callable[[str], FunctionType], edit: str) -> None:
    assert depths(load(MODULE)) == depths(load(MODULE.replace(*NEITHER[edit])))


def test_a_comment_is_an_edit_for_people_and_not_for_a_cache(load: Callable[[str], FunctionType]) -> None:
    before, after = depths(load(MODULE)), depths(load(MODULE.replace("    def inner", "    # why\n    def inner")))
    assert (before.shallow, before.text) != (after.shallow, after.text)
    assert (before.instructions, before.deep) == (after.instructions, after.deep)


class Client:
    """An object with a lock, known by its URL."""

    def __init__(self, url: str) -> None:
        self.url, self.lock = url, Lock()

    def fetch(self) -> str:
        return self.url

    def cache_key(self) -> str:
        return self.url


class Keyless(Client):
    cache_key: Any = None


def deep(function: Callable[..., Any]) -> bytes:
    return deep_fingerprint(function, home_package(function)).digest


@pytest.mark.parametrize("fingerprint", [shallow_fingerprint, deep])
def test_a_cache_key_stands_for_an_object_at_both_depths(fingerprint: Callable[[Any], object]) -> None:
    one, same, other = [fingerprint(Client(url).fetch) for url in "aab"]
    assert one == same != other
    with pytest.raises(Unfingerprintable, match=r"the state of a _thread\.lock cannot be read"):
        fingerprint(Keyless("a").fetch)
