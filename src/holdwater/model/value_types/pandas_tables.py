"""pandas: Timestamp, Timedelta, Series, DataFrame, and the kinds of index and column they are made of."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from holdwater.model.value_types import numpy_arrays
from holdwater.model.value_types.datetimes import zone_tree
from holdwater.model.value_types.tag import TAG, NotStorable, ReviveFunction, Tree, ValueWriter, WriteFunction


def find_writer(kind: type) -> WriteFunction | None:
    """Exactly these types: a subclass holds more than is known here."""
    return _WRITERS.get(kind)


def _tagged_tree(kind: str, **parts: Any) -> dict[str, Any]:
    return {TAG: "pandas", "k": kind, **parts}


# -- scalars


def _write_timestamp(value: Any, writer: ValueWriter) -> Tree:
    writer.needs_verification = True
    tree = _tagged_tree("Timestamp", v=int(value.asm8.view("i8")), u=value.unit)
    return tree if value.tz is None else {**tree, "z": zone_tree(value.tz)}


def _write_timedelta(value: Any, writer: ValueWriter) -> Tree:
    return _tagged_tree("Timedelta", v=int(value.asm8.view("i8")), u=value.unit)


def _read_timestamp(tree: dict[str, Any], revive: ReviveFunction) -> Any:
    made = pd.Timestamp(np.datetime64(tree["v"], tree["u"]))
    return made.tz_localize("UTC").tz_convert(revive(tree["z"])) if "z" in tree else made


# -- columns


def _write_column(value: Any, writer: ValueWriter) -> Tree:
    """The values of a Series or an index, without labels."""
    dtype = value.dtype
    if isinstance(dtype, np.dtype):
        if dtype.hasobject:
            return _tagged_tree("objects", v=writer.write_items(list(value)))
        return numpy_arrays.array_tree(value.to_numpy())
    if isinstance(dtype, pd.DatetimeTZDtype):
        counts = value.array.tz_convert("UTC").tz_localize(None).to_numpy().view("i8")
        return _tagged_tree("instants", v=numpy_arrays.array_tree(counts), u=dtype.unit, z=zone_tree(dtype.tz))
    if isinstance(dtype, pd.CategoricalDtype):
        categories = value.array.categories
        return _tagged_tree(
            "categorical",
            v=numpy_arrays.array_tree(value.array.codes),
            c=_write_index(categories, writer),
            o=bool(dtype.ordered),
        )
    if isinstance(dtype, pd.StringDtype):
        missing = value.isna()
        texts = [None if gone else str(x) for x, gone in zip(value, missing, strict=True)]
        kind = "NA" if dtype.na_value is pd.NA else "nan"
        return _tagged_tree("strings", v=writer.write_items(texts), s=dtype.storage, n=kind)
    if isinstance(dtype, _MASKED_DTYPES):
        hidden = value.isna()
        data = value.array.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
        return _tagged_tree("masked", v=numpy_arrays.array_tree(data), m=numpy_arrays.array_tree(np.asarray(hidden)))
    raise NotStorable(f"has the pandas dtype {dtype}, which cannot be stored", "convert it with astype() first")


_MASKED_DTYPES: Final = tuple(
    getattr(pd, name)
    for name in (
        "BooleanDtype", "Int8Dtype", "Int16Dtype", "Int32Dtype", "Int64Dtype", "UInt8Dtype", "UInt16Dtype",
        "UInt32Dtype", "UInt64Dtype", "Float32Dtype", "Float64Dtype",
    )
)  # fmt: skip


def _read_column(tree: dict[str, Any], revive: ReviveFunction) -> Any:
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

_INDEX_CLASSES: Final = (pd.Index, pd.DatetimeIndex, pd.TimedeltaIndex, pd.CategoricalIndex)


def _write_index(value: Any, writer: ValueWriter) -> Tree:
    kind = type(value)
    writer.needs_verification = True
    if kind is pd.RangeIndex:
        return _tagged_tree("RangeIndex", v=[value.start, value.stop, value.step], name=writer.write(value.name))
    if kind is pd.MultiIndex:
        codes = [numpy_arrays.array_tree(np.asarray(code)) for code in value.codes]
        levels = [_write_index(level, writer) for level in value.levels]
        return _tagged_tree("MultiIndex", v=levels, codes=codes, name=writer.write_items(list(value.names)))
    if kind not in _INDEX_CLASSES:
        raise NotStorable(f"has an index of type {kind.__name__}, which cannot be stored", "use reset_index() first")
    tree = _tagged_tree("Index", v=_write_column(value, writer), name=writer.write(value.name))
    freq = getattr(value, "freqstr", None)
    return tree if freq is None else {**tree, "f": freq}


def _read_index(tree: dict[str, Any], revive: ReviveFunction) -> Any:
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


def _write_labelled(kind: str, value: Any, writer: ValueWriter, **parts: Any) -> Tree:
    tree = _tagged_tree(
        kind, v={**parts, "index": _write_at("index", _write_index, value.index, writer), "rows": len(value)}
    )
    if value.attrs:
        tree["a"] = _write_at("attrs", lambda attrs, w: w.write_mapping(attrs), value.attrs, writer)
    if not value.flags.allows_duplicate_labels:
        tree["unique"] = True
    return tree


def _write_at(step: str, write: WriteFunction, value: Any, writer: ValueWriter) -> Tree:
    try:
        return write(value, writer)
    except NotStorable as refused:
        refused.add_step(step)
        raise


def _write_series(value: Any, writer: ValueWriter) -> Tree:
    return _write_labelled("Series", value, writer, data=_write_column(value, writer), name=writer.write(value.name))


def _write_frame(value: Any, writer: ValueWriter) -> Tree:
    columns = []
    for k in range(value.shape[1]):
        column = value.iloc[:, k]
        columns.append(_write_at(f"[{column.name!r}]", _write_column, column, writer))
    return _write_labelled(
        "DataFrame", value, writer, data=columns, columns=_write_at("columns", _write_index, value.columns, writer)
    )


def _read_series(tree: dict[str, Any], revive: ReviveFunction) -> Any:
    v = tree["v"]
    data = _read_column(v["data"], revive)
    made = pd.Series(data, index=revive(v["index"]), dtype=data.dtype, name=revive(v["name"]), copy=False)
    return _restore_flags(made, tree, revive)


def _read_frame(tree: dict[str, Any], revive: ReviveFunction) -> Any:
    v = tree["v"]
    index, columns = revive(v["index"]), revive(v["columns"])
    data = [_read_column(column, revive) for column in v["data"]]
    # by number first: names may be there twice
    made = pd.DataFrame(
        {k: pd.Series(column, index=index, dtype=column.dtype, copy=False) for k, column in enumerate(data)},
        index=index,
    )
    made.columns = columns
    return _restore_flags(made, tree, revive)


def _restore_flags(made: Any, tree: dict[str, Any], revive: ReviveFunction) -> Any:
    if tree.get("unique"):
        made.flags.allows_duplicate_labels = False
    if "a" in tree:
        made.attrs = revive(tree["a"])
    return made


_WRITERS: Final[dict[type, WriteFunction]] = {
    pd.Timestamp: _write_timestamp,
    pd.Timedelta: _write_timedelta,
    type(pd.NaT): lambda v, w: _tagged_tree("NaT"),
    type(pd.NA): lambda v, w: _tagged_tree("NA"),
    pd.Series: _write_series,
    pd.DataFrame: _write_frame,
    **dict.fromkeys((pd.RangeIndex, pd.MultiIndex, *_INDEX_CLASSES), _write_index),
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


def read_pandas(tree: dict[str, Any], revive: ReviveFunction) -> Any:
    """A value of pandas."""
    return _READERS[tree["k"]](tree, revive)
