"""Base of all nodes: name, ports, and modifiers that return a changed copy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self, TypedDict, TypeVar

from holdwater.errors import GraphConfigError, SignatureError
from holdwater.graphs.nodes.port_names import Ports
from holdwater.model.policies import RetryPolicy

T = TypeVar("T")
PortSide = Literal["input", "output"]


class PortOptions(TypedDict, total=False):
    """Keywords of all decorators and constructors of nodes.

    `emit`: further outputs without data, which signal that the node has run, for `wait_for` of others.
    `rename_inputs`: parameter -> name of the input in the graph.
    """

    rename_inputs: Mapping[str, str] | None
    cache: bool
    hide: bool
    emit: str | Iterable[str] | None
    wait_for: str | Iterable[str] | None


class Node(ABC):
    """A named unit of a graph.  Immutable: every modifier returns a changed copy.

    `wait_for`: names that must have been written, since its previous run, before it starts.  `cache`: its results may
    be taken from the runner's cache.  `hide`: it is not drawn.  `timeout`: seconds per attempt.  `retry` and `timeout`
    default to those of the runner.  `limit`: name of a concurrency limit of the database it is executed on.
    """

    name: str
    wait_for: tuple[str, ...]
    cache: bool
    hide: bool
    retry: RetryPolicy | None = None
    timeout: float | None = None
    limit: str | None = None

    is_gate = False
    is_interrupt = False

    _inputs: Ports
    _outputs: Ports
    _data_count: int
    """number of data outputs; the outputs after them are emitted"""

    def __init__(
        self,
        name: str,
        inputs: Iterable[str],
        data_outputs: Iterable[str] = (),
        *,
        emit: str | Iterable[str] | None = None,
        wait_for: str | Iterable[str] | None = None,
        cache: bool = False,
        hide: bool = False,
        rename_inputs: Mapping[str, str] | None = None,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise SignatureError(f"the name of a node is a non-empty str, not {name!r}")
        data = tuple(data_outputs)
        ports = Ports(inputs)
        self._set_fields(
            name=name,
            wait_for=normalize_names(wait_for, f"wait_for of node {name!r}"),
            cache=bool(cache),
            hide=bool(hide),
            _outputs=Ports((*data, *normalize_names(emit, f"emit of node {name!r}"))),
            _data_count=len(data),
        )
        if rename_inputs:
            ports = ports.rename(rename_inputs, kind="input", owner=f"node {name!r}")
        self._set_fields(_inputs=ports)
        self._check_ports()

    # -- ports

    @property
    def inputs(self) -> tuple[str, ...]:
        """Current names of the inputs, in the order of the parameters."""
        return self._inputs.names

    @property
    def outputs(self) -> tuple[str, ...]:
        """Current names of all outputs: data outputs, then emitted ones."""
        return self._outputs.names

    @property
    def data_outputs(self) -> tuple[str, ...]:
        """The outputs that carry data."""
        return self.outputs[: self._data_count]

    @property
    def emit(self) -> tuple[str, ...]:
        """The outputs without data, which signal that the node has run."""
        return self.outputs[self._data_count :]

    def param(self, name: str) -> str:
        """Return the parameter of an input, or its name inside a nested graph.  Raises KeyError."""
        return self._inputs.original_name(name)

    def map_inputs_to_params(self, inputs: Mapping[str, T]) -> dict[str, T]:
        """Map values by input to values by parameter.  Raises KeyError."""
        return {self.param(name): value for name, value in inputs.items()}

    # -- properties

    @property
    def is_async(self) -> bool:
        """True if it must be awaited."""
        return False

    @property
    def is_generator(self) -> bool:
        """True if its function is a generator; its value is then the list of yielded values."""
        return False

    @property
    @abstractmethod
    def definition_hash(self) -> str:
        """Fingerprint of the node's function and rules, 64 hex digits.  Raises SignatureError for unreadable state."""

    # -- defaults and types

    def has_default_for(self, name: str) -> bool:
        """Return True if the node can run without this input."""
        return self.has_signature_default_for(name)

    def get_default_for(self, name: str) -> Any:
        """Return the default, uncopied.  Raises KeyError if there is none."""
        return self.get_signature_default_for(name)

    @abstractmethod
    def has_signature_default_for(self, name: str) -> bool:
        """Return True if a parameter has a default; values bound inside a nested graph do not count."""

    @abstractmethod
    def get_signature_default_for(self, name: str) -> Any:
        """Return the default of a parameter.  Raises KeyError if there is none."""

    @abstractmethod
    def get_input_type(self, name: str) -> Any:
        """Return the annotation of an input, None if it has none."""

    @abstractmethod
    def get_output_type(self, name: str) -> Any:
        """Return the annotation of an output, None if it has none."""

    # -- modifiers

    def with_name(self, name: str) -> Self:
        """Return the node under another name.  Raises SignatureError."""
        if not isinstance(name, str) or not name:
            raise SignatureError(f"the name of a node is a non-empty str, not {name!r}")
        return self._copy_with(name=name)

    def rename_inputs(self, mapping: Mapping[str, str] | None = None, /, **names: str) -> Self:
        """Rename inputs, `old="new"`, simultaneously, so that two can be swapped.  Raises RenameError."""
        return self._rename_ports("input", {**(mapping or {}), **names})

    def rename_outputs(self, mapping: Mapping[str, str] | None = None, /, **names: str) -> Self:
        """Rename outputs, `old="new"`, simultaneously, so that two can be swapped.  Raises RenameError."""
        return self._rename_ports("output", {**(mapping or {}), **names})

    with_inputs = rename_inputs
    with_outputs = rename_outputs

    def _rename_ports(self, side: PortSide, changes: Mapping[str, str]) -> Self:
        field = "_inputs" if side == "input" else "_outputs"
        ports: Ports = getattr(self, field)
        return self._copy_with(**{field: ports.rename(changes, kind=side, owner=f"node {self.name!r}")})

    def _copy_with(self, **fields: object) -> Self:
        new = object.__new__(type(self))
        new._set_fields(**{**self.__dict__, **fields})
        new._check_ports()
        return new

    def _set_fields(self, **fields: object) -> None:
        self.__dict__.update(fields)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name} cannot be set; use with_name() and the like")

    def _check_ports(self) -> None:
        outputs = self.outputs
        if len(set(outputs)) < len(outputs):
            twice = next(name for name in outputs if outputs.count(name) > 1)
            raise GraphConfigError(f"node {self.name!r} has the output {twice!r} more than once")
        for name in self.wait_for:
            if name in self._inputs:
                raise GraphConfigError(
                    f"node {self.name!r} waits for {name!r}, which is also one of its inputs",
                    hint="an input is waited for anyway: leave it out of wait_for",
                )
            if name in self._outputs:
                raise GraphConfigError(f"node {self.name!r} waits for {name!r}, which it makes itself")

    def __repr__(self) -> str:
        made = ", ".join(self.outputs) or "nothing"
        return f"<{type(self).__name__} {self.name}({', '.join(self.inputs)}) -> {made}>"


def normalize_names(value: str | Iterable[str] | None, label: str) -> tuple[str, ...]:
    """Convert one name or several to a tuple.  Raises SignatureError, and GraphConfigError for a duplicate name."""
    listed = () if value is None else (value,) if isinstance(value, str) else value
    names = tuple(listed) if isinstance(listed, Iterable) else (None,)
    if not all([isinstance(name, str) and name for name in names]):
        raise SignatureError(f"{label} must be a name or several, not {value!r}")
    if len(set(names)) < len(names):
        raise GraphConfigError(f"{label} has a name twice: {names}")
    return names
