"""Contrast of the web UI's colours in both themes, by WCAG 2.2: 4.5 to 1 for text, 3 to 1 for shapes."""

from __future__ import annotations

import re
from importlib import resources

import pytest

STATES = ("completed", "failed", "running", "queued", "waiting", "paused")
GROUNDS = ("bg", "panel", "raise")
TEXTS = [(text, ground) for text in ("text", "muted", "accent", *STATES) for ground in GROUNDS]
TEXTS += [(state, f"{state}-tint") for state in STATES] + [("accent", "accent-tint"), ("on-button", "button")]
SHAPES = [(shape, ground) for shape in ("control", "focus", *STATES) for ground in ("bg", "panel")]


def read_tokens(theme: int) -> dict[str, str]:
    """Colours by the names of their tokens.  `theme`: 0, light; 1, dark."""
    sheet = (resources.files("holdwater.server") / "static" / "app.css").read_text()
    declared = re.findall(r"--([\w-]+): (light-dark\([^)]*\)|var\([^)]*\)|#\w+);", sheet)
    tokens = {name: re.findall(r"#\w+", value)[-1 if theme else 0] for name, value in declared if "#" in value}
    aliases = {name: value[6:-1] for name, value in declared if value.startswith("var(--") and value[6:-1] in tokens}
    return {**tokens, **{name: tokens[other] for name, other in aliases.items()}}


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_texts_and_shapes_can_be_told_from_their_ground(theme: int) -> None:
    tokens = read_tokens(theme)
    low = [(*pair, round(found, 2)) for pair in TEXTS if (found := contrast(*[tokens[k] for k in pair])) < 4.5]
    low += [(*pair, round(found, 2)) for pair in SHAPES if (found := contrast(*[tokens[k] for k in pair])) < 3]
    assert low == []


def test_the_measure_itself() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
