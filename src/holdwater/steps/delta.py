"""The cells of a run of steps: what it starts with, what each step leaves behind, and what was changed from outside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from holdwater.errors import DecodingError
from holdwater.model.values import Stored

INPUT: Final = "*"
"""the cell of what a run starts with"""
OVERRIDE: Final = "*override"
"""the cell of params given when a run was resumed"""

_quote = json.JSONEncoder(separators=(",", ":")).encode


def object_text(items: Iterable[tuple[str, Stored]]) -> str:
    """A JSON object from stored values, none of which is encoded again."""
    return "{" + ",".join([f"{_quote(name)}:{value.text}" for name, value in items]) + "}"


@dataclass(slots=True)
class Start:
    """What a run starts with."""

    params: dict[str, Stored]
    partition: dict[str, Stored] = field(default_factory=dict)
    outputs: dict[str, Stored] = field(default_factory=dict)
    quality: dict[str, Stored] = field(default_factory=dict)
    metadata: dict[str, Stored] = field(default_factory=dict)
    batch_id: str | None = None
    parent_id: str | None = None

    @property
    def text(self) -> str:
        parts = [f'"params":{object_text(self.params.items())}']
        parts += [f'"{name}":{object_text(v.items())}' for name in _MAPS if (v := getattr(self, name))]
        parts += [f'"{name}":{_quote(v)}' for name in _IDS if (v := getattr(self, name)) is not None]
        return "{" + ",".join(parts) + "}"

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Start:
        given: dict[str, Any] = {name: _stored(tree.get(name, {})) for name in _MAPS}
        given.update({name: tree.get(name) for name in _IDS})
        return cls(_stored(tree["params"]), **given)


_MAPS: Final = ("partition", "outputs", "quality", "metadata")
_IDS: Final = ("batch_id", "parent_id")


@dataclass(slots=True)
class StepDelta:
    """What a step that succeeded leaves behind.  `output` None: a step without any.

    `skipped`: why it had nothing to do, None if it had.  `checkpoint`: it asked for one.
    """

    output: Stored | None = None
    params: dict[str, Stored] = field(default_factory=dict)
    quality: Stored | None = None
    events: Stored | None = None
    skipped: str | None = None
    checkpoint: bool = False

    @property
    def text(self) -> str:
        parts = [f'"set":{object_text(self.params.items())}']
        parts += [f'"{name}":{v.text}' for name in _VALUES if (v := getattr(self, name)) is not None]
        if self.skipped is not None:
            parts.append(f'"skipped":{_quote(self.skipped)}')
        if self.checkpoint:
            parts.append('"checkpoint":true')
        return "{" + ",".join(parts) + "}"

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> StepDelta:
        found = {name: Stored.from_tree(tree[name]) for name in _VALUES if name in tree}
        return cls(
            params=_stored(tree["set"]),
            skipped=tree.get("skipped"),
            checkpoint=tree.get("checkpoint", False),
            **found,
        )


_VALUES: Final = ("output", "quality", "events")


@dataclass(slots=True)
class Edit:
    """Params set and removed before a step, in a run that was made from another one."""

    set: dict[str, Stored]
    removed: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return f'{{"edit":{object_text(self.set.items())},"removed":{_quote(list(self.removed))}}}'

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Edit:
        return cls(_stored(tree["edit"]), tuple(tree["removed"]))


@dataclass(slots=True)
class Overrides:
    """Params given when the run was resumed, in order; each with the number of the step it was given before."""

    given: tuple[tuple[int, dict[str, Stored]], ...] = ()

    def then(self, step: int, params: dict[str, Stored]) -> Overrides:
        """With more, given before this step.  What was given for later steps is of this one too: it is done again."""
        return Overrides((*[(min(at, step), earlier) for at, earlier in self.given], (step, params)))

    @property
    def text(self) -> str:
        rows = [f"[{at},{object_text(params.items())}]" for at, params in self.given]
        return f'{{"given":[{",".join(rows)}]}}'

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Overrides:
        return cls(tuple([(at, _stored(params)) for at, params in tree["given"]]))


Cell = Start | StepDelta | Edit | Overrides

_KINDS: Final[dict[str, type[Start] | type[StepDelta] | type[Edit] | type[Overrides]]] = {
    "params": Start,
    "set": StepDelta,
    "edit": Edit,
    "given": Overrides,
}


def cell_from(tree: Any) -> Cell:
    """The cell whose `text` this is, parsed.  Decodes no value.  Raises DecodingError for other data."""
    try:
        for mark, kind in _KINDS.items():
            if mark in tree:
                return kind.from_tree(tree)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DecodingError(f"stored value is no cell of a run of steps: {str(tree)[:80]}") from error
    raise DecodingError(f"stored value is no cell of a run of steps: {str(tree)[:80]}")


def _stored(trees: Mapping[str, Any]) -> dict[str, Stored]:
    return {name: Stored.from_tree(tree) for name, tree in trees.items()}
