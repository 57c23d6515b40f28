"""Nodes with a function, which is called with keywords."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Generic, ParamSpec, TypeVar, Unpack, cast

from holdwater.errors import GraphConfigError
from holdwater.graphs.messages import type_with_article
from holdwater.graphs.nodes.base import Node, PortOptions
from holdwater.graphs.nodes.signatures import CallableSignature
from holdwater.model.error_report import describe_error

P = ParamSpec("P")
R = TypeVar("R")

_IMMUTABLE_TYPES: Final = (type(None), bool, int, float, complex, str, bytes, type)
_COPIED_ATTRIBUTES: Final = ("__module__", "__qualname__", "__name__", "__doc__")
"""attributes a node copies from its function, for documentation tools"""


class CallNode(Node, Generic[P, R]):
    """A node that calls `func` with its inputs, by the names of its parameters."""

    __name__: str
    __qualname__: str
    __wrapped__: Callable[P, R]

    _signature: CallableSignature

    def __init__(
        self, signature: CallableSignature, name: str, data_outputs: Iterable[str] = (), **ports: Unpack[PortOptions]
    ) -> None:
        worn = {attribute: getattr(signature.func, attribute, None) for attribute in _COPIED_ATTRIBUTES}
        self._set_fields(_signature=signature, __wrapped__=signature.func, **worn)
        super().__init__(name, signature.parameters, data_outputs, **ports)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the function to the signature, which may be pickled by name."""
        return {name: value for name, value in self.__dict__.items() if name != "__wrapped__"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set_fields(**state, __wrapped__=state["_signature"].func)

    @property
    def func(self) -> Callable[P, R]:
        """The undecorated function."""
        return cast("Callable[P, R]", self._signature.func)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function directly, without retry, cache and renames."""
        return self.func(*args, **kwargs)

    @property
    def context_param(self) -> str | None:
        """Name of the parameter that gets the NodeContext, None if there is none."""
        return self._signature.context_parameter

    @property
    def is_async(self) -> bool:
        return self._signature.is_async

    @property
    def is_generator(self) -> bool:
        return self._signature.is_generator

    @property
    def definition_hash(self) -> str:
        return self._signature.fingerprint

    def has_signature_default_for(self, name: str) -> bool:
        return name in self._inputs and self.param(name) in self._signature.defaults

    def get_signature_default_for(self, name: str) -> Any:
        return self._signature.defaults[self.param(name)]

    def fresh_default_for(self, name: str) -> Any:
        """Return a deep copy of a default for one execution.  Raises GraphConfigError if it cannot be copied."""
        default = self.get_signature_default_for(name)
        if isinstance(default, _IMMUTABLE_TYPES):
            return default
        try:
            return copy.deepcopy(default)
        except Exception as error:
            raise GraphConfigError(
                f"node {self.name!r}: the default of {name!r}, {type_with_article(default)}, cannot be copied for each"
                f" execution ({describe_error(error)})",
                hint=f"share one object on purpose with graph.bind({name}=...)",
            ) from error

    def get_input_type(self, name: str) -> Any:
        return self._signature.hints.get(self.param(name))

    def get_output_type(self, name: str) -> Any:
        return None


def node_signature(source: Callable[..., Any], label: str) -> CallableSignature:
    """Return the signature of a function, or of a node's function.  Raises SignatureError."""
    return source._signature if isinstance(source, CallNode) else CallableSignature(source, label)


def default_node_name(source: Callable[..., Any]) -> str:
    """Return the default name of a node: that of the function, or of the class of a callable object."""
    func = source.func if isinstance(source, CallNode) else source
    while isinstance(func, partial):
        func = func.func
    return getattr(func, "__name__", None) or type(func).__name__
