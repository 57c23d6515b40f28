"""Two plans of one workflow: the nodes that came, went or changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from holdwater.model import rules
from holdwater.model.plan import Plan, PlanNode
from holdwater.operations.doctor.state import MAX_NAMES, name_list


@dataclass(frozen=True, slots=True)
class StructureDifference:
    """Changes from one plan to another.  `changed`: node -> its changes in words.  `moved`: nodes of a sequence."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: dict[str, str]
    moved: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """`'c' is new, 'b' is gone, 'a' comes after 'x', no more after 'y'`."""
        parts = [f"{name_list(list(names))} {_verb(names, word)}" for names, word in self._listed() if names]
        parts += [f"{name!r} {said}" for name, said in list(self.changed.items())[:5]]
        return ", ".join(parts) or "options of the workflow as a whole are others"

    def _listed(self) -> tuple[tuple[tuple[str, ...], str], ...]:
        return (self.added, "new"), (self.removed, "gone"), (self.moved, "moved")

    def facts(self) -> dict[str, Any]:
        """Return the names as plain values."""
        return {
            "added": list(self.added[:MAX_NAMES]),
            "removed": list(self.removed[:MAX_NAMES]),
            "changed": dict(list(self.changed.items())[:MAX_NAMES]),
            "moved": list(self.moved[:MAX_NAMES]),
        }


def compare_plans(old: Plan, new: Plan) -> StructureDifference:
    """Compare two plans by the names of their nodes."""
    before, after = {node.name: node for node in old.nodes}, {node.name: node for node in new.nodes}
    kept = [name for name in before if name in after]
    changed = {name: said for name in kept if (said := _describe_change(before[name], after[name]))}
    moved = [one for one, other in zip(kept, [name for name in after if name in before]) if one != other]
    return StructureDifference(
        tuple([name for name in after if name not in before]),
        tuple([name for name in before if name not in after]),
        changed,
        tuple(moved) if old.sequence or new.sequence else (),
    )


def _describe_change(old: PlanNode, new: PlanNode) -> str:
    """Say how a node differs; empty if it does not."""
    said = [
        *_describe_list("comes after", old.after, new.after),
        *_describe_list("reads", _read_names(old), _read_names(new)),
        *_describe_list("writes", old.writes, new.writes),
        *_describe_list("leads to", old.targets, new.targets),
    ]
    if old.kind != new.kind:
        said.append(f"is of the kind {new.kind!r} instead of {old.kind!r}")
    if (old.ready and rules.to_data(old.ready)) != (new.ready and rules.to_data(new.ready)):
        said.append("has another trigger rule")
    if not said and old != new:
        said.append("has other options")
    return " and ".join(said)


def _describe_list(verb: str, old: tuple[str, ...], new: tuple[str, ...]) -> list[str]:
    before, after = set(old), set(new)
    came, went = [name for name in new if name not in before], [name for name in old if name not in after]
    said = [f"{verb} {name_list(came)}"] if came else []
    return said + ([f"{verb} {name_list(went)} no more"] if went else [])


def _read_names(node: PlanNode) -> tuple[str, ...]:
    return tuple([cell for read in node.reads for cell in (read.cells or (read.name,))])


def _verb(names: tuple[str, ...], word: str) -> str:
    return f"{'is' if len(names) == 1 else 'are'} {word}" if word != "moved" else word
