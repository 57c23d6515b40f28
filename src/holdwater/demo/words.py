"""Formatting of figures, and the findings as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from holdwater.demo.rain import WET_MM
from holdwater.demo.temperature import HOT_C

MONTHS: Final = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def format_month(month: str) -> str:
    """Format `2012-03` as `Mar 2012`."""
    return f"{MONTHS[int(month[5:7]) - 1]} {month[:4]}"


def format_day(date: str) -> str:
    """Format `2012-03-09` as `9 Mar 2012`."""
    return f"{int(date[8:])} {format_month(date)}"


def format_degrees(value: float) -> str:
    """Format degrees Celsius with a minus sign (U+2212)."""
    return f"{value:.1f} °C".replace("-", "\N{MINUS SIGN}")


def findings(figures: Mapping[str, Any]) -> list[str]:
    """Summarise the three analyses and the normals in sentences.  `figures`: the context of the run."""
    checked, temperature, rain = figures["checked"], figures["temperature"], figures["rain"]
    records, deviation = figures["extremes"]["records"], figures["deviation_c"]
    hottest, coldest = records["hottest"], records["coldest"]
    spell, wettest = rain["dry_spell"], rain["wettest_day"]
    yearly_mm = sum(year["rain_mm"] for year in rain["years"]) / len(rain["years"])
    return [
        f"{checked['days']:,} days read, {len(checked['rejected'])} rejected, {checked['missing_days']} missing.",
        f"Mean temperature {format_degrees(temperature['mean_c'])}: {format_degrees(abs(deviation))} "
        f"{'above' if deviation >= 0 else 'below'} the climate normal.",
        f"Drift over the period {temperature['trend_c_per_year']:+.2f} °C per year; "
        "so few years are weather, not climate.",
        f"Hottest {format_degrees(hottest['value'])} on {format_day(hottest['date'])}, "
        f"coldest {format_degrees(coldest['value'])} on {format_day(coldest['date'])}.",
        f"Precipitation {yearly_mm:,.0f} mm a year; most in a day: "
        f"{wettest['rain_mm']:.1f} mm on {format_day(wettest['date'])}.",
        *([_dry_spell_sentence(spell)] if spell["days"] else []),
    ]


def heat_note(temperature: Mapping[str, Any]) -> str:
    """Return the note for a period with many hot days."""
    years = temperature["years"]
    worst = max(years, key=lambda year: year["hot_days"])
    total = sum(year["hot_days"] for year in years)
    return f"Many hot days: {total} reached {HOT_C:g} °C, {worst['hot_days']} of them in {worst['year']}."


def mild_note(temperature: Mapping[str, Any]) -> str:
    """Return the note for a period with few hot days."""
    return f"Few hot days: {sum(year['hot_days'] for year in temperature['years'])} reached {HOT_C:g} °C."


def _dry_spell_sentence(spell: Mapping[str, Any]) -> str:
    first, last = format_day(spell["first"]), format_day(spell["last"])
    return f"Longest dry spell {spell['days']} days under {WET_MM:g} mm, {first} to {last}."
