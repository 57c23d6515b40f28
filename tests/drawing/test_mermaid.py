from __future__ import annotations

import pytest

from holdwater.errors import GraphConfigError
from holdwater.graphs import END, Graph, InterruptNode, ifelse, node, route


@node(output_name="docs")
def retrieve(query: str, k: int = 5) -> list[str]:
    return [query] * k


@node(output_name="answer")
def generate(docs: list[str], query: str) -> str:
    return query


@ifelse(when_true=END, when_false="generate")
def good(answer: str) -> bool:
    return True


@node(output_name=("a", "b"), emit="ready")
def split(x: int) -> tuple[int, int]:
    return x, x


@node(wait_for="ready")
def report(a: int) -> None: ...


def mermaid_lines(graph: Graph, **options: object) -> list[str]:
    return [line.strip() for line in str(graph.to_mermaid(**options)).splitlines()]  # type: ignore[arg-type]


def test_data_is_solid_and_decisions_are_dotted_with_what_was_decided() -> None:
    graph = Graph([retrieve, generate, good], name="rag")
    assert mermaid_lines(graph) == [
        "flowchart TD",
        'n0(["query: str"])',
        'n1(["k: int = 5"])',
        'n2["retrieve<br/>docs: list[str]"]',
        'n3["generate<br/>answer: str"]',
        'n4{"good"}',
        'n5(("END"))',
        'n0 -->|"query"| n2',
        'n0 -->|"query"| n3',
        'n1 -->|"k"| n2',
        'n4 -.->|"True"| n5',
        'n4 -.->|"False"| n3',
        'n2 -->|"docs"| n3',
        'n3 -->|"answer"| n4',
    ]


def test_types_and_inputs_can_be_left_out() -> None:
    drawn = mermaid_lines(Graph([retrieve, generate]), show_types=False, show_inputs=False, direction="LR")
    assert drawn == ["flowchart LR", 'n0["retrieve"]', 'n1["generate"]', 'n0 -->|"docs"| n1']


def test_mere_order_is_dashed() -> None:
    @node(wait_for="ready")
    def later() -> None: ...

    drawn = mermaid_lines(Graph([split, later]), show_inputs=False)
    assert drawn[-2:] == ["n0 --> n1", "linkStyle 0 stroke-dasharray:6 4"]


def test_bound_inputs_are_not_drawn() -> None:
    assert '"k: int' not in str(Graph([retrieve]).bind(k=3).to_mermaid())


def test_interrupts_and_routes_have_shapes_of_their_own() -> None:
    @route(targets={"generate": "again", END: "enough"})
    def pick(verdict: str) -> str:
        return "generate"

    ask = InterruptNode("ask", input_param="answer", response_param="verdict")
    drawn = mermaid_lines(Graph([generate, ask, pick]), show_types=False, show_inputs=False)
    assert 'n1[/"ask"/]' in drawn
    assert 'n2{{"pick"}}' in drawn
    assert 'n2 -.->|"again"| n0' in drawn
    assert 'n2 -.->|"enough"| n3' in drawn


def test_nested_graphs_are_boxes_until_they_are_unfolded() -> None:
    innermost = Graph([generate], name="write")
    inner = Graph([retrieve, innermost.as_node()], name="rag")
    outer = Graph([inner.as_node()], name="app")
    flat, one, two = (mermaid_lines(outer, depth=depth, show_types=False, show_inputs=False) for depth in range(3))
    assert 'n0[["rag"]]' in flat
    assert one[1:5] == ['subgraph n0["rag"]', 'n1["retrieve"]', 'n2[["write"]]', "end"]
    assert two[1:7] == ['subgraph n0["rag"]', 'n1["retrieve"]', 'subgraph n2["write"]', 'n3["generate"]', "end", "end"]


def test_a_mapped_graph_says_over_what() -> None:
    graph = Graph([Graph([retrieve], name="each").as_node().map_over("query")])
    assert 'n0[["each for each query"]]' in mermaid_lines(graph, show_types=False, show_inputs=False)


def test_hidden_nodes_are_led_through() -> None:
    @node(output_name="clean", hide=True)
    def tidy(docs: list[str]) -> list[str]:
        return docs

    @node(output_name="n")
    def count(clean: list[str]) -> int:
        return len(clean)

    drawn = mermaid_lines(Graph([retrieve, tidy, count]), show_types=False, show_inputs=False)
    assert drawn[1:] == ['n0["retrieve"]', 'n1["count"]', 'n0 -->|"docs"| n1']


def test_text_cannot_break_out_of_its_place() -> None:
    graph = Graph([retrieve.with_name("x"), Graph([generate], name='a "b" <i> `c` #1; & |').as_node()])
    source = str(graph.to_mermaid(show_inputs=False))
    assert '[["a #quot;b#quot; #lt;i#gt; #96;c#96; #35;1; #amp; |<br/>' in source


def test_a_notebook_gets_the_source() -> None:
    chart = Graph([retrieve]).to_mermaid()
    assert chart._repr_mimebundle_()["text/vnd.mermaid"] == str(chart) == chart.source


def test_an_unknown_direction_is_refused() -> None:
    with pytest.raises(GraphConfigError, match="TD, TB, BT, LR, RL"):
        Graph([retrieve]).to_mermaid(direction="up")  # type: ignore[arg-type]
