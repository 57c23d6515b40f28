"""`spine.framework.params`: declared parameters of a pipeline, checked when it is created."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from holdwater.errors import HoldwaterError

Validator = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class ParamDef:
    """A parameter.  `validator`: True for a valid value of the type.  `error_message`: text for an invalid one."""

    name: str
    type: type
    description: str = ""
    required: bool = True
    default: Any = None
    validator: Validator | None = None
    error_message: str | None = None

    def validation_error(self, value: Any) -> str | None:
        """Describe the fault of a value; None if it is valid."""
        fits = isinstance(value, (int, float) if self.type is float else self.type)
        if not fits or (isinstance(value, bool) and self.type is not bool):
            return f"must be {self.type.__name__}, not {type(value).__name__}"
        if self.validator is not None and not self.validator(value):
            return self.error_message or f"{value!r:.100} will not do"
        return None


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """The outcome of a check.  `invalid_params`: name -> fault of its value."""

    valid: bool
    missing_params: list[str] = field(default_factory=list)
    invalid_params: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PipelineSpec:
    """The parameters of a pipeline, by name."""

    required_params: Mapping[str, ParamDef] = field(default_factory=dict)
    optional_params: Mapping[str, ParamDef] = field(default_factory=dict)
    description: str = ""
    examples: Iterable[str] = ()
    notes: Iterable[str] = ()

    def with_defaults(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters with the defaults of omitted ones added."""
        return {**{name: one.default for name, one in self.optional_params.items()}, **params}

    def validate(self, params: Mapping[str, Any]) -> ValidationResult:
        """Check parameters.  An optional one may be None."""
        missing = [name for name in self.required_params if params.get(name) is None]
        invalid: dict[str, str] = {}
        for name, one in {**self.required_params, **self.optional_params}.items():
            wrong = None if params.get(name) is None else one.validation_error(params[name])
            if wrong is not None:
                invalid[name] = wrong
        return ValidationResult(not missing and not invalid, missing, invalid)

    def get_help_text(self) -> str:
        """Describe the parameters, one per line."""
        lines = [self.description] if self.description else []
        for heading, params in (("Required", self.required_params), ("Optional", self.optional_params)):
            lines += [f"{heading}:"] if params else []
            for name, one in params.items():
                default = "" if heading == "Required" or one.default is None else f" (default {one.default!r})"
                lines.append(f"  {name}: {one.type.__name__}{default}  {one.description}".rstrip())
        for heading, texts in (("Examples", self.examples), ("Notes", self.notes)):
            found = [f"  {text}" for text in texts]
            lines += [f"{heading}:", *found] if found else []
        return "\n".join(lines)


class BadParamsError(HoldwaterError, ValueError):
    """Raised for invalid parameters of a pipeline: `missing_params`, and `invalid_params` with their faults."""

    category = "CONFIGURATION"

    def __init__(self, pipeline: str, result: ValidationResult) -> None:
        self.missing_params, self.invalid_params = result.missing_params, result.invalid_params
        wrong = [f"{name} is missing" for name in result.missing_params]
        wrong += [f"{name} {why}" for name, why in result.invalid_params.items()]
        super().__init__(f"the parameters of pipeline {pipeline!r} will not do: {'; '.join(wrong)}")


# -- validators


def file_exists(value: Any) -> bool:
    """Accept the path of an existing file or directory."""
    return os.path.exists(value)


def positive_int(value: Any) -> bool:
    """Accept an integer of 1 or more."""
    return type(value) is int and value > 0


def non_negative_int(value: Any) -> bool:
    """Accept an integer of 0 or more."""
    return type(value) is int and value >= 0


def date_format(value: Any) -> bool:
    """Accept a date as YYYY-MM-DD."""
    try:
        dt.datetime.strptime(value, "%Y-%m-%d")
    except (TypeError, ValueError):
        return False
    return True


def enum_value(allowed: Iterable[Any]) -> Validator:
    """Accept one of these values, or a value of this Enum class."""
    values = {getattr(one, "value", one) for one in allowed}
    return lambda value: getattr(value, "value", value) in values
