"""Arrays of numpy and frames of pandas by their content, without importing either."""

from __future__ import annotations

from typing import Any

from holdwater.fingerprint.deep.packages import top_level_package


def array_parts(value: Any) -> tuple[object, ...] | None:
    """What an array, frame, column or index consists of, however it lies in memory; None for anything else."""
    kind = type(value)
    if kind.__module__ == "numpy" and kind.__name__ == "ndarray":
        return value.shape, value.dtype, value.tolist() if value.dtype.hasobject else value.tobytes()
    if top_level_package(kind.__module__) != "pandas" or not hasattr(value, "to_numpy"):
        return None
    if hasattr(value, "columns"):
        columns = [value.iloc[:, k].array for k in range(value.shape[1])]
        return value.columns, value.index, columns, value.attrs
    if not hasattr(value, "dtype"):  # a Timestamp
        return None
    names = list(value.names) if kind.__name__.endswith("Index") else getattr(value, "name", None)
    return value.dtype, names, getattr(value, "index", None), getattr(value, "attrs", None), value.to_numpy()
