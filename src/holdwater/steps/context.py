"""The context of a workflow: its params and the outputs of its steps, as one step sees them; immutable."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from holdwater.errors import ReadOnlyContext
from holdwater.model import codec
from holdwater.model.secret_access import read_secret
from holdwater.model.secrets import DEFAULT_FIELD
from holdwater.model.time import from_datetime, to_rfc3339
from holdwater.steps.delta import join_json_object
from holdwater.steps.immutable_values import ReadOnlyValues, encode_value, encode_values
from holdwater.steps.quality import QualityMetrics

DRY_RUN_PARAM: Final = "__dry_run__"
RESUMED_PARAM: Final = "__resumed__"
MAP_INDEX_PARAM: Final = "__map_index__"

_READ_ONLY_HINTS: Final = {
    "params": "ctx.with_params({...}) makes a new context; a step returns StepResult.ok(context_updates={...})",
    "outputs": "ctx.with_output(step, {...}) makes a new context; a step returns StepResult.ok(output={...})",
    "quality": "ctx.with_quality(step, metrics) makes a new context; a step returns StepResult.ok(quality=...)",
    "partition": "give it to execute(partition={...})",
    "metadata": "ctx.with_metadata({...}) makes a new context",
}
_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """Identifiers of an execution."""

    execution_id: str = ""
    batch_id: str | None = None
    parent_execution_id: str | None = None
    started_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))


class WorkflowContext:
    """The immutable context of a step; every `with_*` method returns a changed copy.

    `params`, `outputs` (by step), `partition`, `metadata` and `quality_metrics` (by step) are read-only mappings.
    Values are copied when a context is created, and again on first access: changing one in place affects no other
    reader.  A changed copy costs O(changes), not O(contents).

    Raises EncodingError, with the key path, for values that cannot be stored.
    """

    __slots__ = (
        "execution", "metadata", "outputs", "params", "partition", "quality_metrics", "run_id", "started_at",
        "workflow_name",
    )  # fmt: skip

    run_id: str
    workflow_name: str
    params: ReadOnlyValues
    outputs: ReadOnlyValues
    partition: ReadOnlyValues
    execution: ExecutionContext
    started_at: dt.datetime
    metadata: ReadOnlyValues
    quality_metrics: ReadOnlyValues

    def __init__(
        self,
        run_id: str | None = None,
        workflow_name: str = "",
        params: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Mapping[str, Any]] | None = None,
        partition: Mapping[str, Any] | None = None,
        execution: ExecutionContext | None = None,
        started_at: dt.datetime | None = None,
        metadata: Mapping[str, Any] | None = None,
        quality_metrics: Mapping[str, QualityMetrics | Mapping[str, Any]] | None = None,
    ) -> None:
        known_as = str(uuid.uuid4()) if run_id is None else run_id
        now = dt.datetime.now(dt.UTC) if started_at is None else started_at
        execution = ExecutionContext(known_as, started_at=now) if execution is None else execution
        quality = {step: _to_quality_metrics(given).to_dict() for step, given in (quality_metrics or {}).items()}
        self._set_fields(
            run_id=known_as,
            workflow_name=workflow_name,
            params=_encode_mapping(params or {}, "params"),
            outputs=_encode_mapping(outputs or {}, "outputs"),
            partition=_encode_mapping(partition or {}, "partition"),
            execution=execution,
            started_at=now,
            metadata=_encode_mapping(metadata or {}, "metadata"),
            quality_metrics=_encode_mapping(quality, "quality"),
        )

    @classmethod
    def create(
        cls,
        workflow_name: str,
        params: Mapping[str, Any] | None = None,
        partition: Mapping[str, Any] | None = None,
        batch_id: str | None = None,
        run_id: str | None = None,
        dry_run: bool = False,
    ) -> WorkflowContext:
        """Create an initial context; `run_id` defaults to a new UUID.  Raises EncodingError."""
        known_as = str(uuid.uuid4()) if run_id is None else run_id
        return cls(
            known_as,
            workflow_name,
            {**(params or {}), DRY_RUN_PARAM: True} if dry_run else params,
            partition=partition,
            execution=ExecutionContext(known_as, batch_id),
            metadata={"dry_run": True} if dry_run else None,
        )

    # -- reading

    def secret(self, name: str, field: str = DEFAULT_FIELD) -> str:
        """Return the text of a secret of the database, for the step that is running; it becomes no part of this.

        Raises SecretNotFound, SecretNotAllowed, SecretsUnavailable, StoreUnavailable, WorkflowError outside of a step
        of a recorded run.
        """
        return read_secret(name, field)

    def get_param(self, key: str, default: Any = None) -> Any:
        """Return a param, or `default` if it is missing."""
        return self.params.get(_require_name(key, "get_param(key, default)"), default)

    def get_output(self, step: str, key: str | None = None, default: Any = None) -> Any:
        """Return the output of a step, or the value of one of its keys.

        Returns `default` if it is missing; without a key, also for an empty output.
        """
        output = self.outputs.get(_require_name(step, "get_output(step, key, default)"))
        if key is None:
            return output or default
        return (output or {}).get(_require_name(key, "get_output(step, key, default)"), default)

    def has_output(self, step: str) -> bool:
        """Return True if the step has an output."""
        return step in self.outputs

    def get_quality(self, step: str) -> QualityMetrics | None:
        """Return the metrics of a step; None if it has none."""
        found = self.quality_metrics.get(step)
        return None if found is None else QualityMetrics.from_dict(found)

    @property
    def is_dry_run(self) -> bool:
        """True in a dry run, in which steps must not have side effects."""
        return bool(self.params.get(DRY_RUN_PARAM) or self.metadata.get("dry_run"))

    @property
    def is_resumed(self) -> bool:
        """True if the run was resumed."""
        return bool(self.params.get(RESUMED_PARAM))

    @property
    def execution_id(self) -> str:
        return self.execution.execution_id

    @property
    def batch_id(self) -> str | None:
        return self.execution.batch_id

    # -- changed copies

    def with_params(self, updates: Mapping[str, Any]) -> WorkflowContext:
        """Return the context with these params added or replaced.  Raises EncodingError."""
        return self._replace(params=self.params.overlaid_with(encode_values(updates, "params")))

    def with_output(self, step: str, output: Mapping[str, Any]) -> WorkflowContext:
        """Return the context with the output of a step replaced.  Raises EncodingError."""
        made = encode_value(dict(output), f"the output of step {step!r}")
        return self._replace(
            outputs=self.outputs.overlaid_with({_require_name(step, "with_output(step, output)"): made})
        )

    def with_quality(self, step: str, quality: QualityMetrics | Mapping[str, Any]) -> WorkflowContext:
        """Return the context with the metrics of a step replaced.  Raises EncodingError, ConfigError."""
        made = encode_value(_to_quality_metrics(quality).to_dict(), f"the quality of step {step!r}")
        return self._replace(
            quality_metrics=self.quality_metrics.overlaid_with(
                {_require_name(step, "with_quality(step, metrics)"): made}
            )
        )

    def with_metadata(self, updates: Mapping[str, Any]) -> WorkflowContext:
        """Return the context with this metadata added or replaced.  Raises EncodingError."""
        return self._replace(metadata=self.metadata.overlaid_with(encode_values(updates, "metadata")))

    # -- as data

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries of copies, the inverse of `from_dict`.  For JSON use `to_json`."""
        data = self._scalar_fields()
        data.update({name: getattr(self, name).to_dict() for name in _MAPPING_FIELDS})
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WorkflowContext:
        """Create a context from the return value of `to_dict`.  Raises EncodingError."""
        execution = dict(data.get("execution") or {})
        if isinstance(execution.get("started_at"), str):
            execution["started_at"] = dt.datetime.fromisoformat(execution["started_at"])
        started = data.get("started_at")
        return cls(
            data.get("run_id"),
            data.get("workflow_name", ""),
            execution=ExecutionContext(**execution) if execution else None,
            started_at=dt.datetime.fromisoformat(started) if isinstance(started, str) else started,
            **{name: data.get(name) for name in _MAPPING_FIELDS},
        )

    def to_json(self) -> str:
        """Encode as a JSON object with the keys of `to_dict`; other types than those of JSON are tagged."""
        parts = [json.dumps(self._scalar_fields())[1:-1]]
        parts += [
            f'"{name}": {join_json_object(getattr(self, name).stored_values().items())}' for name in _MAPPING_FIELDS
        ]
        return "{" + ", ".join(parts) + "}"

    @classmethod
    def from_json(cls, text: str) -> WorkflowContext:
        """Create a context from the return value of `to_json`.  Raises DecodingError."""
        return cls.from_dict(codec.decode(text))

    def _scalar_fields(self) -> dict[str, Any]:
        e = self.execution
        return {
            "run_id": self.run_id,
            "workflow_name": self.workflow_name,
            "execution": {
                "execution_id": e.execution_id,
                "batch_id": e.batch_id,
                "parent_execution_id": e.parent_execution_id,
                "started_at": to_rfc3339(from_datetime(e.started_at)),
            },
            "started_at": to_rfc3339(from_datetime(self.started_at)),
        }

    # -- construction and immutability

    @classmethod
    def from_fields(cls, **fields: Any) -> WorkflowContext:
        """Create a context from converted fields, in O(1); for the engine."""
        made = cls.__new__(cls)
        made._set_fields(**fields)
        return made

    def _replace(self, **fields: Any) -> WorkflowContext:
        kept = {name: getattr(self, name) for name in WorkflowContext.__slots__ if name not in fields}
        kept.update({name: kept[name].with_own_copies() for name in _MAPPING_FIELDS if name in kept})
        return type(self).from_fields(**kept, **fields)

    def _set_fields(self, **fields: Any) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise ReadOnlyContext(
            f"{name!r} of a context cannot be set",
            hint=_READ_ONLY_HINTS.get(name, "a context is made with WorkflowContext.create"),
        )

    def __delattr__(self, name: str) -> NoReturn:
        self.__setattr__(name, None)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_dict, (self.to_dict(),)

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, WorkflowContext) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"WorkflowContext(run_id={self.run_id!r}, workflow_name={self.workflow_name!r}, "
            f"params={list(self.params)}, outputs={list(self.outputs)})"
        )


_MAPPING_FIELDS: Final = ("params", "outputs", "partition", "metadata", "quality_metrics")


def make_values(name: str, values: dict[str, Any], base: Any = None) -> ReadOnlyValues:
    """Create one of the mappings of a context from stored values.  `name`: of the mapping, for messages."""
    return ReadOnlyValues(values, base, f"the {name}", _READ_ONLY_HINTS[name])


def _encode_mapping(values: Mapping[str, Any], name: str) -> ReadOnlyValues:
    return make_values(name, encode_values(values, name))


def _to_quality_metrics(metrics: Any) -> QualityMetrics:
    return metrics if isinstance(metrics, QualityMetrics) else QualityMetrics.from_dict(metrics)


def _require_name(name: Any, call: str) -> str:
    if isinstance(name, str):
        return name
    hint = f"a default comes last: {call}" if isinstance(name, (dict, list)) else f"{call} takes names"
    raise TypeError(f"{name!r} is no name\n  hint: {hint}")
