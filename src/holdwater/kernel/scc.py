"""Strongly connected components of a directed graph (Tarjan, SIAM J. Comput. 1972), without recursion and linear."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def strongly_connected_components(successors: Sequence[Iterable[int]]) -> list[list[int]]:
    """The components in topological order, each with its nodes in ascending order.

    `successors`: node -> nodes its edges lead to; nodes are 0 to n - 1.  The result depends on the order of the nodes
    and of the successors alone.
    """
    n = len(successors)
    order, low = [0] * n, [0] * n
    is_open = [False] * n
    open_nodes: list[int] = []
    components: list[list[int]] = []
    visited = 0
    for root in range(n):
        if order[root]:
            continue
        path: list[tuple[int, Iterator[int]]] = []
        entered: int | None = root
        while entered is not None or path:
            if entered is not None:
                visited += 1
                order[entered] = low[entered] = visited
                is_open[entered] = True
                open_nodes.append(entered)
                path.append((entered, iter(successors[entered])))
                entered = None
            node, rest = path[-1]
            for successor in rest:
                if not order[successor]:
                    entered = successor
                    break
                if is_open[successor]:
                    low[node] = min(low[node], order[successor])
            else:
                path.pop()
                if path:
                    parent = path[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == order[node]:
                    components.append(_close_component(node, open_nodes, is_open))
    components.reverse()
    return components


def _close_component(root: int, open_nodes: list[int], is_open: list[bool]) -> list[int]:
    members: list[int] = []
    while not members or members[-1] != root:
        member = open_nodes.pop()
        is_open[member] = False
        members.append(member)
    members.sort()
    return members
