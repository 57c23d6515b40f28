"""Direct dependencies of a function, class or module: code, defaults, closure, globals and attributes it reads."""

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

from holdwater.fingerprint.bytecode import analyze_code
from holdwater.fingerprint.packages import module_name, module_release, top_level_package
from holdwater.fingerprint.values import CodeReference, Unfingerprintable, digest_value
from holdwater.model.error_report import describe_error

_MISSING: Final = type("Absent", (), {"__module__": "builtins", "__qualname__": "absent"})
"""the value of a name that is not defined (yet)"""
_CONSTANT_TYPES: Final = frozenset({bool, int, float, complex, str, bytes, type(None)})
_UNTRACEABLE: Final = (eval, exec, globals, __import__, importlib.import_module)
_UNTRACEABLE_ATTRIBUTES: Final = frozenset({("importlib", "import_module"), ("sys", "modules")})
_IGNORED_ATTRIBUTES: Final = frozenset(
    {
        "__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__firstlineno__", "__static_attributes__",
        "__annotations_cache__", "__abstractmethods__", "_abc_impl",
    }
)  # fmt: skip
"""attributes of a class that follow from others or do not affect its behaviour"""


ReadDependency: TypeAlias = Callable[[Any], object]
"""reads a dependency from its owner, which it must not hold a reference to: units are collected with their code"""


@dataclasses.dataclass(slots=True)
class Dependency:
    """Something a unit reads.  `label`: its name in messages, as in "global FACTOR"."""

    label: str
    read: ReadDependency
    digest: bytes = b""
    references: tuple[ref[CodeReference], ...] = ()
    last_value: object = _MISSING
    """the value, if it is immutable; code is held weakly"""
    is_mutable: bool = True

    def capture(self, owner: CodeReference, home: str) -> None:
        value = self.read(owner)
        summary = digest_value(value, home)
        self.digest = summary.digest
        self.references = tuple([ref(target) for target in summary.references])
        if type(value) in _CONSTANT_TYPES or value is _MISSING or _is_named_builtin(value):
            self.is_mutable, self.last_value = False, value
        elif isinstance(value, (FunctionType, type, ModuleType)) and (
            any(target is value for target in summary.references) or getattr(value, "__closure__", None) is None
        ):
            self.is_mutable, self.last_value = False, ref(value)

    def is_unchanged(self, owner: CodeReference, home: str) -> bool:
        value = self.read(owner)
        if not self.is_mutable:
            held = self.last_value
            return value is (held() if isinstance(held, ref) else held)
        summary = digest_value(value, home)
        return (
            summary.digest == self.digest
            and len(summary.references) == len(self.references)
            and all([known() is target for known, target in zip(self.references, summary.references)])
        )


def qualified_name(target: CodeReference) -> str:
    """Return `module.qualname`; of a module its name."""
    if isinstance(target, ModuleType):
        return target.__name__
    return f"{module_name(target)}.{target.__qualname__}"


def _is_named_builtin(value: object) -> bool:
    return isinstance(value, BuiltinFunctionType) and (value.__self__ is None or isinstance(value.__self__, ModuleType))


def dependencies_of(target: CodeReference) -> Iterator[Dependency]:
    """Iterate over the direct dependencies, not captured yet."""
    if isinstance(target, FunctionType):
        return _function_dependencies(target)
    if isinstance(target, type):
        return _class_dependencies(target)
    return _module_dependencies(target)


# -- functions


def _function_dependencies(function: FunctionType) -> Iterator[Dependency]:
    code = function.__code__
    facts = analyze_code(code)
    home = top_level_package(module_name(function))
    yield Dependency("code", lambda function: analyze_code(function.__code__).digest)
    defaults = function.__defaults__ or ()
    yield Dependency(
        "defaults", lambda function: (len(function.__defaults__ or ()), *sorted(function.__kwdefaults__ or ()))
    )
    yield Dependency("attributes", lambda function: function.__dict__)
    for k, name in enumerate(code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]):
        yield Dependency(f"default of {name}", partial(_default_value, k))
    for name in sorted(function.__kwdefaults__ or ()):
        yield Dependency(f"default of {name}", partial(_keyword_default_value, name))
    dotted = {names[0] for names in facts.free_names}
    for names in [*facts.free_names, *[(name,) for name in code.co_freevars if name not in dotted]]:
        reading = _DottedName(names, partial(_closure_value, code.co_freevars.index(names[0])), home)
        yield reading.dependency("closure variable", function)
    for names in facts.global_names:
        yield _DottedName(names, partial(_global_value, names[0]), home).dependency("global", function)
    package = str(function.__globals__.get("__package__") or "")
    for one in facts.imports:
        module = importlib.util.resolve_name("." * one.level + one.module, package) if one.level else one.module
        if module_release(module, home) is not None:
            yield Dependency(
                f"import of {module}", partial(_installed_release, module, one.names or tuple(sorted(facts.all_names)))
            )
        elif one.names:
            for name in one.names:
                yield _DottedName((module, name), partial(_import_module, module, name), home).dependency(
                    "import of", function
                )
        else:
            for whole in dict.fromkeys([module, top_level_package(module)]):
                yield Dependency(f"import of {whole}", partial(_import_module, whole, ""))


class _DottedName:
    """A dotted name that a function reads, resolved as far as it leads through modules whose code is read."""

    def __init__(self, names: tuple[str, ...], root: ReadDependency, home: str) -> None:
        self._names, self._root, self._home = names, root, home

    def dependency(self, kind: str, function: FunctionType) -> Dependency:
        try:
            used = self._resolve(function)[1]
        except Unfingerprintable:  # raised again when it is captured, with the label
            used = len(self._names)
        return Dependency(f"{kind} {'.'.join(self._names[:used])}", lambda function: self._resolve(function)[0])

    def _resolve(self, function: FunctionType) -> tuple[object, int]:
        """Return the value it leads to, and the number of names used to reach it."""
        value, used = self._root(function), 1
        while isinstance(value, ModuleType) and used < len(self._names):
            name = self._names[used]
            if module_release(value.__name__, self._home) is not None:
                _refuse_untraceable(value.__name__, name)
                break
            # a module's `__getattr__` is not called, but read as code
            value = _attribute_value(name if name in vars(value) else "__getattr__", value)
            used += 1
        if any(value is one for one in _UNTRACEABLE):
            raise Unfingerprintable("what it leads to cannot be known before it is called")
        return value, used


def _refuse_untraceable(module: str, name: str) -> None:
    if (module, name) in _UNTRACEABLE_ATTRIBUTES:
        raise Unfingerprintable(f"what {module}.{name} leads to cannot be known before it is used")


def _installed_release(module: str, names: tuple[str, ...], function: FunctionType) -> object:
    """Return the release of a module the function imports.  `names`: those it may use of it."""
    for name in names:
        _refuse_untraceable(module, name)
    return module_release(module, top_level_package(module_name(function)))


def _import_module(module: str, name: str, _: FunctionType) -> object:
    """Import a module as the function would; `name` may be a submodule.  Raises Unfingerprintable."""
    try:
        found = sys.modules.get(module) or importlib.import_module(module)
        if name and not hasattr(found, name) and importlib.util.find_spec(f"{module}.{name}") is not None:
            importlib.import_module(f"{module}.{name}")
    except Exception as error:
        raise Unfingerprintable(f"{module} cannot be imported ({describe_error(error)})") from error
    return found


def _default_value(k: int, function: FunctionType) -> object:
    defaults = function.__defaults__ or ()
    return defaults[k] if k < len(defaults) else _MISSING


def _keyword_default_value(name: str, function: FunctionType) -> object:
    return (function.__kwdefaults__ or {}).get(name, _MISSING)


def _closure_value(k: int, function: FunctionType) -> object:
    try:
        return (function.__closure__ or ())[k].cell_contents
    except (IndexError, ValueError):  # the code was replaced, or the variable is not assigned yet
        return _MISSING


def _global_value(name: str, function: FunctionType) -> object:
    value = function.__globals__.get(name, _MISSING)
    return vars(builtins).get(name, _MISSING) if value is _MISSING else value


def _attribute_value(name: str, owner: type | ModuleType) -> object:
    return vars(owner).get(name, _MISSING)


# -- classes and modules


def _class_dependencies(cls: type) -> Iterator[Dependency]:
    yield Dependency("name", lambda cls: (cls.__module__, cls.__qualname__))
    yield Dependency("bases", lambda cls: cls.__bases__)
    yield Dependency("metaclass", lambda cls: type(cls))
    yield Dependency("names of attributes", lambda cls: _attribute_names(cls))
    if "__pydantic_decorators__" in vars(cls):
        yield Dependency("validators", _pydantic_validators)
    for name in _attribute_names(cls):
        yield Dependency(f"attribute {name}", partial(_attribute_value, name))


def _attribute_names(cls: type) -> list[str]:
    return sorted([name for name in vars(cls) if name not in _IGNORED_ATTRIBUTES and not _is_pydantic_internal(name)])


def _is_pydantic_internal(name: str) -> bool:
    """Return True for attributes that pydantic derives from fields and validators."""
    return name.startswith("__pydantic_") and name != "__pydantic_fields__"


def _pydantic_validators(cls: Any) -> object:
    """Return pydantic's records of decorated methods, without the address of the class they contain."""
    infos = cls.__pydantic_decorators__
    kinds = {field.name: getattr(infos, field.name) for field in dataclasses.fields(infos)}
    return {kind: {name: one.info for name, one in found.items()} for kind, found in kinds.items()}


def _module_dependencies(module: ModuleType) -> Iterator[Dependency]:
    yield Dependency("name", lambda module: module.__name__)
    yield Dependency("names", lambda module: _global_names(module))
    for name in _global_names(module):
        yield Dependency(f"global {name}", partial(_attribute_value, name))


def _global_names(module: ModuleType) -> list[str]:
    return sorted([name for name in vars(module) if not name.startswith("__") or name == "__getattr__"])
