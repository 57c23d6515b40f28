"""Estimated width of text in common sans-serif fonts, rather too large than too small."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from itertools import accumulate
from typing import Final

MAX_LINE_CHARS: Final = 44
"""maximum length of a line of text in a drawing, in characters"""

_WIDTHS_EM: Final = {
    **dict.fromkeys("iljI.,:;'|!` ", 0.3),
    **dict.fromkeys('ftr()[]{}"-/\\*', 0.41),
    **dict.fromkeys("mwMW@%", 0.92),
    **dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZ&_=<>+~#", 0.69),
}


def text_width(text: str, font_px: float) -> float:
    return sum(_char_width_em(char) for char in text) * font_px


def shorten(text: str, limit: int = MAX_LINE_CHARS) -> str:
    """Join the text to one line and cut its middle if it is longer than `limit`."""
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    return f"{text[: limit * 2 // 3]}…{text[-(limit // 3 - 1) :]}"


def fit_text(text: str, font_px: float, width_px: float) -> str:
    """Join the text to one line and cut its middle if it is wider than `width_px`."""
    text = " ".join(text[: 4 * MAX_LINE_CHARS].split()) if len(text) > 4 * MAX_LINE_CHARS else " ".join(text.split())
    if text_width(text, font_px) <= width_px:
        return text
    limit = len(text) - 1
    while limit > 4 and text_width(shorten(text, limit), font_px) > width_px:
        limit -= 1
    return shorten(text, limit)


def cut_text(text: str, font_px: float, width_px: float) -> str:
    """Join the text to one line and cut its end if it is wider than `width_px`."""
    text = " ".join(text[: 4 * MAX_LINE_CHARS].split())
    if text_width(text, font_px) <= width_px:
        return text
    room = width_px - text_width("…", font_px)
    widths = accumulate(_char_width_em(char) * font_px for char in text)
    return f"{text[: sum(1 for width in widths if width <= room)].rstrip(' ,')}…"


@lru_cache(maxsize=1024)
def _char_width_em(char: str) -> float:
    if char in _WIDTHS_EM:
        return _WIDTHS_EM[char]
    return 1.05 if unicodedata.east_asian_width(char) in "WF" else 0.58
