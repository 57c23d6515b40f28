"""Gates: nodes without data outputs that decide which of their targets may run."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Unpack, final

from holdwater.errors import GraphConfigError, NodeReturnError, SignatureError
from holdwater.fingerprint.shallow import json_digest
from holdwater.graphs.messages import type_with_article
from holdwater.graphs.nodes.base import PortOptions
from holdwater.graphs.nodes.call_node import CallNode, P, R, default_node_name, node_signature
from holdwater.graphs.nodes.signatures import CallableSignature, identity_function


@final
class _End(str):
    """The class of END.  Its text is no valid name of a node, so that END never equals one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "END"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format("END", spec)

    def __reduce__(self) -> str:
        return "END"  # pickle and deepcopy find the one object by this name

    def __deepcopy__(self, memo: object) -> _End:
        return self


END: Final = _End("<end of the graph>")
"""The target for "no node follows".  Compare with `is`."""


def target_text(target: str) -> str:
    """Return the recorded text of a target: "END" for END, the value for a member of a str enum."""
    return "END" if target is END else str.__str__(target)


class GateOptions(PortOptions, total=False):
    """Keywords of all gates.  `default_open`: targets may run before the first decision, if they have their inputs."""

    default_open: bool
    name: str | None


class GateNode(CallNode[P, R]):
    """A node that opens targets; it has only emitted outputs."""

    is_gate = True

    targets: tuple[str, ...]
    descriptions: Mapping[Any, str]
    multi_target: bool = False
    default_open: bool

    def __init__(
        self,
        signature: CallableSignature,
        name: str,
        targets: Iterable[str],
        *,
        descriptions: Mapping[Any, str] | None = None,
        default_open: bool = True,
        **ports: Unpack[PortOptions],
    ) -> None:
        if signature.is_async or signature.is_generator:
            raise SignatureError(
                f"gate {name!r} must be a plain function: a decision is made at once",
                hint="do what takes time in a node before it and decide on its output",
            )
        super().__init__(signature, name, **ports)
        targets = tuple(dict.fromkeys(targets))
        for target in targets:
            self._check_target(name, target)
        self._set_fields(targets=targets, descriptions=dict(descriptions or {}), default_open=bool(default_open))

    @abstractmethod
    def decide(self, returned: Any) -> tuple[str, ...]:
        """Return the names of the targets a return value opens, END as "END".  Raises NodeReturnError."""

    @property
    def definition_hash(self) -> str:
        return json_digest([self._signature.fingerprint, *self._hash_parts()])

    def _hash_parts(self) -> list[object]:
        return [[target_text(target) for target in self.targets], self.multi_target]

    @staticmethod
    def _check_target(gate: str, target: object) -> None:
        if not isinstance(target, str) or not target:
            raise GraphConfigError(f"a target of gate {gate!r} is the name of a node or END, not {target!r}")
        if target is not END and target in ("END", str.__str__(END)):
            raise GraphConfigError(
                f"gate {gate!r} has the text {target!r} as a target", hint="import END and use it without quotes"
            )

    @property
    def _target_list(self) -> str:
        return ", ".join([repr(target) for target in self.targets])


class RouteNode(GateNode[P, R]):
    """A gate whose function returns the name of a target, or with `multi_target` a list of names."""

    fallback: str | None

    def __init__(
        self,
        source: Callable[P, R],
        targets: Iterable[str] | Mapping[str, str],
        *,
        fallback: str | None = None,
        multi_target: bool = False,
        default_open: bool = True,
        name: str | None = None,
        **ports: Unpack[PortOptions],
    ) -> None:
        name = name or default_node_name(source)
        if isinstance(targets, str):
            raise GraphConfigError(f"the targets of gate {name!r} are a list", hint=f"[{targets!r}]")
        names = tuple(targets)
        if not names:
            raise GraphConfigError(f"gate {name!r} has no targets")
        if fallback is not None:
            if multi_target:
                raise GraphConfigError(
                    f"gate {name!r} has fallback and multi_target",
                    hint="a list says what to do by itself: return the fallback in it",
                )
            names += (fallback,)
        super().__init__(
            node_signature(source, f"gate {name!r}"),
            name,
            names,
            descriptions=targets if isinstance(targets, Mapping) else None,
            default_open=default_open,
            **ports,
        )
        self._set_fields(fallback=fallback, multi_target=bool(multi_target))

    def decide(self, returned: Any) -> tuple[str, ...]:
        if returned is None:
            return () if self.fallback is None else (target_text(self.fallback),)
        if not self.multi_target:
            return (self._resolve_target(returned),)
        if not isinstance(returned, list):
            several = isinstance(returned, (tuple, set, frozenset, dict))
            as_list = list(returned) if several else [returned]
            raise NodeReturnError(
                f"gate {self.name!r} returned {returned!r}, but with multi_target it returns a list of targets",
                hint=f"return {as_list!r}; the targets are {self._target_list}",
            )
        return tuple(dict.fromkeys([self._resolve_target(one) for one in returned]))

    def _resolve_target(self, returned: Any) -> str:
        if isinstance(returned, str) and returned in self.targets and (returned is END) == (returned == END):
            return target_text(returned)
        if isinstance(returned, (list, tuple, set, frozenset)):
            hint = "return one name, or make it a gate with multi_target=True"
        elif isinstance(returned, str) and END in self.targets and returned in ("END", str.__str__(END)):
            hint = "return END itself, without quotes"
            warnings.warn(f"gate {self.name!r} returned the text {returned!r} instead of END", UserWarning, 3)
        else:
            hint = "return one of them, or add it to the targets"
        raise NodeReturnError(
            f"gate {self.name!r} returned {returned!r}, which is none of its targets: {self._target_list}", hint=hint
        )


def _is_numpy_scalar(value: Any) -> bool:
    """Return True for a scalar of NumPy."""
    return type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0


class IfElseNode(GateNode[P, R]):
    """A gate whose function returns True or False."""

    when_true: str
    when_false: str

    def __init__(
        self,
        source: Callable[P, R],
        when_true: str,
        when_false: str,
        *,
        default_open: bool = True,
        name: str | None = None,
        **ports: Unpack[PortOptions],
    ) -> None:
        name = name or default_node_name(source)
        if when_true == when_false:
            raise GraphConfigError(f"gate {name!r} has {when_true!r} for true and for false: it decides nothing")
        super().__init__(
            node_signature(source, f"gate {name!r}"),
            name,
            (when_true, when_false),
            descriptions={True: "True", False: "False"},
            default_open=default_open,
            **ports,
        )
        self._set_fields(when_true=when_true, when_false=when_false)

    def decide(self, returned: Any) -> tuple[str, ...]:
        truth = returned.item() if _is_numpy_scalar(returned) else returned
        if truth is True:
            return (target_text(self.when_true),)
        if truth is False:
            return (target_text(self.when_false),)
        raise NodeReturnError(
            f"gate {self.name!r} returned {returned!r}, {type_with_article(returned)}, but it returns True"
            f" (to {self.when_true!r}) or False (to {self.when_false!r})",
            hint="return bool(...) of it if that is what you mean",
        )


class TypeRouteNode(GateNode[..., Any]):
    """A gate that opens the target of the first class its input is an instance of."""

    fallback: str | None
    classes: tuple[tuple[type, str], ...]

    def __init__(
        self,
        name: str,
        input_param: str,
        targets: Mapping[type, str],
        fallback: str | None = None,
        *,
        default_open: bool = True,
        **ports: Unpack[PortOptions],
    ) -> None:
        chosen = tuple(targets.items())
        if not chosen:
            raise GraphConfigError(f"gate {name!r} has no targets")
        for kind, _ in chosen:
            if not isinstance(kind, type):
                raise GraphConfigError(f"gate {name!r} chooses by class, and {kind!r} is none")
        names = [target for _, target in chosen] + ([] if fallback is None else [fallback])
        super().__init__(
            CallableSignature(identity_function(name, input_param), f"gate {name!r}"),
            name,
            names,
            descriptions={target: kind.__name__ for kind, target in reversed(chosen)},
            default_open=default_open,
            **ports,
        )
        self._set_fields(classes=chosen, fallback=fallback)

    @property
    def input_param(self) -> str:
        """The current name of its one input."""
        return self.inputs[0]

    def decide(self, returned: Any) -> tuple[str, ...]:
        for kind, target in self.classes:
            if isinstance(returned, kind):
                return (target_text(target),)
        if self.fallback is not None:
            return (target_text(self.fallback),)
        expected = ", ".join([kind.__name__ for kind, _ in self.classes])
        raise NodeReturnError(
            f"gate {self.name!r} got {type_with_article(returned)} as {self.input_param!r}, but only knows {expected}",
            hint="add the class to the targets, or set a fallback",
        )

    def _hash_parts(self) -> list[object]:
        return [*super()._hash_parts(), [f"{kind.__module__}.{kind.__qualname__}" for kind, _ in self.classes]]


def route(
    targets: Iterable[str] | Mapping[str, str],
    *,
    fallback: str | None = None,
    multi_target: bool = False,
    **options: Unpack[GateOptions],
) -> Callable[[Callable[P, R]], RouteNode[P, R]]:
    """Create a gate from a function that returns the name of the target to run, END, or None for the fallback.

    - `targets`: names of nodes and END, or a mapping of them to descriptions.
    - `fallback`: the target for None; by default None opens no target.
    - `multi_target`: the function returns a list of targets, which may be empty.
    - `default_open=False`: targets wait for the first decision even if they have their inputs.
    """
    if callable(targets):
        raise SignatureError("@route needs its targets", hint='@route(["a", "b", END])')
    return lambda function: RouteNode(function, targets, fallback=fallback, multi_target=multi_target, **options)


def ifelse(
    when_true: str, when_false: str, **options: Unpack[GateOptions]
) -> Callable[[Callable[P, R]], IfElseNode[P, R]]:
    """Create a gate with two targets from a function that returns True or False."""
    return lambda function: IfElseNode(function, when_true, when_false, **options)


branch = ifelse
