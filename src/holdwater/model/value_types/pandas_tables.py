"""pandas: Timestamp, Timedelta, Series, DataFrame, and the kinds of index and column they are made of."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from holdwater.model.value_types import numpy_arrays
from holdwater.model.value_types.datetimes import zone_tree
from holdwater.model.value_types.tag import TAG, Refused, Revive, Tree, Write, Writer


def writer_of(kind: type) -> Write | None:
    """Exactly these types: a subclass holds more than is known here."""
    return _WRITERS.get(kind)


def _tree(kind: str, **parts: Any) -> dict[str, Any]:
    return {TAG: "pandas", "k": kind, **parts}


# -- scalars


def _timestamp(value: Any, writer: Writer) -> Tree:
    writer.needs_verification = True
    tree = _tree("Timestamp", v=int(value.asm8.view("i8")), u=value.unit)
    return tree if value.tz is None else {**tree, "z": zone_tree(value.tz)}


def _timedelta(value: Any, writer: Writer) -> Tree:
    return _tree("Timedelta", v=int(value.asm8.view("i8")), u=value.unit)


def _read_timestamp(tree: dict[str, Any], revive: Revive) -> Any:
    made = pd.Timestamp(np.datetime64(tree["v"], tree["u"]))
    return made.tz_localize("UTC").tz_convert(revive(tree["z"])) if "z" in tree else made


# -- columns


def _column(value: Any, writer: Writer) -> Tree:
    """The values of a Series or an index, without labels."""
    dtype = value.dtype
    if isinstance(dtype, np.dtype):
        if dtype.hasobject:
            return _tree("objects", v=writer.write_items(list(value)))
        return numpy_arrays.array_tree(value.to_numpy())
    if isinstance(dtype, pd.DatetimeTZDtype):
        counts = value.array.tz_convert("UTC").tz_localize(None).to_numpy().view("i8")
        return _tree("instants", v=numpy_arrays.array_tree(counts), u=dtype.unit, z=zone_tree(dtype.tz))
    if isinstance(dtype, pd.CategoricalDtype):
        categories = value.array.categories
        return _tree(
            "categorical",
            v=numpy_arrays.array_tree(value.array.codes),
            c=_index(categories, writer),
            o=bool(dtype.ordered),
        )
    if isinstance(dtype, pd.StringDtype):
        missing = value.isna()
        texts = [None if gone else str(x) for x, gone in zip(value, missing, strict=True)]
        kind = "NA" if dtype.na_value is pd.NA else "nan"
        return _tree("strings", v=writer.write_items(texts), s=dtype.storage, n=kind)
    if isinstance(dtype, _MASKED):
        hidden = value.isna()
        data = value.array.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
        return _tree("masked", v=numpy_arrays.array_tree(data), m=numpy_arrays.array_tree(np.asarray(hidden)))
    raise Refused(f"has the pandas dtype {dtype}, which cannot be stored", "convert it with astype() first")


_MASKED: Final = tuple(
    getattr(pd, name)
    for name in (
        "BooleanDtype", "Int8Dtype", "Int16Dtype", "Int32Dtype", "Int64Dtype", "UInt8Dtype", "UInt16Dtype",
        "UInt32Dtype", "UInt64Dtype", "Float32Dtype", "Float64Dtype",
    )
)  # fmt: skip


def _read_column(tree: dict[str, Any], revive: Revive) -> Any:
    if tree[TAG] == "numpy":
        return revive(tree)
    kind, v = tree["k"], tree["v"]
    if kind == "objects":
        made = np.empty(len(v), object)
        for k, one in enumerate(v):
            made[k] = revive(one)
        return made
    if kind == "instants":
        return (
            pd.Series(revive(v).view(f"M8[{tree['u']}]")).dt.tz_localize("UTC").dt.tz_convert(revive(tree["z"])).array
        )
    if kind == "categorical":
        return pd.Categorical.from_codes(revive(v), categories=revive(tree["c"]), ordered=tree["o"])
    if kind == "strings":
        missing = pd.NA if tree["n"] == "NA" else np.nan
        texts = [missing if x is None else revive(x) for x in v]
        return pd.array(texts, dtype=pd.StringDtype(tree["s"], na_value=missing))
    if kind == "masked":
        data, hidden = revive(v), revive(tree["m"])
        if data.dtype.kind == "b":
            return pd.arrays.BooleanArray(data, hidden)
        return (pd.arrays.FloatingArray if data.dtype.kind == "f" else pd.arrays.IntegerArray)(data, hidden)
    raise ValueError(f"a kind of column this version does not know: {kind}")


# -- indexes

_INDEXES: Final = (pd.Index, pd.DatetimeIndex, pd.TimedeltaIndex, pd.CategoricalIndex)


def _index(value: Any, writer: Writer) -> Tree:
    kind = type(value)
    writer.needs_verification = True
    if kind is pd.RangeIndex:
        return _tree("RangeIndex", v=[value.start, value.stop, value.step], name=writer.write(value.name))
    if kind is pd.MultiIndex:
        codes = [numpy_arrays.array_tree(np.asarray(code)) for code in value.codes]
        levels = [_index(level, writer) for level in value.levels]
        return _tree("MultiIndex", v=levels, codes=codes, name=writer.write_items(list(value.names)))
    if kind not in _INDEXES:
        raise Refused(f"has an index of type {kind.__name__}, which cannot be stored", "use reset_index() first")
    tree = _tree("Index", v=_column(value, writer), name=writer.write(value.name))
    freq = getattr(value, "freqstr", None)
    return tree if freq is None else {**tree, "f": freq}


def _read_index(tree: dict[str, Any], revive: Revive) -> Any:
    kind, v = tree["k"], tree["v"]
    if kind == "RangeIndex":
        return pd.RangeIndex(*v, name=revive(tree["name"]))
    if kind == "MultiIndex":
        levels, codes = [revive(level) for level in v], [revive(code) for code in tree["codes"]]
        return pd.MultiIndex(levels, codes, names=[revive(name) for name in tree["name"]])
    values = _read_column(v, revive)
    made = pd.Index(values, dtype=values.dtype, name=revive(tree["name"]), copy=False)
    if "f" in tree:
        made = type(made)(made, freq=tree["f"])
    return made


# -- with labels


def _labelled(kind: str, value: Any, writer: Writer, **parts: Any) -> Tree:
    tree = _tree(kind, v={**parts, "index": _at("index", _index, value.index, writer), "rows": len(value)})
    if value.attrs:
        tree["a"] = _at("attrs", lambda attrs, w: w.write_mapping(attrs), value.attrs, writer)
    if not value.flags.allows_duplicate_labels:
        tree["unique"] = True
    return tree


def _at(step: str, write: Write, value: Any, writer: Writer) -> Tree:
    try:
        return write(value, writer)
    except Refused as refused:
        refused.add_step(step)
        raise


def _series(value: Any, writer: Writer) -> Tree:
    return _labelled("Series", value, writer, data=_column(value, writer), name=writer.write(value.name))


def _frame(value: Any, writer: Writer) -> Tree:
    columns = []
    for k in range(value.shape[1]):
        column = value.iloc[:, k]
        columns.append(_at(f"[{column.name!r}]", _column, column, writer))
    return _labelled("DataFrame", value, writer, data=columns, columns=_at("columns", _index, value.columns, writer))


def _read_series(tree: dict[str, Any], revive: Revive) -> Any:
    v = tree["v"]
    data = _read_column(v["data"], revive)
    made = pd.Series(data, index=revive(v["index"]), dtype=data.dtype, name=revive(v["name"]), copy=False)
    return _flagged(made, tree, revive)


def _read_frame(tree: dict[str, Any], revive: Revive) -> Any:
    v = tree["v"]
    index, columns = revive(v["index"]), revive(v["columns"])
    data = [_read_column(column, revive) for column in v["data"]]
    # by number first: names may be there twice
    made = pd.DataFrame(
        {k: pd.Series(column, index=index, dtype=column.dtype, copy=False) for k, column in enumerate(data)},
        index=index,
    )
    made.columns = columns
    return _flagged(made, tree, revive)


def _flagged(made: Any, tree: dict[str, Any], revive: Revive) -> Any:
    if tree.get("unique"):
        made.flags.allows_duplicate_labels = False
    if "a" in tree:
        made.attrs = revive(tree["a"])
    return made


_WRITERS: Final[dict[type, Write]] = {
    pd.Timestamp: _timestamp,
    pd.Timedelta: _timedelta,
    type(pd.NaT): lambda v, w: _tree("NaT"),
    type(pd.NA): lambda v, w: _tree("NA"),
    pd.Series: _series,
    pd.DataFrame: _frame,
    **dict.fromkeys((pd.RangeIndex, pd.MultiIndex, *_INDEXES), _index),
}

_READERS: Final[dict[str, Any]] = {
    "Timestamp": _read_timestamp,
    "Timedelta": lambda t, revive: pd.Timedelta(np.timedelta64(t["v"], t["u"])),
    "NaT": lambda t, revive: pd.NaT,
    "NA": lambda t, revive: pd.NA,
    "Series": _read_series,
    "DataFrame": _read_frame,
    **dict.fromkeys(("RangeIndex", "MultiIndex", "Index"), _read_index),
}


def read(tree: dict[str, Any], revive: Revive) -> Any:
    """A value of pandas."""
    return _READERS[tree["k"]](tree, revive)
