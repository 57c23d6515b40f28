"""Check of defaults: the nodes that take one input from outside all have the same default, or none has one."""

from __future__ import annotations

from holdwater.errors import GraphConfigError
from holdwater.graphs.build.checks.equality import is_same_value
from holdwater.graphs.build.wiring import Wiring
from holdwater.graphs.messages import join_names, with_facts


def check_defaults(wiring: Wiring) -> None:
    """Check defaults of inputs with several readers, bound ones excepted.  Raises GraphConfigError."""
    takers: dict[str, list[str]] = {}
    for node in wiring.nodes.values():
        for name in node.inputs:
            if (node.name, name) not in wiring.producers:
                takers.setdefault(name, []).append(node.name)
    for name, nodes in takers.items():
        having = [taker for taker in nodes if wiring.nodes[taker].has_signature_default_for(name)]
        if not having:
            continue
        if len(having) < len(nodes):
            without = [taker for taker in nodes if taker not in set(having)]
            raise GraphConfigError(
                with_facts(
                    f"input {name!r} has a default in some nodes and none in others",
                    f"with a default: {join_names(having)}",
                    f"without: {join_names(without)}",
                ),
                hint=f"give all of them the same default, or rename one: node.rename_inputs({name}=...)",
            )
        first = wiring.nodes[having[0]].get_signature_default_for(name)
        for taker in having[1:]:
            default = wiring.nodes[taker].get_signature_default_for(name)
            if not is_same_value(first, default):
                raise GraphConfigError(
                    with_facts(
                        f"input {name!r} has different defaults",
                        f"{having[0]!r}: {first!r}",
                        f"{taker!r}: {default!r}",
                    ),
                    hint=f"make them equal, or rename one: node.rename_inputs({name}=...)",
                )
