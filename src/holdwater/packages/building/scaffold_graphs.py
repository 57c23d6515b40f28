"""The code of a new package of graphs."""

from __future__ import annotations

from typing import Final

GRAPH_FLOWS: Final = '''\
"""Orders of a day, as a graph: functions wired by the names of their outputs and parameters."""

from holdwater import Graph, node, register_graph


@node(output_name="orders")
def load_orders(day: str) -> list[dict[str, float]]:
    """Fetch the orders of the day. What a node returns is recorded, and then never made again."""
    return [{"pieces": 2, "price": 20.0}, {"pieces": 1, "price": 140.0}]


@node(output_name="amounts")
def price_orders(orders: list[dict[str, float]]) -> list[float]:
    """Price each order."""
    return [order["pieces"] * order["price"] for order in orders]


@node(output_name="pieces")
def count_pieces(orders: list[dict[str, float]]) -> float:
    """Count what has to be packed. It runs beside `price_orders`, whose output it does not take."""
    return sum(order["pieces"] for order in orders)


@node(output_name="total")
def report(amounts: list[float], pieces: float) -> float:
    """Sum up."""
    print(f"{pieces:g} pieces, {sum(amounts):.2f}")
    return sum(amounts)


register_graph(Graph([load_orders, price_orders, count_pieces, report], name="@NAME@"))
'''

GRAPH_TEST: Final = '''\
"""The graph without a store, and recorded."""

from holdwater import DefaultRunner, SyncRunner

import @MODULE@.flows as flows


def test_a_day() -> None:
    graph = flows.Graph([flows.load_orders, flows.price_orders, flows.count_pieces, flows.report])
    assert SyncRunner().run(graph, {"day": "today"})["total"] == 180.0


def test_a_recorded_day() -> None:
    with DefaultRunner("memory://") as runner:
        result = runner.execute("@NAME@", {"day": "today"})
    assert result.status == "Completed"
'''
