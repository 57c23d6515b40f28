"""Instances of users' classes: enums, named tuples, dataclasses and pydantic models.

What is stored is the state of the instance, as `pickle` sees it: its `__dict__` and its slots.  Reading makes an empty
instance and puts the state back: no constructor, no `__post_init__` and no validator runs, neither on the way out nor
back.  So what a class does when it is built cannot make another value of it.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from enum import Enum, Flag
from types import BuiltinFunctionType, MemberDescriptorType
from typing import Any, Final
from weakref import WeakKeyDictionary

from holdwater.errors import DecodingError
from holdwater.model.value_types.class_names import class_path, resolve_stored_class
from holdwater.model.value_types.tag import (
    TAG,
    NotStorable,
    ReadFunction,
    ReviveFunction,
    Tree,
    ValueWriter,
    WriteFunction,
)

_HEAP_TYPE: Final = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement, or in C the new way

SlotDescriptors = Mapping[str, MemberDescriptorType]
_slots_by_class: Final[WeakKeyDictionary[type, SlotDescriptors]] = WeakKeyDictionary()
_fields_by_class: Final[WeakKeyDictionary[type, Mapping[str, dataclasses.Field[Any]]]] = WeakKeyDictionary()

# Set by `Box[int](...)`.  It is no part of the value: no comparison and no repr sees it.
_IGNORED_ATTRIBUTE: Final = "__orig_class__"


# -- state


def _class_slots(kind: type, base: type = object) -> SlotDescriptors:
    """The slots of a class, all its state beside `__dict__`.  Raises Refused if there is more than Python can see."""
    found = _slots_by_class.get(kind)
    if found is not None:
        return found
    slots: dict[str, MemberDescriptorType] = {}
    for cls in kind.__mro__:
        if cls is base or cls is object:
            continue
        made_by = vars(cls).get("__new__")
        if not cls.__flags__ & _HEAP_TYPE or (isinstance(made_by, BuiltinFunctionType) and made_by.__self__ is cls):
            raise NotStorable(
                f"is of class {kind.__module__}.{kind.__qualname__}, a subclass of {cls.__qualname__}, "
                "whose contents cannot be stored with it",
                f"make the {cls.__qualname__} a field of the class, or register_type({kind.__qualname__}, ...)",
            )
        for name, slot in vars(cls).items():
            if isinstance(slot, MemberDescriptorType):
                slots.setdefault(name, slot)
    _slots_by_class[kind] = slots
    return slots


def _instance_state(value: Any, base: type = object) -> dict[str, Any]:
    """Return the attributes of the instance, by name."""
    kind = type(value)
    state: dict[str, Any] = {}
    for name, slot in _class_slots(kind, base).items():
        try:
            state[name] = slot.__get__(value, kind)
        except AttributeError:  # it has no value
            continue
    if kind.__dictoffset__:
        state.update(object.__getattribute__(value, "__dict__"))
    state.pop(_IGNORED_ATTRIBUTE, None)
    return state


def _restore_state(made: Any, state: Mapping[str, Any], base: type = object) -> Any:
    """Put state into an instance, past every `__setattr__`."""
    kind = type(made)
    slots = _class_slots(kind, base)
    held = state if not slots else {name: value for name, value in state.items() if name not in slots}
    if len(held) != len(state):
        for name, value in state.items():
            if name in slots:
                slots[name].__set__(made, value)
    if held:
        if not kind.__dictoffset__:
            raise DecodingError(
                f"stored {kind.__qualname__} has the attribute {next(iter(held))!r}, for which the class has no place "
                "any more"
            )
        object.__getattribute__(made, "__dict__").update(held)
    return made


# -- fields


def _write_fields(
    tag: str, value: Any, fields: Mapping[str, Any], state: dict[str, Any], writer: ValueWriter
) -> dict[str, Any]:
    """Write the keys v (fields), u (names of fields without a value) and x (attributes that are no fields)."""
    if writer.hash_depth:
        writer.needs_verification = True  # `__hash__` and `__eq__` of the class run when it is read
    tree: dict[str, Any] = {TAG: tag, "c": class_path(type(value))}
    if state.keys() == fields.keys():
        tree["v"] = writer.write_mapping(state)
        return tree
    tree["v"] = writer.write_mapping({name: held for name, held in state.items() if name in fields})
    if unset := sorted(set(fields) - state.keys()):
        tree["u"] = unset
    if others := {name: held for name, held in state.items() if name not in fields}:
        tree["x"] = writer.write_mapping(others)
    return tree


def _read_fields(
    cls: type, tree: dict[str, Any], revive: ReviveFunction, current_fields: Mapping[str, Any], default: Any
) -> dict[str, Any]:
    """The stored fields, as the class has them now: new ones by their defaults.  Raises DecodingError."""
    stored: dict[str, Any] = revive(tree["v"])
    if stored.keys() == current_fields.keys():
        return stored
    for name in stored:
        if name not in current_fields:
            raise DecodingError(
                f"stored {cls.__qualname__} has the field {name!r}, which the class has no more",
                hint="keep the field, with a default, as long as there are runs that hold such values",
            )
    for name in current_fields:
        if name not in stored and name not in tree.get("u", ()):
            stored[name] = default(name)
    return stored


def _missing_field_error(cls: type, name: str) -> DecodingError:
    return DecodingError(
        f"stored {cls.__qualname__} has no field {name!r}, which the class has got since, without a default",
        hint="give the new field a default",
    )


# -- dataclasses


def write_dataclass(value: Any, writer: ValueWriter) -> Tree:
    """A dataclass instance, with what its `__post_init__` or others have put beside the fields."""
    return _write_fields("dataclass", value, _dataclass_fields(type(value)), _instance_state(value), writer)


def _dataclass_fields(cls: type) -> Mapping[str, dataclasses.Field[Any]]:
    found = _fields_by_class.get(cls)
    if found is None:
        found = _fields_by_class[cls] = {field.name: field for field in dataclasses.fields(cls)}
    return found


def _read_dataclass(tree: dict[str, Any], revive: ReviveFunction) -> Any:
    cls = resolve_stored_class(tree, dataclasses.is_dataclass)
    fields = _dataclass_fields(cls)

    def default(name: str) -> Any:
        field = fields[name]
        if field.default is not dataclasses.MISSING:
            return field.default
        if field.default_factory is not dataclasses.MISSING:
            return field.default_factory()
        raise _missing_field_error(cls, name)

    state = _read_fields(cls, tree, revive, fields, default)
    if "x" in tree:
        state.update(revive(tree["x"]))
    return _restore_state(object.__new__(cls), state)


# -- pydantic models

_FIELDS_SET: Final = "__pydantic_fields_set__"
_EXTRA: Final = "__pydantic_extra__"
_PRIVATE: Final = "__pydantic_private__"


def is_pydantic_model(kind: type) -> bool:
    """Return True for a model of pydantic 2, without importing pydantic."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and hasattr(kind, "__pydantic_fields__") and issubclass(kind, pydantic.BaseModel)


def write_pydantic_model(value: Any, writer: ValueWriter) -> Tree:
    """A pydantic model: its fields as they are, which were set, extra values, private attributes."""
    state = _instance_state(value)
    was_set, extra, private = (state.pop(name, None) for name in (_FIELDS_SET, _EXTRA, _PRIVATE))
    tree = _write_fields("pydantic", value, type(value).__pydantic_fields__, state, writer)
    tree["s"] = sorted(was_set or ())
    for key, held in (("e", extra), ("p", private)):
        if held is not None:
            tree[key] = writer.write_mapping(held)
    return tree


def _read_pydantic_model(tree: dict[str, Any], revive: ReviveFunction) -> Any:
    cls = resolve_stored_class(tree, is_pydantic_model)
    fields = cls.__pydantic_fields__

    def default(name: str) -> Any:
        if fields[name].is_required():
            raise _missing_field_error(cls, name)
        return fields[name].get_default(call_default_factory=True, validated_data={})

    state = _read_fields(cls, tree, revive, fields, default)
    state.update(revive(tree.get("x", {})))
    state[_FIELDS_SET] = set(tree["s"])
    for key, slot in (("e", _EXTRA), ("p", _PRIVATE)):
        state[slot] = revive(tree[key]) if key in tree else None
    return _restore_state(object.__new__(cls), state)


# -- named tuples


def is_named_tuple(kind: type) -> bool:
    """Return True for a class of `namedtuple` or `NamedTuple`."""
    return issubclass(kind, tuple) and type(getattr(kind, "_fields", None)) is tuple


def write_named_tuple(value: Any, writer: ValueWriter) -> Tree:
    """A named tuple by its fields."""
    kind = type(value)
    if len(value) != len(kind._fields):
        raise NotStorable(
            f"is a {kind.__qualname__} of {len(value)} items, and the class has {len(kind._fields)} fields"
        )
    state = dict(zip(kind._fields, tuple.__iter__(value)))
    tree = _write_fields("namedtuple", value, state, state, writer)
    if others := _instance_state(value, tuple):
        tree["x"] = writer.write_mapping(others)
    return tree


def _read_named_tuple(tree: dict[str, Any], revive: ReviveFunction) -> Any:
    cls = resolve_stored_class(tree, is_named_tuple)

    def default(name: str) -> Any:
        if name in cls._field_defaults:
            return cls._field_defaults[name]
        raise _missing_field_error(cls, name)

    state = _read_fields(cls, tree, revive, dict.fromkeys(cls._fields), default)
    made = tuple.__new__(cls, [state[name] for name in cls._fields])
    return _restore_state(made, revive(tree["x"]), tuple) if "x" in tree else made


# -- enums


def write_enum(value: Enum, writer: ValueWriter) -> Tree:
    """A member by its name."""
    kind = type(value)
    if isinstance(value, Flag):
        return _write_flag(value)
    if kind.__members__.get(value.name) is not value:
        raise NotStorable(f"is {value!r}, which is no member of {kind.__qualname__}", "store value.value")
    return {TAG: "enum", "c": class_path(kind), "v": value.name}


def _write_flag(value: Flag) -> Tree:
    """Write flags by the names of their bits, and under r the bits without a name."""
    kind = type(value)
    members = list(value)
    rest = value.value
    for member in members:
        rest &= ~member.value
    if kind(value.value) is not value:
        raise NotStorable(f"is {value!r}, which is no member of {kind.__qualname__}", "store value.value")
    tree = {TAG: "flag", "c": class_path(kind), "v": [member.name for member in members]}
    return {**tree, "r": rest} if rest else tree


def _read_enum(tree: dict[str, Any], revive: ReviveFunction) -> Any:
    cls = resolve_stored_class(tree, lambda c: issubclass(c, Enum))
    return _enum_member(cls, tree["v"])


def _read_flag(tree: dict[str, Any], revive: ReviveFunction) -> Any:
    cls = resolve_stored_class(tree, lambda c: issubclass(c, Flag))
    bits = tree.get("r", 0)
    for name in tree["v"]:
        bits |= _enum_member(cls, name).value
    return cls(bits)


def _enum_member(cls: Any, name: str) -> Any:
    found = cls.__members__.get(name)
    if found is None:
        raise DecodingError(
            f"stored value is {cls.__qualname__}.{name}, which is no member any more",
            hint=f"keep the name as an alias: {name} = ...",
        )
    return found


FAMILY_WRITERS: Final[tuple[tuple[Callable[[type], bool], WriteFunction], ...]] = (
    (lambda kind: issubclass(kind, Enum), write_enum),
    (is_named_tuple, write_named_tuple),
    (dataclasses.is_dataclass, write_dataclass),
    (is_pydantic_model, write_pydantic_model),
)

READERS: Final[dict[str, ReadFunction]] = {
    "enum": _read_enum,
    "flag": _read_flag,
    "namedtuple": _read_named_tuple,
    "dataclass": _read_dataclass,
    "pydantic": _read_pydantic_model,
}
