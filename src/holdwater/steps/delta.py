"""Cells of a run of steps: its input, the changes of each step, and overrides."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from holdwater.errors import DecodingError
from holdwater.model.values import StoredValue

INPUT_CELL: Final = "*"
"""the cell of the input of a run"""
RESUME_PARAMS_CELL: Final = "*resume_params"
"""the cell of params given when a run was resumed"""

_compact_json = json.JSONEncoder(separators=(",", ":")).encode


def join_json_object(items: Iterable[tuple[str, StoredValue]]) -> str:
    """Build a JSON object from stored values, none of which is encoded again."""
    return "{" + ",".join([f"{_compact_json(name)}:{value.text}" for name, value in items]) + "}"


@dataclass(slots=True)
class RunInput:
    """The input of a run."""

    params: dict[str, StoredValue]
    partition: dict[str, StoredValue] = field(default_factory=dict)
    outputs: dict[str, StoredValue] = field(default_factory=dict)
    quality: dict[str, StoredValue] = field(default_factory=dict)
    metadata: dict[str, StoredValue] = field(default_factory=dict)
    batch_id: str | None = None
    parent_id: str | None = None

    @property
    def text(self) -> str:
        parts = [f'"params":{join_json_object(self.params.items())}']
        parts += [f'"{name}":{join_json_object(v.items())}' for name in _MAP_FIELDS if (v := getattr(self, name))]
        parts += [f'"{name}":{_compact_json(v)}' for name in _ID_FIELDS if (v := getattr(self, name)) is not None]
        return "{" + ",".join(parts) + "}"

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> RunInput:
        given: dict[str, Any] = {name: _parse_values(tree.get(name, {})) for name in _MAP_FIELDS}
        given.update({name: tree.get(name) for name in _ID_FIELDS})
        return cls(_parse_values(tree["params"]), **given)


_MAP_FIELDS: Final = ("partition", "outputs", "quality", "metadata")
_ID_FIELDS: Final = ("batch_id", "parent_id")


@dataclass(slots=True)
class StepDelta:
    """The changes of a successful step.

    `output`: None for a step without output.  `skipped`: reason of a step that skipped itself, otherwise None.
    `checkpoint`: True if the step requested one.
    """

    output: StoredValue | None = None
    params: dict[str, StoredValue] = field(default_factory=dict)
    quality: StoredValue | None = None
    events: StoredValue | None = None
    skipped: str | None = None
    checkpoint: bool = False

    @property
    def text(self) -> str:
        parts = [f'"set":{join_json_object(self.params.items())}']
        parts += [f'"{name}":{v.text}' for name in _VALUE_FIELDS if (v := getattr(self, name)) is not None]
        if self.skipped is not None:
            parts.append(f'"skipped":{_compact_json(self.skipped)}')
        if self.checkpoint:
            parts.append('"checkpoint":true')
        return "{" + ",".join(parts) + "}"

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> StepDelta:
        found = {name: StoredValue.from_tree(tree[name]) for name in _VALUE_FIELDS if name in tree}
        return cls(
            params=_parse_values(tree["set"]),
            skipped=tree.get("skipped"),
            checkpoint=tree.get("checkpoint", False),
            **found,
        )


_VALUE_FIELDS: Final = ("output", "quality", "events")


@dataclass(slots=True)
class ParamsOverride:
    """Params set and removed before a step, in a run that was forked from another one."""

    set: dict[str, StoredValue]
    removed: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return f'{{"override":{join_json_object(self.set.items())},"removed":{_compact_json(list(self.removed))}}}'

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> ParamsOverride:
        return cls(_parse_values(tree["override"]), tuple(tree["removed"]))


@dataclass(slots=True)
class ResumeParams:
    """Params given on resume, in order, each with the index of the step before which they were given."""

    by_step: tuple[tuple[int, dict[str, StoredValue]], ...] = ()

    def with_params(self, step: int, params: dict[str, StoredValue]) -> ResumeParams:
        """Return the cell with more params, given before `step`; earlier ones for later steps apply from it on, too."""
        return ResumeParams((*[(min(at, step), earlier) for at, earlier in self.by_step], (step, params)))

    @property
    def text(self) -> str:
        rows = [f"[{at},{join_json_object(params.items())}]" for at, params in self.by_step]
        return f'{{"resume_params":[{",".join(rows)}]}}'

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> ResumeParams:
        return cls(tuple([(at, _parse_values(params)) for at, params in tree["resume_params"]]))


Cell = RunInput | StepDelta | ParamsOverride | ResumeParams

_DELTA_TYPES: Final[dict[str, type]] = {
    "set": dict, "output": dict, "quality": dict, "events": list, "skipped": str, "checkpoint": bool,
}  # fmt: skip
_INPUT_TYPES: Final[dict[str, type]] = {
    "params": dict, **dict.fromkeys(_MAP_FIELDS, dict), **dict.fromkeys(_ID_FIELDS, str),
}  # fmt: skip


def parse_untrusted_delta(tree: Any) -> StepDelta:
    """Build the changes of a step from the tree another process sent.  Raises DecodingError for other fields."""
    _check_fields(tree, _DELTA_TYPES, "set")
    return StepDelta.from_tree(tree)


def parse_untrusted_input(tree: Any) -> RunInput:
    """Build the input of a run from the tree another process sent.  Raises DecodingError for other fields."""
    _check_fields(tree, _INPUT_TYPES, "params")
    return RunInput.from_tree(tree)


def _check_fields(tree: Any, types: Mapping[str, type], required: str) -> None:
    if type(tree) is not dict or required not in tree:
        raise DecodingError(f"no cell of a run of steps: {str(tree)[:80]}")
    for name, value in tree.items():
        if type(value) is not types.get(name):
            raise DecodingError(f"no cell of a run of steps: it has the field {name[:80]!r} of {type(value).__name__}")


_CELL_TYPES: Final[dict[str, type[RunInput] | type[StepDelta] | type[ParamsOverride] | type[ResumeParams]]] = {
    "params": RunInput,
    "set": StepDelta,
    "override": ParamsOverride,
    "resume_params": ResumeParams,
}


def parse_cell(tree: Any) -> Cell:
    """Build a cell from its parsed text, without decoding values.  Raises DecodingError for other data."""
    try:
        for mark, kind in _CELL_TYPES.items():
            if mark in tree:
                return kind.from_tree(tree)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DecodingError(f"stored value is no cell of a run of steps: {str(tree)[:80]}") from error
    raise DecodingError(f"stored value is no cell of a run of steps: {str(tree)[:80]}")


def _parse_values(trees: Mapping[str, Any]) -> dict[str, StoredValue]:
    return {name: StoredValue.from_tree(tree) for name, tree in trees.items()}
