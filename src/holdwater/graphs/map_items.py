"""Items of a map: lists of inputs expanded to the inputs of single items."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

from holdwater.errors import GraphConfigError, MapOverError
from holdwater.graphs.messages import type_with_article
from holdwater.graphs.nodes.map_config import MapMode
from holdwater.model.error_report import describe_error
from holdwater.model.suggestions import did_you_mean


@dataclass(frozen=True, slots=True)
class MapItems:
    """The items of a map.  `rows`: values of the mapped inputs, per item.  `shared`: inputs of every item."""

    params: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    shared: Mapping[str, Any]
    cloned: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def input_names(self) -> tuple[str, ...]:
        """Return the names of all inputs of an item."""
        return (*self.shared, *self.params)

    def item_inputs(self, row: tuple[Any, ...]) -> dict[str, Any]:
        """Build the inputs of one item.  Raises GraphConfigError for a value to clone that cannot be copied."""
        given = dict(self.shared)
        for name in self.cloned:
            given[name] = clone_value(name, given[name])
        given.update(zip(self.params, row, strict=True))
        return given

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self.item_inputs, self.rows)


def expand_items(
    inputs: Mapping[str, Any],
    map_over: str | Iterable[str],
    mode: MapMode = "zip",
    clone: bool | Iterable[str] = False,
) -> MapItems:
    """Expand lists to items, in the order of the lists; in a product the last input varies fastest.

    Raises MapOverError for missing inputs, inputs that are not lists, lists of unequal length with "zip", an unknown
    mode, and a `clone` that names no shared input.
    """
    params = _check_params(map_over)
    columns = [_get_column(name, inputs) for name in params]
    if mode == "zip":
        if len({len(column) for column in columns}) > 1:
            raise _length_error(params, columns)
        rows = list(zip(*columns, strict=True))
    elif mode == "product":
        rows = list(itertools.product(*columns))
    else:
        raise _mode_error(mode)
    shared = {name: value for name, value in inputs.items() if name not in params}
    return MapItems(params, rows, shared, _resolve_clone(clone, params, shared))


@dataclass(frozen=True, slots=True)
class ItemStream:
    """The items of a map, drawn one by one.

    `items`: the names and the shared inputs, without rows.  `rows`: values of the mapped inputs, per item.
    `total`: number of items; None if an input does not tell its length.
    """

    items: MapItems
    rows: Iterator[tuple[Any, ...]]
    total: int | None


def stream_items(
    inputs: Mapping[str, Any],
    map_over: str | Iterable[str],
    mode: MapMode = "zip",
    clone: bool | Iterable[str] = False,
) -> ItemStream:
    """Expand mapped inputs to items as `expand_items` does, but draw from iterators lazily.

    In a product the first input is drawn lazily, and all others are lists.  Raises MapOverError as `expand_items` does,
    also for a set, which has another order in every process; for iterators of unequal length only when one ends.
    """
    params = _check_params(map_over)
    columns = [_check_column(name, inputs) for name in params]
    for name, column in zip(params, columns, strict=True):
        if isinstance(column, (set, frozenset)):
            raise MapOverError(f"input {name!r} is a set, which has no order", hint=f"sorted({name})")
    lengths = [len(column) if isinstance(column, Sized) else None for column in columns]
    shared = {name: value for name, value in inputs.items() if name not in params}
    items = MapItems(params, (), shared, _resolve_clone(clone, params, shared))
    if mode == "product":
        first, others = columns[0], [list(column) for column in columns[1:]]
        count = None if lengths[0] is None else math.prod([lengths[0], *map(len, others)])
        return ItemStream(items, ((one, *rest) for one in first for rest in itertools.product(*others)), count)
    if mode != "zip":
        raise _mode_error(mode)
    known = [length for length in lengths if length is not None]
    if len(set(known)) > 1:
        raise _length_error(params, columns)
    return ItemStream(items, _zip_rows(params, columns), known[0] if known else None)


def _zip_rows(params: tuple[str, ...], columns: Sequence[Iterable[Any]]) -> Iterator[tuple[Any, ...]]:
    end: Any = object()
    for index, row in enumerate(itertools.zip_longest(*columns, fillvalue=end)):
        ended = [name for name, value in zip(params, row, strict=True) if value is end]
        if ended:
            raise MapOverError(
                f"input {ended[0]!r} ends after {index} items, and others go on: mode 'zip' needs one length"
            )
        yield row


def _check_params(map_over: str | Iterable[str]) -> tuple[str, ...]:
    params = (map_over,) if isinstance(map_over, str) else tuple(map_over)
    if not params:
        raise MapOverError("map_over needs the name of at least one input", hint='map_over="items"')
    if len(set(params)) < len(params):
        raise MapOverError(f"map_over names an input twice: {params}")
    return params


def _length_error(params: tuple[str, ...], columns: Sequence[Iterable[Any]]) -> MapOverError:
    lengths = ", ".join(
        f"{name}: {len(column)}" for name, column in zip(params, columns, strict=True) if isinstance(column, Sized)
    )
    return MapOverError(
        f'the lists are not of one length ({lengths}), as mode "zip" needs them',
        hint='map_mode="product" takes every combination',
    )


def _mode_error(mode: str) -> MapOverError:
    return MapOverError(f'map_mode is "zip" or "product", not {mode!r}')


def _get_column(name: str, inputs: Mapping[str, Any]) -> Sequence[Any]:
    column = _check_column(name, inputs)
    return column if isinstance(column, (list, tuple)) else list(column)


def _check_column(name: str, inputs: Mapping[str, Any]) -> Iterable[Any]:
    if name not in inputs:
        raise MapOverError(
            f"map_over names {name!r}, which is not among the inputs: {', '.join(inputs) or 'none'}",
            hint=did_you_mean(name, inputs) or "give it a list of values",
        )
    column = inputs[name]
    if isinstance(column, (str, bytes, Mapping)) or not isinstance(column, Iterable):
        raise MapOverError(f"input {name!r} is mapped over, but is {type_with_article(column)} and no list of values")
    return column


def _resolve_clone(clone: bool | Iterable[str], params: tuple[str, ...], shared: Mapping[str, Any]) -> tuple[str, ...]:
    if isinstance(clone, bool):
        return tuple(shared) if clone else ()
    if isinstance(clone, str) or not isinstance(clone, Iterable):
        raise MapOverError(f"clone is True, False or a list of inputs, not {clone!r}")
    names = tuple(clone)
    for name in names:
        if name not in shared:
            what = "is mapped: every item has its own" if name in params else "is no input of this map"
            raise MapOverError(f"clone names {name!r}, which {what}")
    return names


def clone_value(name: str, value: Any) -> Any:
    """Copy a shared input for one item.  Raises GraphConfigError for a value that cannot be copied."""
    try:
        return copy.deepcopy(value)
    except Exception as error:
        raise GraphConfigError(
            f"input {name!r}, {type_with_article(value)}, cannot be cloned for each item ({describe_error(error)})",
            hint="leave it out of clone: items then share it",
        ) from error
