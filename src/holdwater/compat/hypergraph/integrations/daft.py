"""`hypergraph.integrations.daft`: nodes and classes for DataFrames, with the options Holdwater has in other places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final

from holdwater.compat.hypergraph.nodes import node as _node
from holdwater.compat.hypergraph.runners import DaftRunner
from holdwater.compat.stubs import stub_function
from holdwater.runners import graphs as runners

_HINTS: Final = {
    "return_dtype": "annotate what the function returns: int, float, str, bool, bytes and lists of them are columns of"
    " such types, everything else is a column of Python objects",
    "batch": "write the function for one row: the whole graph is one batch function, without calls per row by Daft",
    "batch_size": "use DaftRunner(batch_size=...) of holdwater, for the whole graph",
    "unnest": 'name the outputs: @node(output_name=("a", "b"))',
    "cpus": "use DaftRunner(num_cpus=...) of holdwater, for the whole graph",
    "gpus": "use DaftRunner(num_gpus=...) of holdwater, for the whole graph",
    "use_process": "leave it out: rows run in threads of this process, or in workers of Ray",
    "max_concurrency": "use DaftRunner(max_concurrency=...) of holdwater, for the whole graph",
    "max_retries": "use @node(retry=RetryPolicy(...))",
    "on_error": "leave it out: a row that fails has its error in the column _error, and all others are right",
    "ray_options": "use DaftRunner(num_cpus=..., num_gpus=...) of holdwater, for the whole graph",
}
"""option -> its replacement"""


@dataclass(frozen=True)
class Options:
    """Options of a function of Daft.  Raises NotInThisVersion for each that is given, naming its replacement."""

    return_dtype: Any = None
    batch: bool = False
    batch_size: int | None = None
    unnest: bool = False
    cpus: float | None = None
    gpus: float = 0
    use_process: bool | None = None
    max_concurrency: int | None = None
    max_retries: int | None = None
    on_error: str | None = None
    ray_options: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) != field.default:
                stub_function(f"option {field.name}= of Daft", _HINTS[field.name])()


_OPTION_NAMES: Final = frozenset(field.name for field in fields(Options))


def node(source: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Create a node, with the options of `hypergraph.node`.  Raises NotInThisVersion for options of Daft."""
    Options(**{name: options.pop(name) for name in _OPTION_NAMES & options.keys()})
    return _node(**options) if source is None else _node(source, **options)


def stateful(cls: type | None = None, /, **options: Any) -> Any:
    """Mark a class of which each worker process creates one object.  Raises NotInThisVersion for options of Daft."""
    Options(**options)
    return runners.stateful if cls is None else runners.stateful(cls)


__all__ = ["DaftRunner", "Options", "node", "stateful"]
