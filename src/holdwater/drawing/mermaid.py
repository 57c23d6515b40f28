"""Mermaid flow charts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, get_args

from holdwater.drawing.picture import Box, BoxKind, Picture
from holdwater.errors import GraphConfigError

Direction = Literal["TD", "TB", "BT", "LR", "RL"]

_SHAPES: Final[dict[BoxKind, tuple[str, str]]] = {
    "input": ("([", "])"),
    "function": ("[", "]"),
    "route": ("{{", "}}"),
    "choice": ("{", "}"),
    "question": ("[/", "/]"),
    "graph": ("[[", "]]"),
    "wait": ("([", "])"),
    "end": ("((", "))"),
}
_LINKS: Final = {"data": "-->", "control": "-.->", "ordering": "-->"}
_ORDERING_STYLE: Final = "stroke-dasharray:6 4"
_ESCAPES: Final = str.maketrans(
    {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;", "\n": " ", "\r": " "}
)


class Mermaid:
    """A flow chart; `str()` returns its source."""

    def __init__(self, source: str) -> None:
        self.source = source

    def __str__(self) -> str:
        return self.source

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/vnd.mermaid": self.source, "text/plain": self.source}


def render_mermaid(picture: Picture, direction: Direction = "TD") -> Mermaid:
    """Render a flow chart: data edges solid, decisions dotted, ordering dashed, unfolded graphs as subgraphs.

    Raises GraphConfigError for an unknown direction.
    """
    if direction not in get_args(Direction):
        options = ", ".join(get_args(Direction))
        raise GraphConfigError(f"the direction of a flow chart is one of {options}, not {direction!r}")
    ids: dict[tuple[int, str], str] = {}
    lines = [f"flowchart {direction}", *_render_nodes(picture, ids)]
    dashed: list[int] = []
    arrows = [(part, arrow) for part in picture.walk() for arrow in part.arrows]
    for number, (part, arrow) in enumerate(arrows):
        label = arrow.label or ", ".join(arrow.names)
        text = f'|"{label.translate(_ESCAPES)}"|' if label else ""
        source, target = ids[id(part), arrow.source], ids[id(part), arrow.target]
        lines.append(f"    {source} {_LINKS[arrow.kind]}{text} {target}")
        if arrow.kind == "ordering":
            dashed.append(number)
    if dashed:
        lines.append(f"    linkStyle {','.join(map(str, dashed))} {_ORDERING_STYLE}")
    return Mermaid("\n".join(lines))


def _render_nodes(whole: Picture, ids: dict[tuple[int, str], str]) -> Iterator[str]:
    """Yield a line per box; boxes of unfolded graphs stand between `subgraph` and `end`."""
    stack: list[Iterator[tuple[str, Box]]] = [iter(whole.boxes.items())]
    pictures = [whole]
    while stack:
        indent = "    " * len(stack)
        key, box = next(stack[-1], (None, None))
        if key is None or box is None:
            stack.pop()
            pictures.pop()
            if stack:
                yield f"{indent[4:]}end"
            continue
        number = ids[id(pictures[-1]), key] = f"n{len(ids)}"
        if box.inner is not None:
            yield f'{indent}subgraph {number}["{box.title.translate(_ESCAPES)}"]'
            stack.append(iter(box.inner.boxes.items()))
            pictures.append(box.inner)
            continue
        opening, closing = _SHAPES[box.kind]
        yield f'{indent}{number}{opening}"{_box_label(box)}"{closing}'


def _box_label(box: Box) -> str:
    """Return the name of a node, its note, and its outputs if they are typed."""
    typed = [line for line in box.lines if box.kind == "input" or ":" in line]
    return "<br/>".join(text.translate(_ESCAPES) for text in (box.title, box.note, *typed) if text)
