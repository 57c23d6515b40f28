"""Data quality: metrics of a step, and their thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from holdwater.errors import ConfigError


@dataclass(frozen=True)
class QualityMetrics:
    """Metrics of the records a step processed.  Counts of records; rates are 0..1.

    `valid_count` and `invalid_count` are derived from each other, `null_count` from `null_rate`, if not given.
    `passed=False` is recorded, but does not fail the step.
    """

    record_count: int = 0
    valid_count: int | None = None
    invalid_count: int | None = None
    null_count: int = 0
    passed: bool = True
    custom_metrics: dict[str, Any] = field(default_factory=dict)
    failure_reasons: list[str] = field(default_factory=list)
    null_rate: float | None = None

    def __post_init__(self) -> None:
        valid, invalid, total = self.valid_count, self.invalid_count, self.record_count
        if valid is None:
            valid = 0 if invalid is None else max(total - invalid, 0)
            invalid = 0 if invalid is None else invalid
        elif invalid is None:
            invalid = max(total - valid, 0)
        rate = self.null_rate
        nulls = self.null_count or (0 if rate is None else round(rate * total))
        if rate is None:
            rate = nulls / total if total else 0.0
        for name, value in (
            ("valid_count", valid),
            ("invalid_count", invalid),
            ("null_count", nulls),
            ("null_rate", rate),
        ):
            object.__setattr__(self, name, value)

    @property
    def valid_rate(self) -> float:
        """Share of valid records; 0.0 without records."""
        return (self.valid_count or 0) / self.record_count if self.record_count else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, and `valid_rate`."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        data["custom_metrics"] = dict(self.custom_metrics)
        data["failure_reasons"] = list(self.failure_reasons)
        data["valid_rate"] = self.valid_rate
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> QualityMetrics:
        """Create metrics from the return value of `to_dict`.  Raises ConfigError for unknown fields."""
        known = {f.name for f in fields(cls)}
        unknown = [name for name in data if name not in known and name != "valid_rate"]
        if unknown:
            raise ConfigError(
                f"quality metrics have no {', '.join(map(repr, unknown))}", hint="put it into custom_metrics={...}"
            )
        return cls(**{name: value for name, value in data.items() if name in known})


@dataclass(frozen=True)
class QualityThresholds:
    """Thresholds of the metrics of a step; None: not checked.  Rates are 0..1.  Raises ConfigError."""

    min_valid_rate: float | None = None
    max_null_rate: float | None = None
    min_record_count: int | None = None
    max_record_count: int | None = None

    def __post_init__(self) -> None:
        for f in fields(self):
            limit = getattr(self, f.name)
            top = 1.0 if f.name.endswith("rate") else float("inf")
            if limit is None:
                continue
            if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not 0 <= limit <= top:
                raise ConfigError(f"{f.name} must be {'0 to 1' if top == 1.0 else '0 or more'}, not {limit!r}")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> QualityThresholds:
        """Create thresholds from a mapping.  Raises ConfigError for unknown names."""
        known = {f.name for f in fields(cls)}
        unknown = [name for name in config if name not in known]
        if unknown:
            raise ConfigError(
                f"there is no quality threshold {', '.join(map(repr, unknown))}", hint=f"there are {sorted(known)}"
            )
        return cls(**config)

    def to_dict(self) -> dict[str, Any]:
        """Return the thresholds that are set."""
        return {f.name: limit for f in fields(self) if (limit := getattr(self, f.name)) is not None}

    def check(self, metrics: QualityMetrics) -> list[str]:
        """Describe the violated thresholds; empty if there are none."""
        found = []
        rate, nulls, count = metrics.valid_rate, metrics.null_rate or 0.0, metrics.record_count
        if self.min_valid_rate is not None and rate < self.min_valid_rate:
            found.append(f"valid rate {rate:.4g} is below {self.min_valid_rate:.4g}")
        if self.max_null_rate is not None and nulls > self.max_null_rate:
            found.append(f"null rate {nulls:.4g} is above {self.max_null_rate:.4g}")
        if self.min_record_count is not None and count < self.min_record_count:
            found.append(f"{count} records are fewer than {self.min_record_count}")
        if self.max_record_count is not None and count > self.max_record_count:
            found.append(f"{count} records are more than {self.max_record_count}")
        return found
