"""Exceptions whose own code is broken, lies or answers everything: name -> how to make one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn
from unittest.mock import MagicMock


class KeyErrorForAttributes(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.payload: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return self.payload[name]


class EndlessForAttributes(Exception):
    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # before _inner is set


class AnswersEverything(Exception):
    def __getattr__(self, name: str) -> Any:
        return MagicMock()


class RefusesEverything(Exception):
    def __getattribute__(self, name: str) -> NoReturn:
        raise RuntimeError(f"no {name}")


class ExitsForAttributes(Exception):
    def __getattr__(self, name: str) -> NoReturn:
        raise SystemExit(3)


class StrRaises(Exception):
    def __str__(self) -> str:
        return str(self.args[5])


class StrExits(Exception):
    def __str__(self) -> str:
        raise SystemExit(4)


class StrGivesNone(Exception):
    def __str__(self) -> str:
        return None  # type: ignore[return-value]


class StrRecurses(Exception):
    def __str__(self) -> str:
        return f"{self}!"


class StrGivesMore(Exception):
    """Gives a str whose methods lie."""

    class Lie(str):
        __slots__ = ()

        def __getitem__(self, key: Any) -> str:
            raise IndexError("not here")

        def __str__(self) -> str:
            raise ValueError("not this way")

    def __str__(self) -> str:
        return self.Lie("more")


class ReprRaises(Exception):
    def __repr__(self) -> str:
        raise ValueError("no repr")


class LiesAboutItsClass(Exception):
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise KeyError("__class__")


class PretendsToBeOurs(Exception):
    """Answers for everything the engine might ask of its own errors."""

    holdwater_kind = property(lambda self: 1 / 0)
    holdwater_text = 7
    holdwater_final = True
    category = MagicMock()
    retryable = MagicMock()


class NeedsArguments(Exception):
    """Cannot be unpickled: its constructor takes more than its `args` hold."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(f"{code} {reason}")


class CannotBePickled(Exception):
    def __reduce__(self) -> NoReturn:
        raise TypeError("not me")


class BrokenNotes(Exception):
    __notes__ = property(lambda self: 1 / 0)


class BrokenCause(Exception):
    __cause__ = property(lambda self: 1 / 0)
    __context__ = property(lambda self: 1 / 0)


class NoGoodNotes(Exception):
    def __init__(self) -> None:
        super().__init__("m")
        self.__notes__ = MagicMock()


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in ("__name__", "__qualname__", "__module__"):
            raise ValueError(name)
        return super().__getattribute__(name)


class BrokenClass(Exception, metaclass=Meta):
    pass


class OwnBase(BaseException):
    """No Exception: `except Exception` does not see it."""


def circular() -> BaseException:
    one, other = ValueError("one"), KeyError("other")
    one.__cause__, other.__cause__ = other, one
    return one


def noted() -> BaseException:
    error = ArithmeticError("noted")
    error.add_note("first\nnote")
    error.__notes__.append(3)  # type: ignore[arg-type]
    return error


def group() -> BaseException:
    return ExceptionGroup("some", [ConnectionError("refused"), ExceptionGroup("inner", [StrRaises("bad")])])


HOSTILE: dict[str, Callable[[], BaseException]] = {
    "KeyErrorForAttributes": lambda: KeyErrorForAttributes(503),
    "EndlessForAttributes": EndlessForAttributes,
    "AnswersEverything": lambda: AnswersEverything("m"),
    "RefusesEverything": lambda: RefusesEverything("m"),
    "ExitsForAttributes": lambda: ExitsForAttributes("m"),
    "StrRaises": lambda: StrRaises("m"),
    "StrExits": lambda: StrExits("m"),
    "StrGivesNone": StrGivesNone,
    "StrRecurses": StrRecurses,
    "StrGivesMore": StrGivesMore,
    "ReprRaises": lambda: ReprRaises("m"),
    "LiesAboutItsClass": lambda: LiesAboutItsClass("m"),
    "PretendsToBeOurs": lambda: PretendsToBeOurs("m"),
    "NeedsArguments": lambda: NeedsArguments(7, reason="why"),
    "CannotBePickled": lambda: CannotBePickled("m"),
    "BrokenNotes": lambda: BrokenNotes("m"),
    "BrokenCause": lambda: BrokenCause("m"),
    "NoGoodNotes": NoGoodNotes,
    "BrokenClass": lambda: BrokenClass("m"),
    "OwnBase": lambda: OwnBase("m"),
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "StopIteration": lambda: StopIteration(1),
    "UnicodeDecodeError": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    "ValueError": circular,
    "ExceptionGroup": group,
    "BaseExceptionGroup": lambda: BaseExceptionGroup("exits", [SystemExit(1), KeyboardInterrupt()]),
    "MemoryError": lambda: MemoryError("m" * 1_000_000),
    "OSError": lambda: OSError("nul \x00 and surrogate \ud800"),
    "LookupError": lambda: LookupError(object()),
    "ArithmeticError": noted,
}
"""by the names of their classes"""
