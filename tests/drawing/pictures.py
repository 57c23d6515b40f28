"""Pictures to draw in tests."""

from __future__ import annotations

import random

from holdwater.drawing.picture import Arrow, Box, Picture


def random_picture(seed: int, count: int, reach: int, arrows: int = 3) -> Picture:
    """Boxes that have fewer than `arrows` arrows each, from boxes up to `reach` before them."""
    luck = random.Random(seed)
    picture = Picture("random", {f"n{i}": Box("n" * luck.randrange(1, 40), "function") for i in range(count)})
    for i in range(1, count):
        for source in sorted({luck.randrange(max(0, i - reach), i) for _ in range(luck.randrange(arrows))}):
            picture.arrows.append(Arrow(f"n{source}", f"n{i}", "data"))
    return picture


def looping_picture() -> Picture:
    """A draft that is written, judged, and written again or printed; a box of every kind."""
    kinds = {
        "write": "function", "ask": "question", "rest": "wait", "judge": "route", "print": "graph", "tell": "choice",
        "END": "end",
    }  # fmt: skip
    return Picture(
        "press",
        {name: Box(name, kind) for name, kind in kinds.items()},  # type: ignore[arg-type]
        [
            Arrow("write", "ask", "data", names=("draft",)),
            Arrow("ask", "rest", "ordering"),
            Arrow("rest", "judge", "data"),
            Arrow("judge", "write", "control", "again"),
            Arrow("judge", "print", "control", "good"),
            Arrow("judge", "END", "control"),
            Arrow("print", "tell", "data"),
            Arrow("tell", "tell", "data"),
        ],
    )


def parallel_picture(count: int) -> Picture:
    """One box, `count` in parallel, and one behind all of them."""
    names = ["split", *[f"part {i}" for i in range(count)], "join"]
    picture = Picture("parallel", {name: Box(name, "function") for name in names})
    for name in names[1:-1]:
        picture.arrows += [Arrow("split", name, "data"), Arrow(name, "join", "data")]
    return picture
