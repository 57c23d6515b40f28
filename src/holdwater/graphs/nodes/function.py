"""Functions as nodes: `@node`."""

from __future__ import annotations

import typing
import warnings
from collections.abc import Callable, Iterable
from typing import Any, Unpack, overload

from holdwater.errors import InvalidArgument, SignatureError
from holdwater.graphs.nodes.base import PortOptions, normalize_names
from holdwater.graphs.nodes.call_node import CallNode, P, R, default_node_name, node_signature
from holdwater.graphs.nodes.signatures import CallableSignature
from holdwater.model import validation
from holdwater.model.limits import check_limit_name
from holdwater.model.policies import RetryPolicy


class NodeOptions(PortOptions, total=False):
    """Keywords of `node`.  See FunctionNode."""

    output_name: str | Iterable[str] | None
    retry: RetryPolicy | None
    timeout: float | None
    limit: str | None
    name: str | None


class FunctionNode(CallNode[P, R]):
    """A function, coroutine function, generator or async generator as a node, which can still be called directly."""

    def __init__(
        self,
        source: Callable[P, R],
        name: str | None = None,
        output_name: str | Iterable[str] | None = None,
        *,
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
        limit: str | None = None,
        **ports: Unpack[PortOptions],
    ) -> None:
        """Create a node.

        `output_name`: name of the value; several for a function that returns a tuple; None if it returns nothing.
        `source`: of a node only its function is used.  Raises SignatureError (a TypeError) for parameters that cannot
        be passed by keyword, GraphConfigError for duplicate names.
        """
        name = name or default_node_name(source)
        if retry is not None and not isinstance(retry, RetryPolicy):
            raise SignatureError(f"retry of node {name!r} is a RetryPolicy, not {retry!r}")
        if timeout is not None:
            validation.check_seconds(f"timeout of node {name!r}", timeout, error_class=SignatureError)
        if limit is not None:
            try:
                check_limit_name(limit)
            except InvalidArgument as error:
                raise SignatureError(f"limit of node {name!r}: {error.message}", hint=error.hint) from error
        signature = node_signature(source, f"node {name!r}")
        super().__init__(signature, name, normalize_names(output_name, f"output_name of node {name!r}"), **ports)
        self._set_fields(retry=retry, timeout=timeout, limit=limit)
        if not self.data_outputs and signature.declares_value:
            _warn_unused_value(signature, name)

    @property
    def output_annotation(self) -> dict[str, Any]:
        """Annotations by output; empty if the function has none, or not one per output."""
        outputs, hint = self.data_outputs, self._signature.hints.get("return")
        if hint is None:
            return {}
        parts = typing.get_args(hint)
        if self.is_generator:  # its value is the list of yielded values
            hint = list[parts[0]] if parts else list  # type: ignore[valid-type]
        if len(outputs) == 1:
            return {outputs[0]: hint}
        return dict(zip(outputs, parts)) if typing.get_origin(hint) is tuple and len(parts) == len(outputs) else {}

    def get_output_type(self, name: str) -> Any:
        return self.output_annotation.get(name)


@overload
def node(source: Callable[P, R], /, **options: Unpack[NodeOptions]) -> FunctionNode[P, R]: ...


@overload
def node(**options: Unpack[NodeOptions]) -> Callable[[Callable[P, R]], FunctionNode[P, R]]: ...


def node(source: Callable[..., Any] | None = None, /, **options: Unpack[NodeOptions]) -> Any:
    """Create a node from a function, which can still be called directly.  Used with or without arguments.

    - `output_name`: the name of its value; several for a function that returns a tuple.
    - `rename_inputs`: parameter -> name of the input.  `name`: by default the function's.
    - `cache`: its results may come from the runner's cache.  `hide`: it is not drawn.
    - `emit`: outputs without data that signal that it has run.  `wait_for`: outputs it waits for.
    - `retry`: a RetryPolicy.  `timeout`: seconds per attempt.
    - `limit`: the name of a concurrency limit, which counts the nodes that run at once across all durable runners of a
      database.

    Raises SignatureError (a TypeError), GraphConfigError.
    """
    if source is None:
        return lambda function: node(function, **options)
    if isinstance(source, str):
        raise SignatureError(f"@node decorates a function, not {source!r}", hint=f"@node(output_name={source!r})")
    return FunctionNode(source, **options)


def _warn_unused_value(signature: CallableSignature, name: str) -> None:
    """Warn, with the location of the function, of a return value without an output."""
    code = getattr(signature.func, "__code__", None)
    warnings.warn_explicit(
        f"node {name!r} returns a value ({signature.return_annotation!r}) but has no output_name, so "
        "that nothing can use it."
        " Name it with output_name=, or annotate the function with -> None.",
        UserWarning,
        filename=getattr(code, "co_filename", name),
        lineno=getattr(code, "co_firstlineno", 1),
    )
