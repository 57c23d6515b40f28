"""Values of numpy and pandas of every sort.  Import only where both are there."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd


def _read_only() -> Any:
    made = np.arange(3)
    made.flags.writeable = False
    return made


def _with_attrs() -> Any:
    made = pd.DataFrame({"a": [1]})
    made.attrs = {"source": ("x", 1)}
    return made


ZONE = "Europe/Berlin"

KEPT: list[Any] = [
    np.float64(1.5), np.float64("nan"), np.float16(2), np.int8(-3), np.longlong(3), np.uint64(2**64 - 1),
    np.bool_(True),
    np.complex64(1 + 2j), np.str_("a\0"), np.str_(""), np.bytes_(b"x\0"), np.datetime64("2026-01-01"),
    np.datetime64("NaT", "s"),
    np.datetime64("2026", "Y"), np.timedelta64(3, "h"), np.void(b"abc"), np.arange(6).reshape(2, 3), np.array(5),
    np.empty((0, 3)),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.array(["a", "bcd"]), np.array([b"a"]), np.array([1, 2], ">i4"),
    np.zeros(3, dtype=[("a", "<f8"), ("b", "i4", (2, 2))]), np.zeros(2, dtype=[("a", "f8")])[0], np.arange(10)[::2],
    _read_only(),
    np.array(["2026", "NaT"], dtype="M8[ns]"), np.array([True, False]), np.array([np.nan, -0.0, np.inf], "f4"),
    np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1), [np.float64(1.5)], {"k": [np.str_("x"), 1]}, {np.int64(1), "a"},
    pd.Timestamp("2026-01-01"), pd.Timestamp("2026-10-25 01:30", tz="UTC").tz_convert(ZONE), pd.NaT, pd.NA,
    pd.Timedelta("1h"),
    pd.Timestamp("2026-01-01T00:00:00.123456789", tz="+05:30"), pd.Timestamp("1500-01-01").as_unit("s"),
    pd.Timedelta(3, "s").as_unit("s"),
    pd.Series([1, 2, 3]), pd.Series([1.5, None], name="x", index=["a", "a"]), pd.Series(["a", "b", None]),
    pd.Series([], dtype="f8"),
    pd.Series(["a", 1, None, (1, 2)], dtype=object), pd.Series([1, None], dtype="Int64"),
    pd.Series([True, None], dtype="boolean"),
    pd.Series([1.5, None], dtype="Float32"), pd.Series(["a", None], dtype="string"),
    pd.Series(pd.Categorical(["a", "b", None], ordered=True)),
    pd.Series(pd.date_range("2026-01-01", periods=3, tz=ZONE)),
    pd.Series(pd.date_range("2026-01-01", periods=3)), pd.DataFrame({"a": [1, 2], "b": ["x", None]}), pd.DataFrame(),
    pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2026", periods=2, freq="D")),
    pd.DataFrame([[1, "a"]], columns=["k", "k"]),
    pd.DataFrame(index=[1, 2]), pd.DataFrame(columns=["a"]), pd.DataFrame({("a", "b"): [1], ("a", "c"): [2.0]}),
    pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([("x", 1)], names=["p", "q"])),
    pd.DataFrame({"t": pd.to_timedelta([1], "s")}),
    pd.DataFrame({"d": [dt.date(2026, 1, 1)], "o": [{"k": (1, 2)}]}), pd.DataFrame(np.arange(6.0).reshape(3, 2)),
    _with_attrs(),
    pd.DataFrame({"a": np.arange(3, dtype="i1")}).set_flags(allows_duplicate_labels=False), pd.Index(["a"]),
    pd.Index([1, 2], name="n"),
    pd.date_range("2026", periods=3, freq="MS", tz=ZONE), pd.CategoricalIndex(["a"]), pd.RangeIndex(3),
    [pd.Timestamp("2026-01-01")],
]  # fmt: skip

REFUSED: list[Any] = [
    np.longdouble(1), np.array([1, "x"], dtype=object), np.ma.array([1, 2]), np.float64(1).dtype,
    np.random.default_rng(1),
    np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    np.zeros(1, dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    np.zeros(2, np.dtype({"names": ["a", "b"], "formats": ["i4", "f8"], "offsets": [0, 16], "itemsize": 32})),
    pd.Series(pd.period_range("2026", periods=2, freq="D")), pd.Series(pd.arrays.SparseArray([0, 1])),
    pd.interval_range(0, 3),
    pd.DataFrame({"o": [object()]}), pd.Period("2026"), type("Frame", (pd.DataFrame,), {})({"a": [1]}),
]  # fmt: skip
