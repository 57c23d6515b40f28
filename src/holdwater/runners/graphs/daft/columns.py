"""Columns of DataFrames: types by annotations, and exact conversion of Python values.

Values of `int`, `float`, `str`, `bool`, `bytes` and lists of them have columns of Arrow types, which can be computed
with and written to files; all others are columns of Python objects.
"""

from __future__ import annotations

import operator
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from holdwater.errors import NodeReturnError
from holdwater.graphs.messages import type_with_article
from holdwater.model.portable_code import is_picklable
from holdwater.runners.graphs.daft.library import import_daft

if TYPE_CHECKING:
    import daft

PYTHON: Final = "python"
"""kind of columns of Python objects"""
STRING: Final = "string"
_LIST_PREFIX: Final = "list of "


class _Scalar(NamedTuple):
    """`exact`: types that convert without loss.  `convert`: other values; raises TypeError or OverflowError."""

    annotation: type
    exact: frozenset[type]
    convert: Callable[[Any], Any]


def _to_int(value: Any) -> int:
    return operator.index(value)


def _to_float(value: Any) -> float:
    if isinstance(value, float) or getattr(getattr(value, "dtype", None), "kind", "") == "f":
        return float(value)
    return operator.index(value)  # Arrow refuses one that is no float exactly


def _to_str(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return str.__str__(value)


def _to_bool(value: Any) -> bool:
    if not isinstance(value, bool) and getattr(getattr(value, "dtype", None), "kind", "") != "b":
        raise TypeError
    return bool(value)


def _to_bytes(value: Any) -> bytes:
    if not isinstance(value, (bytes, bytearray)):
        raise TypeError
    return bytes(value)


_NONE: Final = type(None)
_SCALARS: Final[Mapping[str, _Scalar]] = {
    "int64": _Scalar(int, frozenset({int, _NONE}), _to_int),
    "float64": _Scalar(float, frozenset({float, int, _NONE}), _to_float),
    STRING: _Scalar(str, frozenset({str, _NONE}), _to_str),
    "bool": _Scalar(bool, frozenset({bool, _NONE}), _to_bool),
    "binary": _Scalar(bytes, frozenset({bytes, _NONE}), _to_bytes),
}


def kind_of_annotation(hint: Any) -> str:
    """Return the kind of column for values with this annotation."""
    hint = _strip_optional(hint)
    for kind, scalar in _SCALARS.items():
        if hint is scalar.annotation:
            return kind
    if typing.get_origin(hint) is list:
        (inner,) = typing.get_args(hint) or (None,)
        kind = kind_of_annotation(inner)
        if kind in _SCALARS:
            return _LIST_PREFIX + kind
    return PYTHON


def daft_type(kind: str) -> Any:
    """Return the Daft data type of a kind."""
    types_of_daft = import_daft().DataType
    if kind.startswith(_LIST_PREFIX):
        return types_of_daft.list(daft_type(kind.removeprefix(_LIST_PREFIX)))
    return getattr(types_of_daft, kind)()


def make_input_series(values: Sequence[Any]) -> daft.Series:
    """Convert the values of an input; a column of an Arrow type only if all of them are exactly of its Python type."""
    found = {*map(type, values)} - {_NONE}
    if len(found) == 1:
        (only,) = found
        for kind, scalar in _SCALARS.items():
            if scalar.annotation is only:
                try:
                    return _make_arrow_series(kind, values)
                except (ValueError, TypeError, OverflowError):  # as of a large int, a lone surrogate
                    break
    return make_python_series(values)


def make_python_series(values: Sequence[Any]) -> daft.Series:
    """Make a column of Python objects."""
    library = import_daft()
    return library.Series.from_pylist(list(values), dtype=library.DataType.python())


def make_output_series(kind: str, values: list[Any], output: str, errors: dict[int, BaseException]) -> daft.Series:
    """Convert the values of an output.  A value that its type cannot hold is an error of its row, and becomes null."""
    if kind == PYTHON:
        return make_python_series(values)
    if not _has_only_exact_types(kind, values):
        values = _convert_each(kind, values, output, errors)
    try:
        return _make_arrow_series(kind, values)
    except (ValueError, TypeError, OverflowError):
        return _make_arrow_series(kind, _convert_each(kind, values, output, errors))


def find_unpicklable(values: Sequence[Any], output: str, errors: dict[int, BaseException]) -> None:
    """Note an error for each row whose value cannot be sent from a worker."""
    if is_picklable(values):
        return
    for index, value in enumerate(values):
        if index not in errors and not is_picklable(value):
            errors[index] = NodeReturnError(
                f"output {output!r} is {type_with_article(value)}, which cannot be pickled to leave its worker",
                hint="return data, or use it up in a node that runs in the same graph",
            )


def _make_arrow_series(kind: str, values: Sequence[Any]) -> Any:
    import pyarrow

    return import_daft().Series.from_arrow(pyarrow.array(values, type=_arrow_type(kind)))


def _arrow_type(kind: str) -> Any:
    import pyarrow

    if kind.startswith(_LIST_PREFIX):
        return pyarrow.large_list(_arrow_type(kind.removeprefix(_LIST_PREFIX)))
    names = {STRING: "large_string", "binary": "large_binary", "bool": "bool_"}
    return getattr(pyarrow, names.get(kind, kind))()


def _has_only_exact_types(kind: str, values: Sequence[Any]) -> bool:
    if not kind.startswith(_LIST_PREFIX):
        return _SCALARS[kind].exact.issuperset(map(type, values))
    exact = _SCALARS[kind.removeprefix(_LIST_PREFIX)].exact
    return {list, _NONE}.issuperset(map(type, values)) and exact.issuperset(
        map(type, chain.from_iterable([one for one in values if one is not None]))
    )


def _convert_each(kind: str, values: Sequence[Any], output: str, errors: dict[int, BaseException]) -> list[Any]:
    """Convert values one by one; an error takes the place of that of an earlier output in the same row."""
    made: list[Any] = []
    for index, value in enumerate(values):
        try:
            converted = None if value is None else _convert(kind, value)
            _make_arrow_series(kind, [converted])
        except (ValueError, TypeError, OverflowError):
            errors[index], converted = _wrong_type_error(kind, value, output), None
        made.append(converted)
    return made


def _convert(kind: str, value: Any) -> Any:
    if not kind.startswith(_LIST_PREFIX):
        return _SCALARS[kind].convert(value)
    if isinstance(value, (str, bytes, Mapping)):
        raise TypeError
    convert = _SCALARS[kind.removeprefix(_LIST_PREFIX)].convert
    return [None if one is None else convert(one) for one in value]


def _wrong_type_error(kind: str, value: Any, output: str) -> NodeReturnError:
    return NodeReturnError(
        f"output {output!r} is annotated as {_describe(kind)} and is {type_with_article(value)},"
        f" which a column of that type cannot hold",
        hint="correct the annotation, or leave it out: the column then holds Python objects",
    )


def _describe(kind: str) -> str:
    if kind.startswith(_LIST_PREFIX):
        return f"list[{_describe(kind.removeprefix(_LIST_PREFIX))}]"
    return _SCALARS[kind].annotation.__name__


def _strip_optional(hint: Any) -> Any:
    while True:
        origin = typing.get_origin(hint)
        if origin is Annotated:
            hint = typing.get_args(hint)[0]
        elif origin is typing.Union or origin is types.UnionType:
            rest = [one for one in typing.get_args(hint) if one is not _NONE]
            if len(rest) != 1:
                return hint
            (hint,) = rest
        else:
            return hint
