"""The report: a self-contained HTML file with the picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from holdwater.demo.colours import DARK, LIGHT
from holdwater.demo.words import format_day, format_degrees

_STYLE: Final = """\
:root { color-scheme: light dark; --paper: %(paper)s; --ink: %(ink)s; --muted: %(muted)s; --grid: %(grid)s;
  --bar: %(rain)s }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif }
main { max-width: 1000px; margin: 0 auto; padding: 32px 20px 56px }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px }
h2 { font-size: 18px; margin: 36px 0 10px }
p.lead, footer { color: var(--muted) }
p.lead { margin: 0 0 24px }
footer { font-size: 14px; margin-top: 40px; border-top: 1px solid var(--grid); padding-top: 14px }
dl.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 0 0 28px }
dl.tiles div { flex: 1 1 150px; border: 1px solid var(--grid); border-radius: 8px; padding: 12px 14px }
dl.tiles dt { color: var(--muted); font-size: 13px }
dl.tiles dd { margin: 2px 0 0 }
dl.tiles dd b { display: block; font-size: 22px; line-height: 1.3; font-weight: 600 }
dl.tiles dd span { color: var(--muted); font-size: 13px }
figure { margin: 0 -8px; overflow-x: auto }
figure svg { display: block; width: 100%%; min-width: 720px; height: auto }
div.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%%; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: 7px 10px; border-bottom: 1px solid var(--grid); white-space: nowrap }
th { color: var(--muted); font-weight: 500; font-size: 14px }
th:first-child, td:first-child { text-align: left }
td.bar { width: 60%%; text-align: left }
td.bar i { display: block; height: 12px; border-radius: 2px; background: var(--bar) }
@media (prefers-color-scheme: dark) { :root { --paper: %(dark_paper)s; --ink: %(dark_ink)s; --muted: %(dark_muted)s;
  --grid: %(dark_grid)s; --bar: %(dark_rain)s } }
"""


def render_page(figures: Mapping[str, Any], picture: str) -> str:
    """Render the page.  `figures`: the context of the run."""
    style = _STYLE % {**LIGHT, **{f"dark_{name}": colour for name, colour in DARK.items()}}
    sentences = [*figures["findings"], *filter(None, [figures.get("note")])]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Seattle-Tacoma weather report</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>The weather at Seattle-Tacoma Airport</h1>
<p class="lead">Daily observations, checked, analysed and drawn by a durable workflow.</p>
{_render_tiles(figures)}
<figure>
{picture}</figure>
<h2>Findings</h2>
<ul>
{_join_lines(f"<li>{escape(sentence)}</li>" for sentence in sentences)}
</ul>
<h2>Year by year</h2>
{_render_years(figures["temperature"]["years"], figures["rain"]["years"])}
<h2>Kinds of weather</h2>
{_render_kinds(figures["extremes"]["kinds"])}
<footer>Data: NOAA, Global Historical Climatology Network - Daily; public domain. A hot day reaches 30 °C, a frost day
falls to 0 °C or below, a wet day brings at least 1 mm.</footer>
</main>
</body>
</html>
"""


def _render_tiles(figures: Mapping[str, Any]) -> str:
    records, rain = figures["extremes"]["records"], figures["rain"]
    spell = rain["dry_spell"]
    tiles = [
        ("Hottest day", format_degrees(records["hottest"]["value"]), format_day(records["hottest"]["date"])),
        ("Coldest day", format_degrees(records["coldest"]["value"]), format_day(records["coldest"]["date"])),
        ("Wettest day", f"{rain['wettest_day']['rain_mm']:.1f} mm", format_day(rain["wettest_day"]["date"])),
        ("Windiest day", f"{records['windiest']['value']:.1f} m/s", format_day(records["windiest"]["date"])),
        ("Longest dry spell", f"{spell['days']} days", f"from {format_day(spell['first'])}" if spell["first"] else ""),
    ]
    return f'<dl class="tiles">\n{_join_lines(_render_tile(*tile) for tile in tiles)}\n</dl>'


def _render_tile(name: str, value: str, detail: str) -> str:
    return f"<div><dt>{escape(name)}</dt><dd><b>{escape(value)}</b><span>{escape(detail)}</span></dd></div>"


def _render_years(temperature: Sequence[Mapping[str, Any]], rain: Sequence[Mapping[str, Any]]) -> str:
    head = ["Year", "Mean", "Lowest", "Highest", "Hot days", "Frost days", "Precipitation", "Wet days"]
    rows = [
        [
            warm["year"],
            format_degrees(warm["mean_c"]),
            format_degrees(warm["lowest_c"]),
            format_degrees(warm["highest_c"]),
            str(warm["hot_days"]),
            str(warm["frost_days"]),
            f"{wet['rain_mm']:,.0f} mm",
            str(wet["wet_days"]),
        ]
        for warm, wet in zip(temperature, rain, strict=True)
    ]
    body = _join_lines(f"<tr>{_render_cells('td', row)}</tr>" for row in rows)
    return f'<div class="wide"><table>\n<tr>{_render_cells("th", head)}</tr>\n{body}\n</table></div>'


def _render_kinds(kinds: Mapping[str, int]) -> str:
    total, most = sum(kinds.values()), max(kinds.values())
    body = _join_lines(
        f"<tr>{_render_cells('td', [kind, f'{days} days', f'{days / total:.0%}'])}"
        f'<td class="bar"><i style="width: {days / most:.1%}"></i></td></tr>'
        for kind, days in kinds.items()
    )
    return f"<table>\n{body}\n</table>"


def _render_cells(tag: str, values: Iterable[str]) -> str:
    return "".join(f"<{tag}>{escape(value)}</{tag}>" for value in values)


def _join_lines(parts: Iterable[str]) -> str:
    return "\n".join(parts)
