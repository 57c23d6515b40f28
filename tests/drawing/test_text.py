from __future__ import annotations

from holdwater.graphs import END, Graph, InterruptNode, node, route


@node(output_name="docs")
def retrieve(query: str, k: int = 5) -> list[str]:
    return [query] * k


@node(output_name="answer")
def generate(docs: list[str]) -> str:
    return docs[0]


@route(targets={"rag": "again", END: "enough"})
def pick(verdict: str) -> str:
    return "rag"


def test_an_outline_has_a_line_per_node_in_the_order_they_run() -> None:
    rag = Graph([generate, retrieve], name="rag").as_node()
    ask = InterruptNode("ask", input_param="answer", response_param="verdict")
    graph = Graph([pick, ask, rag], name="app")
    assert graph.to_text(depth=1).splitlines() == [
        "app",
        "├─ inputs query: str, k: int = 5",
        "├─ rag [graph]  -> answer: str, docs: list[str]",
        "│  ├─ inputs query: str, k: int = 5",
        "│  ├─ retrieve  -> docs: list[str]",
        "│  └─ generate  -> answer: str  <- retrieve",
        "├─ ask [interrupt]  -> verdict  <- rag",
        "└─ pick [gate]  => rag (again) | END (enough)  <- ask",
    ]


def test_an_outline_without_types_and_inputs() -> None:
    graph = Graph([retrieve, generate], name="rag")
    assert graph.to_text(show_types=False, show_inputs=False).splitlines() == [
        "rag",
        "├─ retrieve  -> docs",
        "└─ generate  -> answer  <- retrieve",
    ]
