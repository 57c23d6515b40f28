"""Units are in types and names: instants are `Micros` or `MonotonicMicros`, durations end in their unit."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import holdwater

ROOT = Path(holdwater.__file__).parent

SHORT_UNITS = ("_s", "_sec", "_secs")
SPEED = "_m_s"
INSTANTS = ("_at", "_until", "_since")
INSTANT_NAMES = {"now", "until", "since"}
OTHER_INSTANTS = {
    "schedules/zones.py",  # whole seconds of time zones
    "storage/postgres/lease_renewal_process.py",  # a program that imports nothing of the package
}


def names(tree: ast.Module) -> Iterator[tuple[str, ast.expr | None, ast.expr | None, int]]:
    """(name, annotation, assigned value, line) of each parameter, variable, attribute and property or function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg, node.annotation, None, node.lineno
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.returns, None, node.lineno
        elif isinstance(node, ast.AnnAssign):
            yield last_part(node.target), node.annotation, node.value, node.lineno
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                yield last_part(target), None, node.value, node.lineno


def last_part(target: ast.expr) -> str:
    return target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""


def is_bare_int(annotation: ast.expr | None, value: ast.expr | None) -> bool:
    """`int`, `int | None`, a tuple, a list or a dict of them; without an annotation, a whole number."""
    if annotation is None:
        return isinstance(value, ast.Constant) and type(value.value) is int
    if isinstance(annotation, ast.Subscript) and last_part(annotation.value) in ("dict", "Mapping"):
        assert isinstance(annotation.slice, ast.Tuple)
        return is_bare_int(annotation.slice.elts[1], None)
    return any(isinstance(part, ast.Name) and part.id == "int" for part in ast.walk(annotation))


def faults(source: str, *, instants: bool = True) -> list[str]:
    found = []
    for name, annotation, value, line in names(ast.parse(source)):
        if name.endswith(SHORT_UNITS) and not name.endswith(SPEED):
            found.append(f"{line}: {name} ends in a short unit: durations of seconds end in _seconds")
        if instants and (name.endswith(INSTANTS) or name in INSTANT_NAMES) and is_bare_int(annotation, value):
            found.append(f"{line}: {name} is an instant: its type is Micros or MonotonicMicros, not int")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "def wait(timeout_s: float) -> None: ...",
        "class Policy:\n    delay_sec: float = 0.0",
        "self.pause_s = 3.0",
        "def timeout_s(self) -> float: ...",
        "class Row:\n    due_at: int | None = None",
        "def claim(lease_until: int) -> None: ...",
        "def next_due_at(self) -> int: ...",
        "def look(now: int) -> None: ...",
        "self.retry_at = 0",
        "fired_at: list[int] = []",
        "self.deferred_until: dict[int, int] = {}",
    ],
)
def test_a_fault_is_found(source: str) -> None:
    assert len(faults(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "def wait(timeout_seconds: float, poll_interval_ms: int, lease_us: int) -> None: ...",
        "wind_m_s: float = 2.0",
        "class Row:\n    due_at: Micros | None = None",
        "def next_due_at(self, now: Micros) -> Micros: ...",
        "self.retry_at = UNSET",
        "self.deferred_until: dict[int, Micros] = {}",
    ],
)
def test_these_are_none(source: str) -> None:
    assert faults(source) == []


def test_units_of_the_package() -> None:
    found = [
        f"{file}:{fault}"
        for file in sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))
        for fault in faults((ROOT / file).read_text(encoding="utf-8"), instants=file not in OTHER_INSTANTS)
    ]
    assert not found, "\n".join(found)
