"""`hypergraph.integrations.daft`: not supported; every name raises NotInThisVersion."""

from __future__ import annotations

from typing import Final

from holdwater.compat.hypergraph.unsupported import DaftRunner
from holdwater.compat.stubs import stub_class, stub_function

_PLAIN: Final = "use AsyncRunner().map(..., max_concurrency=...), and holdwater.graphs.node for its nodes"

Options = stub_class("Options", _PLAIN)
node = stub_function("hypergraph.integrations.daft.node", _PLAIN)
stateful = stub_function("stateful", "bind an object to the graph: graph.bind(model=model)")

__all__ = ["DaftRunner", "Options", "node", "stateful"]
