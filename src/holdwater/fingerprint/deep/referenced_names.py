"""What a function, class or module reads, by name: its code, defaults, closure, the globals and attributes in it."""

from __future__ import annotations

import builtins
import dataclasses
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final, TypeAlias
from weakref import ref

from holdwater.fingerprint.deep.bytecode import facts_of
from holdwater.fingerprint.deep.errors import Unfingerprintable
from holdwater.fingerprint.deep.packages import release_of, top_of
from holdwater.fingerprint.deep.values import Reference, summarise
from holdwater.model.error_report import describe

_ABSENT: Final = type("Absent", (), {"__module__": "builtins", "__qualname__": "absent"})
"""stands for a name that is not there (yet)"""
_CONSTANT: Final = frozenset({bool, int, float, complex, str, bytes, type(None)})
_UNTRACEABLE: Final = (eval, exec, globals, __import__, importlib.import_module)
_UNTRACEABLE_ATTRIBUTES: Final = frozenset({("importlib", "import_module"), ("sys", "modules")})
_INCIDENTAL: Final = frozenset(
    {
        "__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__firstlineno__", "__static_attributes__",
        "__annotations_cache__", "__abstractmethods__", "_abc_impl",
    }
)  # fmt: skip
"""attributes of a class that follow from others or say nothing about what it does"""


Fetch: TypeAlias = Callable[[Any], object]
"""reads a source from the unit it belongs to, which it must not hold: units die with their code"""


@dataclasses.dataclass(slots=True)
class Source:
    """Something a unit reads.  `label` completes "<unit>: "."""

    label: str
    fetch: Fetch
    digest: bytes = b""
    references: tuple[ref[Reference], ...] = ()
    held: object = _ABSENT
    """the value itself, if it cannot change in place; code is held weakly"""
    changeable: bool = True

    def fill(self, owner: Reference, home: str) -> None:
        value = self.fetch(owner)
        summary = summarise(value, home)
        self.digest = summary.digest
        self.references = tuple([ref(target) for target in summary.references])
        if type(value) in _CONSTANT or value is _ABSENT or _is_named_builtin(value):
            self.changeable, self.held = False, value
        elif isinstance(value, (FunctionType, type, ModuleType)) and (
            any(target is value for target in summary.references) or getattr(value, "__closure__", None) is None
        ):
            self.changeable, self.held = False, ref(value)

    def unchanged(self, owner: Reference, home: str) -> bool:
        value = self.fetch(owner)
        if not self.changeable:
            held = self.held
            return value is (held() if isinstance(held, ref) else held)
        summary = summarise(value, home)
        return (
            summary.digest == self.digest
            and len(summary.references) == len(self.references)
            and all([known() is target for known, target in zip(self.references, summary.references)])
        )


def name_of(target: Reference) -> str:
    if isinstance(target, ModuleType):
        return target.__name__
    return f"{module_of(target)}.{target.__qualname__}"


def module_of(target: Reference) -> str:
    if isinstance(target, ModuleType):
        return target.__name__
    if isinstance(target, FunctionType):
        return str(target.__globals__.get("__name__", ""))
    return target.__module__


def _is_named_builtin(value: object) -> bool:
    return isinstance(value, BuiltinFunctionType) and (value.__self__ is None or isinstance(value.__self__, ModuleType))


def sources_of(target: Reference) -> Iterator[Source]:
    if isinstance(target, FunctionType):
        return _sources_of_function(target)
    if isinstance(target, type):
        return _sources_of_class(target)
    return _sources_of_module(target)


# -- functions


def _sources_of_function(function: FunctionType) -> Iterator[Source]:
    code = function.__code__
    facts = facts_of(code)
    home = top_of(module_of(function))
    yield Source("code", lambda function: facts_of(function.__code__).digest)
    defaults = function.__defaults__ or ()
    yield Source(
        "defaults", lambda function: (len(function.__defaults__ or ()), *sorted(function.__kwdefaults__ or ()))
    )
    yield Source("attributes", lambda function: function.__dict__)
    for k, name in enumerate(code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]):
        yield Source(f"default of {name}", partial(_default, k))
    for name in sorted(function.__kwdefaults__ or ()):
        yield Source(f"default of {name}", partial(_keyword_default, name))
    dotted = {names[0] for names in facts.free_names}
    for names in [*facts.free_names, *[(name,) for name in code.co_freevars if name not in dotted]]:
        reading = _Reading(names, partial(_content, code.co_freevars.index(names[0])), home)
        yield reading.source("closure variable", function)
    for names in facts.global_names:
        yield _Reading(names, partial(_global, names[0]), home).source("global", function)
    package = str(function.__globals__.get("__package__") or "")
    for one in facts.imports:
        module = importlib.util.resolve_name("." * one.level + one.module, package) if one.level else one.module
        if release_of(module, home) is not None:
            yield Source(f"import of {module}", partial(_installed, module, one.names or tuple(sorted(facts.names))))
        elif one.names:
            for name in one.names:
                yield _Reading((module, name), partial(_imported, module, name), home).source("import of", function)
        else:
            for whole in dict.fromkeys([module, top_of(module)]):
                yield Source(f"import of {whole}", partial(_imported, whole, ""))


class _Reading:
    """A dotted name that a function reads: followed as far as it leads through modules whose code is read."""

    def __init__(self, names: tuple[str, ...], root: Fetch, home: str) -> None:
        self._names, self._root, self._home = names, root, home

    def source(self, kind: str, function: FunctionType) -> Source:
        try:
            used = self._follow(function)[1]
        except Unfingerprintable:  # told when it is fetched, with the label
            used = len(self._names)
        return Source(f"{kind} {'.'.join(self._names[:used])}", lambda function: self._follow(function)[0])

    def _follow(self, function: FunctionType) -> tuple[object, int]:
        """What it leads to, and how many of the names that takes."""
        value, used = self._root(function), 1
        while isinstance(value, ModuleType) and used < len(self._names):
            name = self._names[used]
            if release_of(value.__name__, self._home) is not None:
                _refuse_untraceable(value.__name__, name)
                break
            # a module's `__getattr__` is not asked: it is code that is read itself
            value = _attribute(name if name in vars(value) else "__getattr__", value)
            used += 1
        if any(value is one for one in _UNTRACEABLE):
            raise Unfingerprintable("what it leads to cannot be known before it is called")
        return value, used


def _refuse_untraceable(module: str, name: str) -> None:
    if (module, name) in _UNTRACEABLE_ATTRIBUTES:
        raise Unfingerprintable(f"what {module}.{name} leads to cannot be known before it is used")


def _installed(module: str, names: tuple[str, ...], function: FunctionType) -> object:
    """The release of a module the body imports, of which it may use these names."""
    for name in names:
        _refuse_untraceable(module, name)
    return release_of(module, top_of(module_of(function)))


def _imported(module: str, name: str, _: FunctionType) -> object:
    """The module, imported as the body would do it; with the submodule if the name is one."""
    try:
        found = sys.modules.get(module) or importlib.import_module(module)
        if name and not hasattr(found, name) and importlib.util.find_spec(f"{module}.{name}") is not None:
            importlib.import_module(f"{module}.{name}")
    except Exception as error:
        raise Unfingerprintable(f"{module} cannot be imported ({describe(error)})") from error
    return found


def _default(k: int, function: FunctionType) -> object:
    defaults = function.__defaults__ or ()
    return defaults[k] if k < len(defaults) else _ABSENT


def _keyword_default(name: str, function: FunctionType) -> object:
    return (function.__kwdefaults__ or {}).get(name, _ABSENT)


def _content(k: int, function: FunctionType) -> object:
    try:
        return (function.__closure__ or ())[k].cell_contents
    except (IndexError, ValueError):  # its code was replaced; not assigned yet
        return _ABSENT


def _global(name: str, function: FunctionType) -> object:
    value = function.__globals__.get(name, _ABSENT)
    return vars(builtins).get(name, _ABSENT) if value is _ABSENT else value


def _attribute(name: str, owner: type | ModuleType) -> object:
    return vars(owner).get(name, _ABSENT)


# -- classes and modules


def _sources_of_class(cls: type) -> Iterator[Source]:
    yield Source("name", lambda cls: (cls.__module__, cls.__qualname__))
    yield Source("bases", lambda cls: cls.__bases__)
    yield Source("metaclass", lambda cls: type(cls))
    yield Source("names of attributes", lambda cls: _attribute_names(cls))
    if "__pydantic_decorators__" in vars(cls):
        yield Source("validators", _validators)
    for name in _attribute_names(cls):
        yield Source(f"attribute {name}", partial(_attribute, name))


def _attribute_names(cls: type) -> list[str]:
    return sorted([name for name in vars(cls) if name not in _INCIDENTAL and not _is_compiled(name)])


def _is_compiled(name: str) -> bool:
    """What pydantic makes of the fields and validators."""
    return name.startswith("__pydantic_") and name != "__pydantic_fields__"


def _validators(cls: Any) -> object:
    """What pydantic knows of decorated methods, without the address of the class that is in it."""
    infos = cls.__pydantic_decorators__
    kinds = {field.name: getattr(infos, field.name) for field in dataclasses.fields(infos)}
    return {kind: {name: one.info for name, one in found.items()} for kind, found in kinds.items()}


def _sources_of_module(module: ModuleType) -> Iterator[Source]:
    yield Source("name", lambda module: module.__name__)
    yield Source("names", lambda module: _global_names(module))
    for name in _global_names(module):
        yield Source(f"global {name}", partial(_attribute, name))


def _global_names(module: ModuleType) -> list[str]:
    return sorted([name for name in vars(module) if not name.startswith("__") or name == "__getattr__"])
