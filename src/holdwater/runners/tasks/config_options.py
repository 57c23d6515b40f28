"""Options of runners: attributes of a configuration, checked whenever they are set."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final, Generic, Protocol, TypeVar, overload

from holdwater.errors import ConfigError
from holdwater.model import validation
from holdwater.runtime.executors.base import ExecutorConfig
from holdwater.runtime.executors.routing import Router

T = TypeVar("T")
_RUNNER_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class OptionValues(Protocol):
    """The values of options, by canonical name, and the names of those that were set."""

    _values: dict[str, Any]
    _explicitly_set: set[str]


class RunnerOption(Generic[T]):
    """One option, checked whenever it is set.  `minimum` and `maximum` are inclusive."""

    def __init__(
        self, default: T, *, minimum: float | None = None, exclusive_minimum: float | None = None,
        maximum: float | None = None,
        optional: bool = False, alias_of: str = "", value_type: type[Any] | None = None,
    ) -> None:  # fmt: skip
        self.default, self.minimum, self.exclusive_minimum = default, minimum, exclusive_minimum
        self.maximum = validation.MAX_SECONDS if maximum is None else maximum  # no count needs to be larger
        self.optional, self.alias_of = optional, alias_of
        self.value_type: type[Any] = type(default) if value_type is None else value_type

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.canonical_name = self.alias_of or name

    @overload
    def __get__(self, config: None, owner: type) -> RunnerOption[T]: ...
    @overload
    def __get__(self, config: OptionValues, owner: type) -> T: ...
    def __get__(self, config: OptionValues | None, owner: type) -> T | RunnerOption[T]:
        if config is None:
            return self
        value: T = config._values[self.canonical_name]
        return value

    def __set__(self, config: OptionValues, value: T) -> None:
        config._values[self.canonical_name] = self._validate(value)
        config._explicitly_set.add(self.canonical_name)

    def _validate(self, value: Any) -> Any:
        if value is None and self.optional:
            return None
        number = self.value_type in (int, float)
        allowed: tuple[type, ...] = (int, float) if self.value_type is float else (self.value_type,)
        if not isinstance(value, allowed) or (number and isinstance(value, bool)):
            raise ConfigError(f"{self.name} must be {self._describe_expected()}, not {validation.shorten_repr(value)}")
        if isinstance(value, str):
            return validation.check_text(
                self.name, value, max_bytes=validation.MAX_REASON_BYTES, allow_empty=True, error_class=ConfigError
            )
        if isinstance(value, (int, float)) and (
            (self.minimum is not None and value < self.minimum)
            or (self.exclusive_minimum is not None and value <= self.exclusive_minimum)
            or value > self.maximum
            or value != value
        ):
            raise ConfigError(
                f"{self.name} must be {self._describe_expected()}, it is {validation.shorten_repr(value)}"
            )
        return value

    def _describe_expected(self) -> str:
        kind = {int: "an integer", float: "a number", bool: "True or False", str: "a string"}[self.value_type]
        bounds = [
            f"above {self.exclusive_minimum:g}" if self.exclusive_minimum is not None else "",
            f"{self.minimum:g} or more" if self.minimum is not None else "",
            f"at most {self.maximum:,.10g}" if self.value_type in (int, float) else "",
        ]
        text = " and ".join(b for b in bounds if b)
        return f"{kind}{' ' + text if text else ''}{' or None' if self.optional else ''}"


class ExecutorsOption(RunnerOption[dict[str, ExecutorConfig]]):
    """Executors by name; every read returns a copy of the dictionary."""

    def __get__(self, config: Any, owner: type) -> Any:
        found = super().__get__(config, owner)
        return found if config is None else dict(found)

    def _validate(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ConfigError(f"executors is a mapping of names to executors, not {value!r}")
        for name, kind in value.items():
            validation.check_text(
                "executors: a name", name, max_bytes=validation.MAX_NAME_BYTES, error_class=ConfigError
            )
            if isinstance(kind, type) or not hasattr(kind, "open") or not hasattr(kind, "max_concurrent"):
                raise ConfigError(
                    f"executors[{name!r}] must be a ProcessExecutor or another kind of executor, not {kind!r}",
                    hint="see docs/guides/custom-executors.md for what it takes",
                )
        return dict(value)


class RoutingOption(RunnerOption[Router | None]):
    """A Router or None."""

    def _validate(self, value: Any) -> Any:
        if value is not None and not isinstance(value, Router):
            raise ConfigError(f"routing must be a Router or None, not {value!r}")
        return value


class RunnerIdOption(RunnerOption[str | None]):
    """A text that can stand in the name of a file, or None."""

    def _validate(self, value: Any) -> Any:
        checked = super()._validate(value)
        if checked is not None and not _RUNNER_ID.fullmatch(checked):
            raise ConfigError(
                f"{self.name} must be 1 to 64 letters, digits, '_' and '-', it is {validation.shorten_repr(checked)}"
            )
        return checked


class PathOption(RunnerOption[str | None]):
    """The path of a folder, or None; a path object is kept as its text."""

    def _validate(self, value: Any) -> Any:
        checked = super()._validate(str(value) if isinstance(value, os.PathLike) else value)
        if checked == "":
            raise ConfigError(f"{self.name} is the path of a folder or None, not an empty text")
        return checked


class ChoiceOption(RunnerOption[str]):
    """One of some texts.  `choices`: what can be set -> what it means."""

    def __init__(self, default: str, choices: Mapping[str, str]) -> None:
        super().__init__(default)
        self._choices = choices

    def _validate(self, value: Any) -> Any:
        if not isinstance(value, str) or value not in self._choices:
            known = ", ".join([repr(name) for name in self._choices])
            raise ConfigError(f"{self.name} must be one of {known}, not {validation.shorten_repr(value)}")
        return self._choices[value]
