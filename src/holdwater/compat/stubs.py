"""Stubs for unsupported names of an original, which raise NotInThisVersion with a hint when they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from holdwater.errors import HoldwaterError


class NotInThisVersion(HoldwaterError, NotImplementedError):
    """Raised for a name of the original that this version does not support; the hint names the replacement."""


def stub_function(name: str, hint: str) -> Callable[..., Any]:
    """Create a function that raises NotInThisVersion."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise NotInThisVersion(f"{name} is not in this version of Holdwater", hint=hint)

    refuse.__name__ = refuse.__qualname__ = name.rpartition(".")[2]
    refuse.__doc__ = f"Not in this version: {hint}."
    return refuse


class _StubValue:
    """A value that raises NotInThisVersion on any access."""

    def __init__(self, name: str, hint: str) -> None:
        self._raise_unsupported = stub_function(name, hint)
        self.__doc__ = self._raise_unsupported.__doc__

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        self._raise_unsupported()
        raise AssertionError

    def _raise_on_use(self, *_: object, **__: object) -> NoReturn:
        self._raise_unsupported()
        raise AssertionError

    __call__ = __getitem__ = __iter__ = __len__ = __contains__ = _raise_on_use


def stub_value(name: str, hint: str) -> Any:
    """Create a value that raises NotInThisVersion on any access."""
    return _StubValue(name, hint)


def stub_class(name: str, hint: str) -> Any:
    """Create a class that raises NotInThisVersion when it is called or an attribute (an Enum member) is read."""

    class Refusing(type):
        def __getattr__(cls, attribute: str) -> Callable[..., Any]:
            if attribute.startswith("_"):
                raise AttributeError(attribute)
            refuse = stub_function(f"{name}.{attribute}", hint)
            return refuse() if attribute.isupper() else refuse

    return Refusing(name, (), {"__new__": stub_function(name, hint), "__module__": __name__})
