"""How wide a text will be, without a font at hand: an estimate for common sans-serif faces, rather too wide."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

MAX_LINE_CHARS: Final = 44
"""characters of a line of text in a drawing"""

_WIDTHS_EM: Final = {
    **dict.fromkeys("iljI.,:;'|!` ", 0.3),
    **dict.fromkeys('ftr()[]{}"-/\\*', 0.41),
    **dict.fromkeys("mwMW@%", 0.92),
    **dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZ&_=<>+~#", 0.69),
}


def text_width(text: str, font_px: float) -> float:
    return sum(_char_width_em(char) for char in text) * font_px


def shorten(text: str, limit: int = MAX_LINE_CHARS) -> str:
    """The text on one line, cut in the middle if it is too long."""
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    return f"{text[: limit * 2 // 3]}…{text[-(limit // 3 - 1) :]}"


@lru_cache(maxsize=1024)
def _char_width_em(char: str) -> float:
    if char in _WIDTHS_EM:
        return _WIDTHS_EM[char]
    return 1.05 if unicodedata.east_asian_width(char) in "WF" else 0.58
