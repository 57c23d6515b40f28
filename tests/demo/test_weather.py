"""The bodies of the workflow, called one after the other as an engine would, each with what it depends on."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdwater.demo import weather
from holdwater.demo.days import BadData
from holdwater.demo.files import read_effects
from holdwater.demo.normals import ServiceUnavailable
from holdwater.demo.run import initial_context, summary_lines
from holdwater.tasks import Context
from tests.demo.figures import CSV

LOADED = [weather.load, weather.validate]
ANALYSES = [weather.analyse_temperature, weather.analyse_rain, weather.analyse_extremes]


def test_the_whole_way(tmp_path: Path) -> None:
    context = Context(initial_context(tmp_path, 0))
    with pytest.raises(ServiceUnavailable):
        weather.fetch_normals(context)
    weather.fetch_normals(context)
    for body in LOADED:
        body(context)
    rows = context["rows"]
    for analysis in ANALYSES:  # in parallel each has rows of its own
        context["rows"] = rows
        analysis(context)
    for body in (weather.heat_note, weather.merge, weather.draw, weather.report):
        body(context)

    assert "rows" not in context
    assert context["hot_days"] == 63 > weather.HOT_DAYS_WORTH_A_NOTE
    assert Path(context["picture"]).read_text(encoding="utf-8").startswith("<svg")
    assert "Many hot days" in Path(context["report"]).read_text(encoding="utf-8")
    noted = [line.split() for line in read_effects(tmp_path)]
    assert [name for name, _, attempt in noted if attempt == "2"] == ["fetch_normals"]
    assert len({name for name, _, _ in noted}) == 10

    lines = summary_lines(context.to_dict())
    assert lines[0] == "1,461 days read, 0 rejected, 0 missing."
    for name in ("report.html", "weather.svg", "effects.log"):
        assert any(line.endswith(name) for line in lines)


def test_nonsense_fails_validation_and_is_sorted_out_by_repair(tmp_path: Path) -> None:
    lines = CSV.read_text(encoding="utf-8").splitlines()
    lines[1:31] = [line.replace("2012/01", "2012/13") for line in lines[1:31]]
    doctored = tmp_path / "doctored.csv"
    doctored.write_text("\n".join(lines), encoding="utf-8")
    context = Context({**initial_context(tmp_path / "out", 0), "csv_path": str(doctored)})
    weather.load(context)
    with pytest.raises(BadData, match="30 of 1461 rows are bad"):
        weather.validate(context.copy())
    weather.repair(context)

    rejected = Path(context["rejected"]).read_text(encoding="utf-8").splitlines()
    assert rejected[0] == "row,fault,date,precipitation,temp_max,temp_min,wind,weather"
    assert len(rejected) == 31
    mended = Context({**initial_context(tmp_path / "again", 0), "csv_path": context["repaired"]})
    for body in LOADED:
        body(mended)
    assert mended["checked"] == {"days": 1431, "rejected": [], "missing_days": 0}


def test_few_hot_days_get_the_other_note(tmp_path: Path) -> None:
    context = Context({**initial_context(tmp_path, 0), "temperature": {"years": [{"year": "2012", "hot_days": 8}]}})
    weather.mild_note(context)
    assert context["note"] == "Few hot days: 8 reached 30 °C."


def test_the_pace_is_kept(tmp_path: Path) -> None:
    from time import monotonic

    begun = monotonic()
    weather.begin_task(Context(initial_context(tmp_path, 0.05)), "load")
    assert monotonic() - begun >= 0.05


def test_a_failed_run_still_has_a_summary(tmp_path: Path) -> None:
    (line,) = summary_lines(initial_context(tmp_path))
    assert line.split() == ["Effects", "log:", str(tmp_path.resolve() / "effects.log")]
    assert summary_lines({}) == []
