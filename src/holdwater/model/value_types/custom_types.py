"""Types for which users have said how they are kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from holdwater.errors import ConfigError, DecodingError
from holdwater.model.error_report import describe_error
from holdwater.model.value_types.tag import (
    TAG,
    NotStorable,
    ReadFunction,
    ReviveFunction,
    Tree,
    ValueWriter,
    WriteFunction,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TypeRegistration:
    """Registration of a type.  Picklable if its functions are."""

    cls: type
    name: str
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


_by_class: Final[dict[type, TypeRegistration]] = {}
_by_name: Final[dict[str, TypeRegistration]] = {}
_lock: Final = threading.Lock()


def register_type(cls: type[T], name: str, encode: Callable[[T], Any], decode: Callable[[Any], T]) -> None:
    """Say how values of a class are kept: `encode` gives something that can be stored, `decode` makes the value of it.

    `cls`: exactly this class; subclasses are registered themselves.  `name`: what the stored value is marked with; it
    must stay the same as long as there are such values, wherever the class moves.  Each value is read back when it is
    stored, and refused unless `encode` gives the same for what `decode` made.  Every process that reads such values
    registers the type, best in the module of the class.  Registering the same class again replaces what was said.

    Raises ConfigError for a name that another class has, a class with another name, a builtin kind, and what is no
    class or no function.
    """
    if not isinstance(cls, type):
        raise ConfigError(f"register_type: the first argument is a class, not {cls!r}")
    if type(name) is not str or not name.isprintable() or not name.strip():
        raise ConfigError(f"register_type: the name of {cls.__qualname__} is a text, not {name!r}")
    if not callable(encode) or not callable(decode):
        raise ConfigError(f"register_type: encode and decode of {cls.__qualname__} are functions")
    if _is_builtin(cls):
        raise ConfigError(
            f"register_type: {cls.__qualname__} is kept exactly as it is", hint="register a subclass of it instead"
        )
    add_registration(TypeRegistration(cls, name, encode, decode))


def _is_builtin(cls: type) -> bool:
    from holdwater.model.value_types import (  # not before they are needed: they import much
        containers,
        datetimes,
        scalars,
    )

    plain = (str, int, float, bool, type(None), list, dict)
    return any([cls in kinds for kinds in (plain, scalars.WRITERS, datetimes.WRITERS, containers.WRITERS)])


def add_registration(registration: TypeRegistration) -> None:
    """The same with what is known to be in order.  Raises ConfigError for a conflict."""
    with _lock:
        holder, earlier = _by_name.get(registration.name), _by_class.get(registration.cls)
        if holder is not None and not _is_same_class(holder.cls, registration.cls):
            class_name = f"{holder.cls.__module__}.{holder.cls.__qualname__}"
            raise ConfigError(
                f"register_type: the name {registration.name!r} is that of {class_name}",
                hint="take another name, for example with the name of your package in front",
            )
        if earlier is not None and earlier.name != registration.name:
            raise ConfigError(
                f"register_type: {registration.cls.__qualname__} is registered as {earlier.name!r} already"
            )
        if holder is not None:
            _by_class.pop(holder.cls, None)  # the class was defined again: a module reloaded, a cell run twice
        _by_class[registration.cls] = _by_name[registration.name] = registration


def find_registration(name: str) -> TypeRegistration | None:
    """Return the registration of a name."""
    return _by_name.get(name)


def registered_names(*modules: str) -> list[str]:
    """The names registered for classes of these modules."""
    return [one.name for one in list(_by_name.values()) if one.cls.__module__ in modules]


def find_writer(kind: type) -> WriteFunction | None:
    """Find the writer of a registered class."""
    return _write_registered if kind in _by_class else None


def _is_same_class(a: type, b: type) -> bool:
    return a is b or (a.__module__, a.__qualname__) == (b.__module__, b.__qualname__)


def _write_registered(value: Any, writer: ValueWriter) -> Tree:
    one = _by_class[type(value)]
    writer.needs_verification = True
    try:
        data = one.encode(value)
    except Exception as error:
        raise NotStorable(
            f"cannot be stored: encode of {one.name!r} raised {describe_error(error)}",
            f"mend the function that was given to register_type({type(value).__qualname__}, ...)",
        ) from error
    return {TAG: "type", "n": one.name, "v": writer.write(data)}


def _read_registered(tree: dict[str, Any], revive: ReviveFunction) -> Any:
    name = tree["n"]
    one = _by_name.get(name) if type(name) is str else None
    if one is None:
        raise DecodingError(
            f"stored value is of the type {name!r}, which is not registered here",
            hint="import the module that calls register_type() for it before the run is read",
        )
    made = one.decode(revive(tree["v"]))
    if type(made) is not one.cls:
        raise DecodingError(f"decode of {name!r} made a {type(made).__qualname__} instead of a {one.cls.__qualname__}")
    return made


READERS: Final[dict[str, ReadFunction]] = {"type": _read_registered}
