"""The rows of a map on Ray: spread over the cluster, numbered, and sorted by their numbers at the end.

On Ray Daft keeps no order of the batches of a task, nor the limits of partitions it was told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdwater.runners.graphs.daft.library import import_daft, ray_processor_count

if TYPE_CHECKING:
    import daft

ROW_COLUMN: Final = "_holdwater_row"
"""numbers of the rows"""
PARTITIONS_PER_PROCESSOR: Final = 2


def spread_rows(frame: daft.DataFrame, count: int) -> daft.DataFrame:
    """Split a DataFrame of so many rows into partitions for all processors of the cluster."""
    return frame.into_partitions(max(1, min(count, PARTITIONS_PER_PROCESSOR * ray_processor_count())))


def number_rows(count: int) -> daft.Series:
    """Return the column of the numbers of the rows."""
    library = import_daft()
    return library.Series.from_pylist(list(range(count)), dtype=library.DataType.int64())
