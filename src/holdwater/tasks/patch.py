"""The result of a task: the keys it set and the keys it removed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from holdwater.errors import DecodingError
from holdwater.model.values import StoredValue

compact_json = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(slots=True, eq=False)
class Patch:
    """A change of a context, the value of a task's cell; immutable by convention."""

    set: dict[str, StoredValue]
    removed: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Encode as `{"set":{key:encoding,...},"del":[key,...]}`; no value is encoded again."""
        return f'{{"set":{join_json_object(self.set.items())},"del":{compact_json(self.removed)}}}'

    @classmethod
    def from_tree(cls, tree: Any) -> Patch:
        """Build the patch from its parsed text, without decoding values.  Raises DecodingError for other data."""
        try:
            values: Mapping[str, Any] = tree["set"]
            return cls({key: StoredValue.from_tree(value) for key, value in values.items()}, tuple(tree["del"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise DecodingError(f"stored value is no change of a context: {str(tree)[:80]}") from error

    @classmethod
    def from_untrusted_tree(cls, tree: Any) -> Patch:
        """Build the patch from the tree another process sent.  Raises DecodingError for other fields or keys."""
        if type(tree) is not dict or tree.keys() != {"set", "del"} or type(tree["set"]) is not dict:
            raise DecodingError(f"no change of a context: {str(tree)[:80]}")
        removed = tree["del"]
        if type(removed) is not list or not all([type(key) is str for key in removed]):
            raise DecodingError(f"no list of removed keys: {str(removed)[:80]}")
        return cls.from_tree(tree)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Patch):
            return NotImplemented
        return self.set == other.set and set(self.removed) == set(other.removed)

    __hash__ = None  # type: ignore[assignment]


def join_json_object(items: Iterable[tuple[str, StoredValue]]) -> str:
    """Build a JSON object from stored values, none of which is encoded again."""
    return "{" + ",".join([f"{compact_json(key)}:{value.text}" for key, value in items]) + "}"
