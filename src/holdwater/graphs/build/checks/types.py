"""Check of annotations with `strict_types`: both ends of an edge have one, and they are compatible."""

from __future__ import annotations

from typing import Any

from holdwater.errors import GraphConfigError
from holdwater.graphs.build.wiring import Edge, Wiring
from holdwater.graphs.messages import with_facts
from holdwater.graphs.nodes.nested import GraphNode
from holdwater.graphs.type_compat import format_type, is_assignable


def check_types(wiring: Wiring) -> None:
    """Check that every value of an edge is annotated at both ends with compatible types.  Raises GraphConfigError."""
    for edge in wiring.edges:
        for name in edge.names:
            source, target = wiring.nodes[edge.source], wiring.nodes[edge.target]
            made, taken = source.get_output_type(name), target.get_input_type(name)
            if made is None:
                raise _missing_type_error(edge, name, f"output {name!r} of {source.name!r}", "return annotation")
            if taken is None:
                raise _missing_type_error(edge, name, f"input {name!r} of {target.name!r}", "annotation")
            for one in target.input_types(name) if isinstance(target, GraphNode) else (taken,):
                if one != taken:
                    raise GraphConfigError(
                        with_facts(
                            f"input {name!r} of nested graph {target.name!r} has two types inside",
                            format_type(taken),
                            format_type(one),
                        ),
                        hint="annotate it the same way everywhere, or rename it in one of the nodes",
                    )
            if not is_assignable(made, taken):
                raise _type_mismatch_error(edge, name, made, taken)


def _missing_type_error(edge: Edge, name: str, port_label: str, annotation: str) -> GraphConfigError:
    return GraphConfigError(
        with_facts(
            f"{port_label} has no type, and the graph has strict_types", f"{edge.source} --{name}--> {edge.target}"
        ),
        hint=f"add the {annotation}, or build the graph without strict_types",
    )


def _type_mismatch_error(edge: Edge, name: str, source_type: Any, target_type: Any) -> GraphConfigError:
    return GraphConfigError(
        with_facts(
            f"type mismatch: {edge.target!r} cannot take the {name!r} of {edge.source!r}",
            f"{edge.source!r} makes {format_type(source_type)}",
            f"{edge.target!r} takes {format_type(target_type)}",
        ),
        hint="change one of the annotations, or put a node between them that converts",
    )
