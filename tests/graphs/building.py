"""Nodes of any name and ports, for tests of how graphs are built."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from holdwater.graphs import FunctionNode, RouteNode

PortNames = str | Iterable[str]


def fn(name: str, inputs: str = "", outputs: PortNames | None = None, **options: Any) -> FunctionNode[..., Any]:
    """A node `name` with these parameters (as in a signature, without annotations) and outputs."""
    return FunctionNode(make_function(name, inputs), output_name=outputs, **options)


def gate(name: str, inputs: str, targets: Iterable[str], **options: Any) -> RouteNode[..., Any]:
    """A gate `name` with these parameters and targets."""
    return RouteNode(make_function(name, inputs), list(targets), **options)


def make_function(name: str, inputs: str) -> Callable[..., Any]:
    """A function of this name and signature that does nothing."""
    space: dict[str, Any] = {}
    exec(f"def {name}({inputs}): ...", space)
    made: Callable[..., Any] = space[name]
    return made
