"""Signatures of callables.  Annotations are resolved and code is hashed on first access."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from types import UnionType
from typing import Any, Final, ForwardRef, Never, NoReturn, get_args, get_type_hints

from holdwater.errors import SignatureError
from holdwater.fingerprint.shallow import shallow_fingerprint
from holdwater.fingerprint.values import Unfingerprintable
from holdwater.graphs.nodes.node_context import NodeContext
from holdwater.model.signatures import annotations_of, signature_of

_REJECTED_PARAMETERS: Final = {
    inspect.Parameter.POSITIONAL_ONLY: "positional-only parameter {0!r}",
    inspect.Parameter.VAR_POSITIONAL: "parameter *{0}",
    inspect.Parameter.VAR_KEYWORD: "parameter **{0}",
}


_NO_VALUE_ANNOTATIONS: Final = (inspect.Signature.empty, None, NoReturn, Never, "None", "NoReturn", "Never")


class CallableSignature:
    """Parameters, defaults, calling mode and annotations of a callable; shared by all nodes created from it."""

    def __init__(self, func: Callable[..., Any], label: str) -> None:
        """Inspect a callable.  `label`: the node in messages.  Raises SignatureError if it takes no keywords."""
        if not callable(func):
            raise SignatureError(f"{label} needs a function, not {func!r}")
        if isinstance(func, staticmethod):
            func = func.__func__
        if hasattr(func, "dispatch") and hasattr(func, "registry"):
            raise SignatureError(
                f"{label} is a singledispatch function, which chooses by an argument given by position",
                hint="call it in a function of your own",
            )
        self.func = func
        self.defaults: dict[str, Any] = {}
        self.context_parameter: str | None = None
        try:
            signature = _call_signature(func)
        except (TypeError, ValueError) as error:
            raise SignatureError(
                f"{label}: the parameters of {func!r} cannot be read", hint="wrap it in a function of your own"
            ) from error
        names = []
        for name, parameter in signature.parameters.items():
            if parameter.kind in _REJECTED_PARAMETERS:
                raise SignatureError(
                    f"{label} has the {_REJECTED_PARAMETERS[parameter.kind].format(name)}, but its "
                    "inputs are given by name",
                    hint="declare every input as a parameter of its own",
                )
            if self._is_context_annotation(parameter.annotation):
                self.context_parameter = name
                continue
            names.append(name)
            if parameter.default is not parameter.empty:
                self.defaults[name] = parameter.default
        self.parameters = tuple(names)
        self.return_annotation = signature.return_annotation
        target = _underlying_function(func)
        self.is_async = inspect.iscoroutinefunction(target) or inspect.isasyncgenfunction(target)
        self.is_generator = inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by name if an import finds the node of the function, which has the name of the function there."""
        name = str(getattr(self.func, "__module__", "")), str(getattr(self.func, "__qualname__", ""))
        if name[0] not in _MAIN_MODULES and name[0] in sys.modules and _signature_at(*name) is self:
            return _signature_at, name
        kept = {key: value for key, value in self.__dict__.items() if key not in _CACHED_ATTRIBUTES}
        return object.__new__, (type(self),), kept

    @property
    def declares_value(self) -> bool:
        """True if the return annotation denotes a value, not None or NoReturn."""
        return self.return_annotation not in _NO_VALUE_ANNOTATIONS

    @cached_property
    def hints(self) -> Mapping[str, Any]:
        """Resolved annotations by parameter, and `return`; an unresolvable one is a ForwardRef."""
        hints = resolve_hints(_underlying_function(self.func))
        return {**hints, "return": self.func} if isinstance(self.func, type) else hints

    @cached_property
    def fingerprint(self) -> str:
        """Shallow fingerprint of the callable.  Raises SignatureError (a TypeError) for state that cannot be read."""
        try:
            return shallow_fingerprint(self.func)
        except Unfingerprintable as error:
            raise SignatureError(
                error.reason,
                hint="define cache_key() on the object whose method is the node, and return what its results depend on",
            ) from error

    def _is_context_annotation(self, annotation: Any) -> bool:
        """Recognize `NodeContext`, also in `NodeContext | None` and as text, without resolving all annotations."""
        if isinstance(annotation, ForwardRef):
            annotation = annotation.__forward_arg__
        if isinstance(annotation, str):
            return any([self._is_context_name(part.strip()) for part in annotation.split("|")])
        return NodeContext in (get_args(annotation) if isinstance(annotation, UnionType) else (annotation,))

    def _is_context_name(self, text: str) -> bool:
        first, *rest = text.split(".")
        found: Any = getattr(_underlying_function(self.func), "__globals__", {}).get(first)
        for name in rest:
            found = getattr(found, name, None)
        # a name imported only under TYPE_CHECKING is not found, and recognized by its text
        return found is NodeContext or (found is None and text.rpartition(".")[2] == "NodeContext")


_MAIN_MODULES: Final = ("__main__", "__mp_main__")
_CACHED_ATTRIBUTES: Final = ("hints", "fingerprint")


def _signature_at(module: str, path: str) -> CallableSignature | None:
    """Return the signature of the node that is there; None if there is no node."""
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    signature = getattr(found, "_signature", None)
    return signature if isinstance(signature, CallableSignature) else None


def _call_signature(func: Callable[..., Any]) -> inspect.Signature:
    """Return the signature; that of a wrapped function only if the wrapper takes any keyword."""
    if isinstance(func, partial):  # `__wrapped__` of a partial (update_wrapper) would show bound parameters
        return signature_of(partial(func.func, *func.args, **func.keywords))
    if hasattr(func, "__wrapped__"):
        called = func if inspect.isroutine(func) else getattr(func, "__call__")  # noqa: B004, B009
        if inspect.isfunction(called) or inspect.ismethod(called):
            own = signature_of(called, follow_wrapped=False)
            if all([one.kind is not one.VAR_KEYWORD for one in own.parameters.values()]):
                return own
    return signature_of(func)


def identity_function(name: str, parameter: str) -> Callable[..., Any]:
    """Create a function that returns its one keyword argument, for nodes declared without a function."""

    def function(**values: Any) -> Any:
        return values[parameter]

    only = inspect.Parameter(parameter, inspect.Parameter.KEYWORD_ONLY, annotation=Any)
    function.__signature__ = inspect.Signature([only])  # type: ignore[attr-defined]
    function.__annotations__ = {parameter: Any}
    function.__name__ = name
    return function


def resolve_hints(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Resolve annotations as `typing.get_type_hints` does, each by itself if one of them cannot be resolved."""
    try:
        return get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001 - an annotation may raise anything; the others are resolved one by one
        return {name: _resolve_hint(hint, function) for name, hint in annotations_of(function).items()}


def _resolve_hint(hint: Any, function: Callable[..., Any]) -> Any:
    probe = type("Probe", (), {"__annotations__": {"hint": hint}})
    try:
        return get_type_hints(probe, getattr(function, "__globals__", {}), include_extras=True)["hint"]
    except Exception:  # noqa: BLE001 - an unresolvable annotation is reported where it is needed
        return ForwardRef(hint) if isinstance(hint, str) else hint


def _underlying_function(func: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function behind partials, classes and objects with `__call__`."""
    while isinstance(func, partial):
        func = func.func
    if inspect.isroutine(func):
        return func
    found: Callable[..., Any] = getattr(func, "__init__") if isinstance(func, type) else type(func).__call__  # noqa: B009
    return found
