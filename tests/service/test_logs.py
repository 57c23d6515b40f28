from __future__ import annotations

import io
import json
import logging
import time
from pathlib import Path

import pytest

from holdwater.service.logs import KEPT_DAYS, ServiceLogs, escape_controls


def test_one_line_each(tmp_path: Path) -> None:
    stream = io.StringIO()
    logs = ServiceLogs("info", tmp_path / "logs", stream)
    logger = logging.getLogger("holdwater.test")
    logger.info("forged\n2026-01-01 00:00:00 ERROR root: \x1b[31mline\u2028end")
    logger.debug("too fine")
    logging.getLogger("elsewhere").info("of another library")
    try:
        raise ValueError("no\rluck")
    except ValueError:
        logger.error("it failed", exc_info=True, extra={"holdwater_run_id": "r1"})
    logs.set_level("debug")
    logger.debug("fine enough")
    logs.close()
    logs.close()
    lines = stream.getvalue().splitlines()
    assert lines[0].endswith("INFO holdwater.test: forged")
    assert lines[1] == "    2026-01-01 00:00:00 ERROR root: \\x1b[31mline"
    assert lines[2] == "    end"
    assert any("Traceback" in line for line in lines)
    assert "\x1b" not in stream.getvalue()
    assert "too fine" not in stream.getvalue()
    found = [json.loads(line) for line in (tmp_path / "logs" / "holdwater.log").read_text().splitlines()]
    assert [one["message"][:6] for one in found] == ["forged", "it fai", "fine e"]
    assert found[0]["message"].endswith("end")
    assert found[1]["run"] == "r1"
    assert "ValueError: no" in found[1]["exception"]
    assert found[0]["level"] == "info"


def test_files_of_earlier_days_are_kept_for_two_weeks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = ServiceLogs("info", tmp_path, io.StringIO())
    real, day = time.time, 86_400
    for days in range(20):
        monkeypatch.setattr(time, "time", lambda days=days: real() + days * day)
        logging.getLogger("holdwater.test").info("day %s", days)
    logs.close()
    assert len(list(tmp_path.glob("holdwater.log.*"))) == KEPT_DAYS
    assert "day 19" in (tmp_path / "holdwater.log").read_text()


def test_escapes() -> None:
    assert escape_controls("a é\u4e2d") == "a é\u4e2d"
    assert escape_controls("a\x00\x9b\u202eb\tc") == "a\\x00\\x9b\\u202eb\\tc"
