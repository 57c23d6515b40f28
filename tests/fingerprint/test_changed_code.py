"""A package is changed between two processes: what the node depends on misses and is named, all else hits."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.suite.projects import Project

MAIN_MODULE = '''
from proj import helpers
from proj.helpers import shift, Scaler, TABLE, make_adder
from proj import constants as c

add = make_adder(10)

def work(x, extra=1):
    """Doc of work."""
    def inner(y):
        return helpers.clean(y) + shift(y)
    from proj.late import finish
    best = sorted([x, 1], key=lambda one: -one)
    return finish(inner(x) + Scaler(2).apply(x) + TABLE["a"](x) + add(x) + c.LIMIT + extra + best[0])
'''
HELPER_MODULE = """
import functools
from proj.deep import base

FACTOR = 3
TABLE = {"a": lambda x: x + 1, "b": lambda x: x + 2}

def clean(x):
    # a comment
    return base(x) * FACTOR

@functools.lru_cache
def shift(x, by=5, *, sign=1):
    return x + by * sign

class Scaler:
    offset = 0.5

    def __init__(self, by):
        self.by = by

    def apply(self, x):
        return x * self.by + self.offset

    @property
    def unused(self):
        return 1

def make_adder(n):
    def adder(x):
        return x + n
    return adder

def not_used():
    return 1
"""
FILES = {
    "proj/flow.py": MAIN_MODULE,
    "proj/helpers.py": HELPER_MODULE,
    "proj/deep.py": "def base(x):\n    return x if x < 2 else other(x - 1)\n\ndef other(x):\n    return base(x)\n",
    "proj/constants.py": "LIMIT = 7\nUNREAD = 1\n",
    "proj/late.py": "def finish(x):\n    return x + 0\n",
}


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a project whose node was executed once."""
    project = Project(tmp_path_factory.mktemp("executed"))
    for name, text in FILES.items():
        project.write(name, text)
    assert project.run() == "work: nothing is known of an execution before"
    assert project.run() == "hit"
    return project.directory


@pytest.fixture
def filled(project: Project, executed: Path) -> Project:
    """A copy of it, which is known as well wherever it is."""
    shutil.copytree(executed, project.directory, dirs_exist_ok=True)
    return project


CHANGES = {
    "own code": ("proj/flow.py", "+ best[0]", "- best[0]", "proj.flow.work: code changed"),
    "own inner function": ("proj/flow.py", "clean(y) +", "clean(y) -", "proj.flow.work: code changed"),
    "own inner lambda": ("proj/flow.py", "-one", "+one", "proj.flow.work: code changed"),
    "own default": ("proj/flow.py", "extra=1", "extra=2", "proj.flow.work: default of extra changed"),
    "helper": ("proj/helpers.py", ") * FACTOR", ") / FACTOR", "proj.helpers.clean: code changed"),
    "helper of helper": ("proj/deep.py", "base(x)\n", "base(x) + 1\n", "proj.deep.other: code changed"),
    "constant of helper": ("proj/helpers.py", "FACTOR = 3", "FACTOR = 4", "proj.helpers.clean: global FACTOR changed"),
    "type of a constant": ("proj/helpers.py", "FACTOR = 3", "FACTOR = 3.0", "helpers.clean: global FACTOR changed"),
    "default of helper": ("proj/helpers.py", "by=5", "by=6", "proj.helpers.shift: default of by changed"),
    "keyword default": ("proj/helpers.py", "sign=1", "sign=2", "proj.helpers.shift: default of sign changed"),
    "behind a cache": ("proj/helpers.py", "by * sign", "by // sign", "proj.helpers.shift: code changed"),
    "class attribute": ("proj/helpers.py", "0.5", "0.25", "proj.helpers.Scaler: attribute offset changed"),
    "method": ("proj/helpers.py", "self.by +", "self.by -", "proj.helpers.Scaler.apply: code changed"),
    "initialiser": ("proj/helpers.py", "self.by = by", "self.by = -by", "proj.helpers.Scaler.__init__: code changed"),
    "closure": ("proj/flow.py", "make_adder(10)", "make_adder(11)", "adder: closure variable n changed"),
    "lambda in a table": ("proj/helpers.py", "x + 1,", "x + 3,", "proj.helpers.<lambda>: code changed"),
    "table swapped": ("proj/helpers.py", '{"a": lambda x: x + 1, "b":', '{"b": lambda x: x + 1, "a":', "<lambda>"),
    "constant of another module": ("proj/constants.py", "LIMIT = 7", "LIMIT = 8", "global c.LIMIT changed"),
    "imported in the body": ("proj/late.py", "x + 0", "x - 0", "proj.late.finish: code changed"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_it_depends_on_is_a_miss_that_names_it(filled: Project, change: str) -> None:
    file, old, new, named = CHANGES[change]
    filled.edit(file, old, new)
    assert named in filled.run()
    assert filled.run() == "hit"


UNCHANGED = {
    "comment": ("proj/helpers.py", "# a comment", "# another\n    # and more"),
    "layout": ("proj/helpers.py", "return base(x) * FACTOR", "\n\n    return (\n        base(x)\n    * FACTOR\n)"),
    "docstring": ("proj/flow.py", '"""Doc of work."""', '"""Another text, and longer."""'),
    "docstring gone": ("proj/flow.py", '    """Doc of work."""\n', ""),
    "function nobody calls": ("proj/helpers.py", "def not_used():\n    return 1", "def not_used():\n    return 2"),
    "constant nobody reads": ("proj/constants.py", "UNREAD = 1", "UNREAD = 2"),
    "annotation": ("proj/flow.py", "def work(x, extra=1):", "def work(x: int, extra: int = 1) -> float:"),
}  # fmt: skip


@pytest.mark.parametrize("change", UNCHANGED)
def test_what_it_does_not_depend_on_is_a_hit(filled: Project, change: str) -> None:
    filled.edit(*UNCHANGED[change])
    assert filled.run() == "hit"


def test_several_changes_are_all_named(filled: Project) -> None:
    filled.edit("proj/constants.py", "LIMIT = 7", "LIMIT = 8")
    filled.edit("proj/helpers.py", "by=5", "by=6")
    reason = filled.run()
    assert "global c.LIMIT changed" in reason
    assert "default of by changed" in reason


def test_a_helper_replaced_by_another_is_named(filled: Project) -> None:
    filled.write("proj/new.py", "def clean(x):\n    return x\n")
    filled.edit("proj/helpers.py", "def clean(x):", "from proj.new import clean\n\ndef old_clean(x):")
    reason = filled.run()
    assert "proj.new.clean is used now" in reason
    assert "proj.helpers.clean is not used any more" in reason


def test_a_change_taken_back_is_a_hit(filled: Project) -> None:
    filled.edit("proj/constants.py", "LIMIT = 7", "LIMIT = 8")
    filled.run()
    filled.edit("proj/constants.py", "LIMIT = 8", "LIMIT = 7")
    assert filled.run() == "hit"


def test_a_script_follows_modules_that_lie_beside_it(project: Project) -> None:
    project.write("sibling.py", "def helper(x):\n    return x + 1\n")
    script = "import sibling\ndef work(x):\n    return sibling.helper(x)\n" + project_main("work")
    project.write("main.py", script)
    project.run()
    assert project.run() == "hit"
    project.edit("sibling.py", "x + 1", "x + 2")
    assert "sibling.helper: code changed" in project.run()


def project_main(name: str) -> str:
    return (
        "import sys\nfrom holdwater.caching import DiskCache, NodeCache\n"
        "from tests.caching.nodes import FunctionNode, execute_cached\n"
        f"print(execute_cached(NodeCache(DiskCache(sys.argv[1])), FunctionNode({name}, name='work'), x=2))\n"
    )


DATACLASS = """
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

class Colour(Enum):
    RED = 1
    GREEN = 2

class Pair(NamedTuple):
    a: int = 1

@dataclass
class Point:
    x: int = 1
    rest: list = field(default_factory=list)

    def area(self):
        return self.x * 2

def work(x):
    return Point(x).area() + Colour.RED.value + Pair().a
"""


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("self.x * 2", "self.x * 3", "Point.area: code changed"),
        ("x: int = 1\n", "x: int = 2\n", "Point: attribute x changed"),
        ("default_factory=list", "default_factory=dict", "Point"),
        ("RED = 1", "RED = 3", "Colour"),
        ("a: int = 1", "a: int = 2", "Pair"),
    ],
)
def test_generated_classes(project: Project, old: str, new: str, named: str) -> None:
    project.write("proj/flow.py", DATACLASS)
    project.run()
    assert project.run() == "hit"
    project.edit("proj/flow.py", old, new)
    assert named in project.run()


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_hash_seeds_make_no_difference(project: Project, seed: str) -> None:
    body = "WORDS = {'a', 'b', 'c', 'd'}\ndef work(x):\n    return x in WORDS or x in {'p', 'q', 'r', 's'}\n"
    project.write("proj/flow.py", body)
    project.run(seed="2")
    assert project.run(seed=seed) == "hit"
