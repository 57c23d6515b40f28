"""Whether an annotation fits another, and whether a value is of one.

Annotations describe, they prove nothing: what cannot be known (Any, type variables, protocols that cannot be looked at,
names that cannot be resolved) fits.
"""

from __future__ import annotations

import collections.abc
import types
import typing
import warnings
from typing import Annotated, Any, Final, ForwardRef, Literal, NewType, ParamSpec, TypeVar, Union

_TOWER: Final[dict[Any, tuple[type, ...]]] = {float: (int,), complex: (int, float)}
"""classes that stand for another one although they do not inherit from it (PEP 484)"""
_NOTHING: Final = (typing.Never, typing.NoReturn)


def fits(source: Any, target: Any) -> bool:
    """Whether every value of `source` may be given where `target` is asked for.

    A name that cannot be resolved fits, with a UserWarning.
    """
    source, target = _bare(source), _bare(target)
    if source == target or source in _NOTHING or target is object or _is_open(source) or _is_open(target):
        return True
    members = _members(source)
    if len(members) > 1:
        return all([fits(member, target) for member in members])
    if _is_union(target):
        return any([fits(source, member) for member in typing.get_args(target)])
    if isinstance(target, NewType):
        return isinstance(source, NewType) and fits(source.__supertype__, target)
    if isinstance(source, NewType):
        return fits(source.__supertype__, target)
    if typing.get_origin(source) is Literal:
        return _literal_fits(typing.get_args(source)[0], target)
    if typing.get_origin(target) is Literal:
        return False
    wanted = typing.get_origin(target) or target
    given = typing.get_origin(source) or source
    if not isinstance(wanted, type) or not isinstance(given, type):
        return True
    return _is_subclass(given, wanted) and _arguments_fit(source, given, target, wanted)


def holds(value: Any, annotation: Any) -> bool:
    """Whether a value is of an annotation, with all it contains."""
    annotation = _bare(annotation)
    if annotation is object or _is_open(annotation):
        return True
    if _is_union(annotation):
        return any([holds(value, member) for member in typing.get_args(annotation)])
    if isinstance(annotation, NewType):
        return holds(value, annotation.__supertype__)
    origin, arguments = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if origin is Literal:
        return any([value == member and type(value) is type(member) for member in arguments])
    if not isinstance(origin, type):
        return True
    if typing.is_typeddict(origin):
        return isinstance(value, dict) and _fields_hold(value, origin)
    if not _is_instance(value, origin):
        return False
    if origin is tuple:
        return _tuple_holds(value, arguments)
    if origin is type and arguments:
        return fits(value, arguments[0])
    if len(arguments) == 2 and isinstance(value, collections.abc.Mapping):
        return all([holds(key, arguments[0]) and holds(value[key], arguments[1]) for key in value])
    if len(arguments) == 1 and isinstance(value, collections.abc.Collection):
        return all([holds(one, arguments[0]) for one in value])
    return True


def spelled(annotation: Any) -> str:
    """An annotation as it is written in code."""
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__qualname__
    return str(annotation).replace("typing.", "").replace("collections.abc.", "")


# -- kinds of annotations


def _bare(annotation: Any) -> Any:
    """Without aliases and metadata; None as its type."""
    while True:
        if typing.get_origin(annotation) is Annotated:
            annotation = typing.get_args(annotation)[0]
        elif type(annotation).__name__ == "TypeAliasType":  # Python 3.12 and later
            annotation = annotation.__value__
        else:
            return types.NoneType if annotation is None else annotation


def _members(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of a union, the values of a literal; of anything else, itself."""
    if _is_union(annotation):
        return typing.get_args(annotation)
    if typing.get_origin(annotation) is Literal:
        return tuple([Literal[value] for value in typing.get_args(annotation)])
    return (annotation,)


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (Union, types.UnionType)


def _is_open(annotation: Any) -> bool:
    """Whether everything fits it and it fits everything."""
    if isinstance(annotation, (str, ForwardRef)):
        name = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        warnings.warn(f"the annotation {name!r} cannot be resolved, so it is not checked", UserWarning, stacklevel=3)
        return True
    return annotation is Any or annotation is ... or isinstance(annotation, (TypeVar, ParamSpec))


def _literal_fits(value: Any, target: Any) -> bool:
    if typing.get_origin(target) is Literal:
        return any([value == member and type(value) is type(member) for member in typing.get_args(target)])
    return fits(type(value), target)


def _is_subclass(given: type, wanted: type) -> bool:
    if any([issubclass(given, stand_in) for stand_in in _TOWER.get(wanted, ())]):
        return True
    if typing.is_typeddict(wanted):
        theirs = typing.get_type_hints(given) if typing.is_typeddict(given) else {}
        return _required(wanted) <= theirs.keys() and all(
            [fits(theirs[name], hint) for name, hint in typing.get_type_hints(wanted).items() if name in theirs]
        )
    try:
        return issubclass(given, wanted)
    except TypeError:  # a protocol that cannot be looked at
        return True


def _is_instance(value: Any, wanted: type) -> bool:
    try:
        return isinstance(value, (wanted, *_TOWER.get(wanted, ())))
    except TypeError:  # a protocol that cannot be looked at
        return True


# -- arguments of generic classes


def _arguments_fit(source: Any, given: type, target: Any, wanted: Any) -> bool:
    asked = typing.get_args(target)
    if not asked:
        return True
    if wanted is collections.abc.Callable:
        return _signature_fits(typing.get_args(source), asked)
    if issubclass(given, tuple):
        return _tuple_fits(_tuple_arguments(source, given), asked, wanted)
    if given in (str, bytes):
        return fits(str if given is str else int, asked[0])
    # list[int] is an Iterable[int], dict[str, int] too an Iterable[str]: what both name stands first
    return all([fits(ours, theirs) for ours, theirs in zip(_class_arguments(source, given, wanted), asked)])


def _class_arguments(source: Any, given: type, wanted: type) -> tuple[Any, ...]:
    """The arguments of a generic class, or those with which a plain class inherits from one."""
    found = typing.get_args(source)
    if found:
        return found
    for cls in given.__mro__:
        for base in getattr(cls, "__orig_bases__", ()):
            origin = typing.get_origin(base)
            if isinstance(origin, type) and origin.__module__ != "typing" and _is_subclass(origin, wanted):
                return typing.get_args(base)
    return ()


def _tuple_arguments(source: Any, given: type) -> tuple[Any, ...]:
    if hasattr(given, "_fields"):  # a NamedTuple
        hints = typing.get_type_hints(given)
        return tuple([hints.get(name, Any) for name in given._fields])
    return _class_arguments(source, given, tuple)


def _tuple_fits(ours: tuple[Any, ...], asked: tuple[Any, ...], wanted: type) -> bool:
    if not ours:
        return True
    ours_vary = len(ours) == 2 and ours[1] is ...
    if wanted is not tuple or (len(asked) == 2 and asked[1] is ...):
        return all([fits(one, asked[0]) for one in ours if one is not ...])
    return not ours_vary and len(ours) == len(asked) and all(map(fits, ours, asked))


def _signature_fits(ours: tuple[Any, ...], asked: tuple[Any, ...]) -> bool:
    """Parameters the other way round: who takes any object also takes an int."""
    if not ours:
        return True
    mine, wanted = ours[0], asked[0]
    listed = isinstance(mine, list) and isinstance(wanted, list)
    if listed and not (len(mine) == len(wanted) and all(map(fits, wanted, mine))):
        return False
    return fits(ours[-1], asked[-1])


# -- contents of values


def _tuple_holds(value: tuple[Any, ...], arguments: tuple[Any, ...]) -> bool:
    if not arguments:
        return True
    if len(arguments) == 2 and arguments[1] is ...:
        return all([holds(one, arguments[0]) for one in value])
    return len(value) == len(arguments) and all(map(holds, value, arguments))


def _fields_hold(value: dict[str, Any], definition: type) -> bool:
    hints = typing.get_type_hints(definition)
    return _required(definition) <= value.keys() and all(
        [name in hints and holds(one, hints[name]) for name, one in value.items()]
    )


def _required(definition: type) -> set[str]:
    """Asked of the resolved annotations: those that are text have not told the class that they are NotRequired."""
    required = set(getattr(definition, "__required_keys__", ()))
    for name, hint in typing.get_type_hints(definition, include_extras=True).items():
        if typing.get_origin(hint) is typing.NotRequired:
            required.discard(name)
        elif typing.get_origin(hint) is typing.Required:
            required.add(name)
    return required
