from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from holdwater.demo import extremes, page, rain, temperature
from holdwater.demo.picture import BOTTOM, HEIGHT, LEFT, RAIN_BOTTOM, RAIN_TOP, RIGHT, TOP, WIDTH, render_picture, ticks
from tests.demo import figures

SVG = "{http://www.w3.org/2000/svg}"


def draw_picture() -> str:
    data = figures.report_context()
    return render_picture(
        data["temperature"]["months"], data["rain"]["months"], data["normals_c"], data["extremes"]["records"]
    )


def elements(tag: str, style: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(draw_picture())
    return [e for e in root.iter(SVG + tag) if style in e.get("class", "").split()]


def points(element: ElementTree.Element) -> list[tuple[float, float]]:
    pairs = [pair.split(",") for pair in element.get("points", "").split()]
    return [(float(x), float(y)) for x, y in pairs]


def test_one_bar_per_month_as_tall_as_its_rain() -> None:
    bars = elements("rect", "w-bar")
    totals = [month["rain_mm"] for month in figures.report_context()["rain"]["months"]]
    assert len(bars) == 48
    pixels_per_mm = (RAIN_BOTTOM - RAIN_TOP) / 300  # the axis ends at 300 mm
    for bar, total in zip(bars, totals, strict=True):
        assert float(bar.get("height", "")) == pytest.approx(total * pixels_per_mm, abs=0.051)
        assert float(bar.get("y", "")) + float(bar.get("height", "")) == pytest.approx(RAIN_BOTTOM, abs=0.11)


def test_one_point_per_month_at_its_temperature() -> None:
    months = figures.report_context()["temperature"]["months"]
    (curve,) = [line for line in elements("polyline", "w-mean") if len(points(line)) > 2]
    pixels_per_degree = (BOTTOM - TOP) / 50  # the axis goes from -10 to 40
    for (_, y), month in zip(points(curve), months, strict=True):
        assert y == pytest.approx(BOTTOM - (month["mean_c"] + 10) * pixels_per_degree, abs=0.051)
    assert len(elements("circle", "w-dot")) == 48 + 1  # and one in the legend


@pytest.mark.parametrize("style", ["w-range", "w-band"])
def test_a_band_has_two_sides_and_lies_in_its_panel(style: str) -> None:
    (area,) = elements("polygon", style)
    assert len(points(area)) == 96
    assert all(LEFT <= x <= RIGHT and TOP <= y <= BOTTOM for x, y in points(area))
    upper, lower = points(area)[:48], points(area)[:47:-1]
    assert all(above[0] == below[0] and above[1] < below[1] for above, below in zip(upper, lower, strict=True))


def test_axes_legend_and_labels_are_inside_the_picture() -> None:
    root = ElementTree.fromstring(draw_picture())
    words = [e.text or "" for e in root.iter(SVG + "text")]
    for expected in ("Temperature, °C", "Precipitation, mm per month", "2012", "2015", "mean", "precipitation", "−10"):
        assert expected in words
    assert words.count("Jan") == 4
    for text in root.iter(SVG + "text"):
        assert 0 < float(text.get("x", "")) < WIDTH
        assert 0 < float(text.get("y", "")) < HEIGHT


def test_every_class_has_a_rule_in_light_and_in_dark() -> None:
    svg = draw_picture()
    light, dark = re.search(r"<style>(.*)@media \(prefers-color-scheme: dark\)(.*)</style>", svg, re.DOTALL).groups()  # type: ignore[union-attr]
    for name in {name for classes in re.findall(r'class="([^"]+)"', svg) for name in classes.split()} - {"w-bar"}:
        assert f".{name} {{" in light
        assert f".{name} {{" in dark


def test_one_year_can_be_drawn_too() -> None:
    year = figures.validated_days()[:366]
    svg = render_picture(temperature.monthly(year), rain.monthly(year), [0.0] * 12, extremes.records(year))
    assert "temperature and rain, 2012<" in svg


def test_ticks_enclose_the_values() -> None:
    assert ticks(-7.1, 35.6, 10) == [-10, 0, 10, 20, 30, 40]
    assert ticks(0, 300, 100) == [0, 100, 200, 300]


class _Reader(HTMLParser):
    """Collects what a page would fetch, and checks that every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    html = page.render_page({**figures.report_context(), "note": "hot & <dry>"}, draw_picture())
    reader = _Reader()
    reader.feed(html)
    assert (reader.open, reader.links) == ([], [])
    assert "hot &amp; &lt;dry&gt;" in html
    assert "url(" not in html
    assert "@import" not in html
    assert html.count("<svg") == 1
