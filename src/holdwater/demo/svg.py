"""SVG elements of the picture, as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """Maps values from `low` to `high` linearly onto pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def text(x: float, y: float, words: str, style: str, anchor: str = "start") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def rect(x: float, y: float, width: float, height: float, style: str, tip: str = "", radius: float = 0) -> str:
    """Draw a rectangle.  `tip`: its tooltip."""
    box = f'class="{style}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius:g}"'
    return f"<rect {box}>{_title(tip)}</rect>" if tip else f"<rect {box}/>"


def circle(x: float, y: float, radius: float, style: str, tip: str = "") -> str:
    """Draw a disc.  `tip`: its tooltip."""
    disc = f'class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"'
    return f"<circle {disc}>{_title(tip)}</circle>" if tip else f"<circle {disc}/>"


def polyline(points: Iterable[Point], style: str) -> str:
    return f'<polyline class="{style}" points="{_points(points)}"/>'


def band(upper: Sequence[Point], lower: Sequence[Point], style: str) -> str:
    """Draw the area between two lines that share their x positions."""
    return f'<polygon class="{style}" points="{_points([*upper, *reversed(lower)])}"/>'


def _points(points: Iterable[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _title(tip: str) -> str:
    return f"<title>{escape(tip)}</title>"
