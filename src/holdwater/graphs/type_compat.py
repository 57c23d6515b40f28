"""Compatibility of annotations with each other and with values.

A pair that cannot be decided (Any, type variables, protocols without runtime checks, unresolvable names) counts as
compatible.
"""

from __future__ import annotations

import collections.abc
import types
import typing
import warnings
from typing import Annotated, Any, Final, ForwardRef, Literal, NewType, ParamSpec, TypeVar, Union

_NUMERIC_TOWER: Final[dict[Any, tuple[type, ...]]] = {float: (int,), complex: (int, float)}
"""class -> classes accepted for it without inheritance (PEP 484)"""
_BOTTOM_TYPES: Final = (typing.Never, typing.NoReturn)


def is_assignable(source: Any, target: Any) -> bool:
    """Return True if every value of `source` is accepted where `target` is required.

    An unresolvable name is compatible, with a UserWarning.
    """
    source, target = _strip_aliases(source), _strip_aliases(target)
    if source == target or source in _BOTTOM_TYPES or target is object or _is_dynamic(source) or _is_dynamic(target):
        return True
    members = _alternatives(source)
    if len(members) > 1:
        return all([is_assignable(member, target) for member in members])
    if _is_union(target):
        return any([is_assignable(source, member) for member in typing.get_args(target)])
    if isinstance(target, NewType):
        return isinstance(source, NewType) and is_assignable(source.__supertype__, target)
    if isinstance(source, NewType):
        return is_assignable(source.__supertype__, target)
    if typing.get_origin(source) is Literal:
        return _is_literal_assignable(typing.get_args(source)[0], target)
    if typing.get_origin(target) is Literal:
        return False
    wanted = typing.get_origin(target) or target
    given = typing.get_origin(source) or source
    if not isinstance(wanted, type) or not isinstance(given, type):
        return True
    return _is_subclass(given, wanted) and _are_arguments_assignable(source, given, target, wanted)


def is_instance(value: Any, annotation: Any) -> bool:
    """Return True if a value, including its contents, matches an annotation."""
    annotation = _strip_aliases(annotation)
    if annotation is object or _is_dynamic(annotation):
        return True
    if _is_union(annotation):
        return any([is_instance(value, member) for member in typing.get_args(annotation)])
    if isinstance(annotation, NewType):
        return is_instance(value, annotation.__supertype__)
    origin, arguments = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if origin is Literal:
        return any([value == member and type(value) is type(member) for member in arguments])
    if not isinstance(origin, type):
        return True
    if typing.is_typeddict(origin):
        return isinstance(value, dict) and _is_typeddict_instance(value, origin)
    if not _is_class_instance(value, origin):
        return False
    if origin is tuple:
        return _is_tuple_instance(value, arguments)
    if origin is type and arguments:
        return is_assignable(value, arguments[0])
    if len(arguments) == 2 and isinstance(value, collections.abc.Mapping):
        return all([is_instance(key, arguments[0]) and is_instance(value[key], arguments[1]) for key in value])
    if len(arguments) == 1 and isinstance(value, collections.abc.Collection):
        return all([is_instance(one, arguments[0]) for one in value])
    return True


def format_type(annotation: Any) -> str:
    """Format an annotation as in source code."""
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__qualname__
    return str(annotation).replace("typing.", "").replace("collections.abc.", "")


# -- kinds of annotations


def _strip_aliases(annotation: Any) -> Any:
    """Resolve aliases and drop metadata; None becomes NoneType."""
    while True:
        if typing.get_origin(annotation) is Annotated:
            annotation = typing.get_args(annotation)[0]
        elif type(annotation).__name__ == "TypeAliasType":  # Python 3.12 and later
            annotation = annotation.__value__
        else:
            return types.NoneType if annotation is None else annotation


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union or the values of a literal; any other annotation as the only one."""
    if _is_union(annotation):
        return typing.get_args(annotation)
    if typing.get_origin(annotation) is Literal:
        return tuple([Literal[value] for value in typing.get_args(annotation)])
    return (annotation,)


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (Union, types.UnionType)


def _is_dynamic(annotation: Any) -> bool:
    """Return True if the annotation is compatible with every other one."""
    if isinstance(annotation, (str, ForwardRef)):
        name = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        warnings.warn(f"the annotation {name!r} cannot be resolved, so it is not checked", UserWarning, stacklevel=3)
        return True
    return annotation is Any or annotation is ... or isinstance(annotation, (TypeVar, ParamSpec))


def _is_literal_assignable(value: Any, target: Any) -> bool:
    if typing.get_origin(target) is Literal:
        return any([value == member and type(value) is type(member) for member in typing.get_args(target)])
    return is_assignable(type(value), target)


def _is_subclass(source_class: type, target_class: type) -> bool:
    if any([issubclass(source_class, stand_in) for stand_in in _NUMERIC_TOWER.get(target_class, ())]):
        return True
    if typing.is_typeddict(target_class):
        theirs = typing.get_type_hints(source_class) if typing.is_typeddict(source_class) else {}
        return _required_keys(target_class) <= theirs.keys() and all(
            [
                is_assignable(theirs[name], hint)
                for name, hint in typing.get_type_hints(target_class).items()
                if name in theirs
            ]
        )
    try:
        return issubclass(source_class, target_class)
    except TypeError:  # a protocol that cannot be looked at
        return True


def _is_class_instance(value: Any, target_class: type) -> bool:
    try:
        return isinstance(value, (target_class, *_NUMERIC_TOWER.get(target_class, ())))
    except TypeError:  # a protocol that cannot be looked at
        return True


# -- arguments of generic classes


def _are_arguments_assignable(source: Any, source_class: type, target: Any, target_class: Any) -> bool:
    asked = typing.get_args(target)
    if not asked:
        return True
    if target_class is collections.abc.Callable:
        return _is_callable_assignable(typing.get_args(source), asked)
    if issubclass(source_class, tuple):
        return _is_tuple_assignable(_tuple_item_types(source, source_class), asked, target_class)
    if source_class in (str, bytes):
        return is_assignable(str if source_class is str else int, asked[0])
    # list[int] is an Iterable[int], and dict[str, int] an Iterable[str]: common parameters come first
    return all(
        [
            is_assignable(ours, theirs)
            for ours, theirs in zip(_type_arguments(source, source_class, target_class), asked)
        ]
    )


def _type_arguments(source: Any, source_class: type, target_class: type) -> tuple[Any, ...]:
    """Return the arguments of a generic class, or those a plain class inherits from one with."""
    found = typing.get_args(source)
    if found:
        return found
    for cls in source_class.__mro__:
        for base in getattr(cls, "__orig_bases__", ()):
            origin = typing.get_origin(base)
            if isinstance(origin, type) and origin.__module__ != "typing" and _is_subclass(origin, target_class):
                return typing.get_args(base)
    return ()


def _tuple_item_types(source: Any, source_class: type) -> tuple[Any, ...]:
    if hasattr(source_class, "_fields"):  # a NamedTuple
        hints = typing.get_type_hints(source_class)
        return tuple([hints.get(name, Any) for name in source_class._fields])
    return _type_arguments(source, source_class, tuple)


def _is_tuple_assignable(source_args: tuple[Any, ...], target_args: tuple[Any, ...], target_class: type) -> bool:
    if not source_args:
        return True
    ours_vary = len(source_args) == 2 and source_args[1] is ...
    if target_class is not tuple or (len(target_args) == 2 and target_args[1] is ...):
        return all([is_assignable(one, target_args[0]) for one in source_args if one is not ...])
    return not ours_vary and len(source_args) == len(target_args) and all(map(is_assignable, source_args, target_args))


def _is_callable_assignable(source_args: tuple[Any, ...], target_args: tuple[Any, ...]) -> bool:
    """Compare callables; parameters are contravariant: a function of object accepts an int."""
    if not source_args:
        return True
    mine, wanted = source_args[0], target_args[0]
    listed = isinstance(mine, list) and isinstance(wanted, list)
    if listed and not (len(mine) == len(wanted) and all(map(is_assignable, wanted, mine))):
        return False
    return is_assignable(source_args[-1], target_args[-1])


# -- contents of values


def _is_tuple_instance(value: tuple[Any, ...], arguments: tuple[Any, ...]) -> bool:
    if not arguments:
        return True
    if len(arguments) == 2 and arguments[1] is ...:
        return all([is_instance(one, arguments[0]) for one in value])
    return len(value) == len(arguments) and all(map(is_instance, value, arguments))


def _is_typeddict_instance(value: dict[str, Any], definition: type) -> bool:
    hints = typing.get_type_hints(definition)
    return _required_keys(definition) <= value.keys() and all(
        [name in hints and is_instance(one, hints[name]) for name, one in value.items()]
    )


def _required_keys(definition: type) -> set[str]:
    """Return the required keys by resolved annotations; `__required_keys__` is wrong for textual NotRequired."""
    required = set(getattr(definition, "__required_keys__", ()))
    for name, hint in typing.get_type_hints(definition, include_extras=True).items():
        if typing.get_origin(hint) is typing.NotRequired:
            required.discard(name)
        elif typing.get_origin(hint) is typing.Required:
            required.add(name)
    return required
