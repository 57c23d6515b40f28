"""The picture: four years of temperature above, rain below, on one time axis.  Pixels are those of the view box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from math import ceil, floor
from typing import Any, Final

from holdwater.demo import svg
from holdwater.demo.colours import picture_style
from holdwater.demo.svg import Scale
from holdwater.demo.words import format_day, format_degrees, format_month

WIDTH: Final = 1000
HEIGHT: Final = 688
LEFT, RIGHT = 58, 982
TOP, BOTTOM = 134, 414  # the temperature panel
RAIN_TOP, RAIN_BOTTOM = 470, 610

Months = Sequence[Mapping[str, Any]]


def render_picture(temperature: Months, rain: Months, normals: Sequence[float], records: Mapping[str, Any]) -> str:
    """Render the picture as an SVG document, for a file of its own or inside a page."""
    slots = MonthAxis([month["month"] for month in temperature])
    parts = [
        svg.rect(0, 0, WIDTH, HEIGHT, "w-paper"),
        *_heading(slots),
        *_temperature_panel(slots, temperature, normals, records),
        *_rain_panel(slots, rain),
        *_time_axis(slots, rain),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        ' role="img" aria-labelledby="w-name w-about">\n'
        f'<title id="w-name">Seattle-Tacoma weather, {slots.period()}</title>\n'
        '<desc id="w-about">Above: per month the mean temperature, the band between the mean daily low and high, and'
        " the range from lowest to highest. Below: precipitation per month.</desc>\n"
        f"<style>\n{picture_style()}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


class MonthAxis:
    """The time axis: one slot of equal width per month."""

    def __init__(self, months: Sequence[str]) -> None:
        self.months = months
        self.width = (RIGHT - LEFT) / len(months)
        self._position = {month: i for i, month in enumerate(months)}

    def left_x(self, month: str) -> float:
        return LEFT + self._position[month] * self.width

    def middle_x(self, month: str) -> float:
        return self.left_x(month) + self.width / 2

    def years(self) -> list[tuple[str, list[str]]]:
        """Group the months by year."""
        return [(year, list(months)) for year, months in groupby(self.months, key=lambda month: month[:4])]

    def period(self) -> str:
        first, last = self.months[0][:4], self.months[-1][:4]
        return first if first == last else f"{first} to {last}"


def ticks(low: float, high: float, step: float) -> list[float]:
    """List the multiples of `step` that enclose the range from low to high."""
    return [i * step for i in range(floor(low / step), ceil(high / step) + 1)]


def _heading(slots: MonthAxis) -> list[str]:
    return [
        svg.text(LEFT, 36, f"Seattle-Tacoma Airport: temperature and rain, {slots.period()}", "w-title"),
        svg.text(LEFT, 58, "Daily observations of NOAA's Global Historical Climatology Network, by month", "w-small"),
        *_legend(86),
    ]


def _legend(y: float) -> list[str]:
    return [
        svg.polyline([(LEFT, y), (LEFT + 26, y)], "w-mean"),
        svg.circle(LEFT + 13, y, 3, "w-dot"),
        svg.text(LEFT + 34, y + 4, "mean", "w-label"),
        svg.rect(LEFT + 92, y - 7, 26, 14, "w-band", radius=2),
        svg.text(LEFT + 126, y + 4, "mean daily low to high", "w-label"),
        svg.rect(LEFT + 286, y - 7, 26, 14, "w-range", radius=2),
        svg.text(LEFT + 320, y + 4, "lowest to highest", "w-label"),
        svg.polyline([(LEFT + 450, y), (LEFT + 476, y)], "w-usual"),
        svg.text(LEFT + 484, y + 4, "usual mean (climate normal)", "w-label"),
        svg.rect(LEFT + 684, y - 7, 12, 14, "w-rain", radius=1.5),
        svg.text(LEFT + 704, y + 4, "precipitation", "w-label"),
    ]


def _temperature_panel(
    slots: MonthAxis, months: Months, normals: Sequence[float], records: Mapping[str, Any]
) -> list[str]:
    marks = ticks(min(m["lowest_c"] for m in months), max(m["highest_c"] for m in months), 10)
    scale = Scale(marks[0], marks[-1], BOTTOM, TOP)

    def curve(key: str) -> list[svg.Point]:
        return [(slots.middle_x(m["month"]), scale(m[key])) for m in months]

    usual = [(slots.middle_x(m["month"]), scale(normals[int(m["month"][5:]) - 1])) for m in months]
    return [
        svg.text(LEFT, TOP - 12, "Temperature, °C", "w-panel"),
        svg.band(curve("highest_c"), curve("lowest_c"), "w-range"),
        svg.band(curve("mean_max_c"), curve("mean_min_c"), "w-band"),
        *_grid(scale, marks),
        *_year_lines(slots, TOP, BOTTOM),
        svg.polyline(usual, "w-usual"),
        svg.polyline(curve("mean_c"), "w-mean"),
        *(_mean_dot(slots, scale, month) for month in months),
        *_record_mark(slots, scale, records["hottest"], above=True),
        *_record_mark(slots, scale, records["coldest"], above=False),
    ]


def _mean_dot(slots: MonthAxis, scale: Scale, month: Mapping[str, Any]) -> str:
    tip = (
        f"{format_month(month['month'])}: mean {format_degrees(month['mean_c'])}, "
        f"daily {format_degrees(month['mean_min_c'])} to {format_degrees(month['mean_max_c'])}, "
        f"extremes {format_degrees(month['lowest_c'])} to {format_degrees(month['highest_c'])}"
    )
    return svg.circle(slots.middle_x(month["month"]), scale(month["mean_c"]), 2.6, "w-dot", tip)


def _record_mark(slots: MonthAxis, scale: Scale, record: Mapping[str, Any], *, above: bool) -> list[str]:
    x, y = slots.middle_x(record["date"][:7]), scale(record["value"])
    words = f"{format_degrees(record['value'])}, {format_day(record['date'])}"
    anchor = "start" if x < (LEFT + RIGHT) / 2 else "end"
    beside = 9 if anchor == "start" else -9
    return [
        svg.circle(x, y, 3.6, "w-mark"),
        svg.text(x + beside, y + (-4 if above else 12), words, "w-label", anchor),
    ]


def _rain_panel(slots: MonthAxis, months: Months) -> list[str]:
    marks = ticks(0, max(m["rain_mm"] for m in months), 100)
    scale = Scale(marks[0], marks[-1], RAIN_BOTTOM, RAIN_TOP)
    return [
        svg.text(LEFT, RAIN_TOP - 12, "Precipitation, mm per month", "w-panel"),
        *_grid(scale, marks),
        *_year_lines(slots, RAIN_TOP, RAIN_BOTTOM),
        *(_rain_bar(slots, scale, month) for month in months),
    ]


def _rain_bar(slots: MonthAxis, scale: Scale, month: Mapping[str, Any]) -> str:
    top, gap = scale(month["rain_mm"]), slots.width * 0.14
    tip = f"{format_month(month['month'])}: {month['rain_mm']:.0f} mm, {month['wet_days']} wet days"
    x, width = slots.left_x(month["month"]) + gap, slots.width - 2 * gap
    return svg.rect(x, top, width, RAIN_BOTTOM - top, "w-rain w-bar", tip, radius=1.5)


def _grid(scale: Scale, marks: Sequence[float]) -> list[str]:
    """Draw horizontal lines with their values; the line of zero is bolder."""
    parts = []
    for mark in marks:
        y = scale(mark)
        parts.append(svg.line(LEFT, y, RIGHT, y, "w-grid" if mark else "w-axis"))
        parts.append(svg.text(LEFT - 9, y + 4, f"{mark:g}".replace("-", "\N{MINUS SIGN}"), "w-small", "end"))
    return parts


def _year_lines(slots: MonthAxis, top: float, bottom: float) -> list[str]:
    return [svg.line(x, top, x, bottom, "w-grid") for x in (slots.left_x(months[0]) for _, months in slots.years()[1:])]


def _time_axis(slots: MonthAxis, rain: Months) -> list[str]:
    parts = [svg.line(RIGHT, RAIN_BOTTOM, RIGHT, RAIN_BOTTOM + 7, "w-axis")]
    for year, months in slots.years():
        for month in months:
            x = slots.left_x(month)
            quarter = int(month[5:]) % 3 == 1
            parts.append(svg.line(x, RAIN_BOTTOM, x, RAIN_BOTTOM + (7 if quarter else 4), "w-axis"))
            if quarter:
                parts.append(
                    svg.text(slots.middle_x(month), RAIN_BOTTOM + 21, format_month(month)[:3], "w-small", "middle")
                )
        middle = (slots.left_x(months[0]) + slots.left_x(months[-1]) + slots.width) / 2
        total = sum(month["rain_mm"] for month in rain if month["month"] in months)
        parts.append(svg.text(middle, RAIN_BOTTOM + 43, year, "w-year", "middle"))
        parts.append(svg.text(middle, RAIN_BOTTOM + 60, f"{total:,.0f} mm", "w-small", "middle"))
    return parts
