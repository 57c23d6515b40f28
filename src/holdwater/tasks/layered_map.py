"""Views of the context: immutable maps from key to value and writers, which share structure.

A view is a list of dictionaries, newest first, each larger than all above it together (a log-structured merge).
`push_layer` adds a dictionary with the changed keys and merges it with those below of comparable size: in a chain of n
pushes an entry is copied O(log n) times, and a look-up visits O(log n) dictionaries.  A removal is an entry too,
because joins and the journal need it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from holdwater.model.values import StoredValue

Entry = tuple[StoredValue | None, tuple[int, ...]]
"""A value (None: removed) and the ranks of its writers, which are concurrent if there are several."""

Layer = dict[str, Entry]

INITIAL_RANK: Final = 0
"""The rank of the initial context, less than that of every task."""


class LayeredMap:
    """An immutable map.  `count`: number of keys.  `size_bytes`: lower bound of the size of their encodings."""

    __slots__ = ("_flattened_layers", "_merge_cost", "count", "layers", "size_bytes")

    def __init__(self, layers: tuple[Layer, ...] = (), count: int = 0, size: int = 0) -> None:
        self.layers = layers
        self.count = count
        self.size_bytes = size
        self._merge_cost = 0
        self._flattened_layers: tuple[Layer, ...] | None = None

    @classmethod
    def from_values(cls, values: Mapping[str, StoredValue], writer: int = INITIAL_RANK) -> LayeredMap:
        """Create a view of these values, all by one writer."""
        by = (writer,)
        return EMPTY.push_layer({key: (value, by) for key, value in values.items()})

    def get(self, key: str) -> Entry | None:
        """Return the newest entry of a key, a removal included; None if the key was never written."""
        for layer in self.layers:
            entry = layer.get(key)
            if entry is not None:
                return entry
        return None

    def get_stored(self, key: str) -> StoredValue | None:
        """Return the value of a key; None if it is missing."""
        entry = self.get(key)
        return None if entry is None else entry[0]

    def items(self) -> Iterator[tuple[str, StoredValue]]:
        """Iterate over keys and values, in the order of their first writes."""
        for key, (value, _) in _merge_layers(self.layers).items():
            if value is not None:
                yield key, value

    def push_layer(self, delta: Layer) -> LayeredMap:
        """Return a view with these entries on top.  `delta` is not copied and must not be changed afterwards."""
        if not delta:
            return self
        count, size = self.count, self.size_bytes
        for key, (value, _) in delta.items():
            old = self.get_stored(key)
            if old is not None:
                count -= 1
                size -= len(key) + old.size_bytes
            if value is not None:
                count += 1
                size += len(key) + value.size_bytes
        layers = self._base_layers()
        total = len(delta)
        depth = 0
        while depth < len(layers) and len(layers[depth]) <= total:
            total += len(layers[depth])
            depth += 1
        self._merge_cost += total - len(delta)
        return LayeredMap((_merge_layers((delta, *layers[:depth])), *layers[depth:]), count, size)

    def _base_layers(self) -> tuple[Layer, ...]:
        # Many tasks may push on one view, and each would repeat the same merge below it.  Once the merges have cost as
        # much as one flat copy, that copy is made for all of them.
        if self._flattened_layers is None:
            if self._merge_cost <= sum(map(len, self.layers)) or len(self.layers) == 1:
                return self.layers
            self._flattened_layers = (_merge_layers(self.layers),)
        return self._flattened_layers


def _merge_layers(layers: tuple[Layer, ...]) -> Layer:
    if len(layers) == 1:
        return layers[0]
    out: Layer = {}
    for layer in reversed(layers):
        out.update(layer)
    return out


EMPTY: Final = LayeredMap()
