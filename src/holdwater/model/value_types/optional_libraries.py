"""Values of numpy and pandas.  Neither is imported before there is such a value, to be written or to be read."""

from __future__ import annotations

import sys
from typing import Any, Final

from holdwater.errors import DecodingError
from holdwater.model.value_types.tag import ReadFunction, ReviveFunction, WriteFunction


def find_writer(kind: type) -> WriteFunction | None:
    """Find the writer of a type of one of these libraries; None if it is not stored."""
    if "numpy" in sys.modules:
        from holdwater.model.value_types import numpy_arrays

        found = numpy_arrays.find_writer(kind)
        if found is not None:
            return found
    if "pandas" in sys.modules:
        from holdwater.model.value_types import pandas_tables

        return pandas_tables.find_writer(kind)
    return None


def _read_array(tree: dict[str, Any], revive: ReviveFunction) -> Any:
    try:
        from holdwater.model.value_types import numpy_arrays
    except ImportError as error:
        raise _missing_library_error("numpy", error) from error
    return numpy_arrays.read_numpy(tree, revive)


def _read_table(tree: dict[str, Any], revive: ReviveFunction) -> Any:
    try:
        from holdwater.model.value_types import pandas_tables
    except ImportError as error:
        raise _missing_library_error("pandas", error) from error
    return pandas_tables.read_pandas(tree, revive)


def _missing_library_error(library: str, error: ImportError) -> DecodingError:
    return DecodingError(
        f"stored value is of {library}, which cannot be imported here: {error}", hint=f"install {library}"
    )


READERS: Final[dict[str, ReadFunction]] = {"numpy": _read_array, "pandas": _read_table}
