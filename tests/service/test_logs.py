from __future__ import annotations

import io
import json
import logging
import time
from pathlib import Path

import pytest

from holdwater.service.logs import KEPT_DAYS, ServiceLogs, escape_controls, redact


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


def test_secrets_are_left_out() -> None:
    key = "hw_0123456789ab_" + "x" * 43 + "_abc123"
    assert redact(f"Bearer {key}, again {key}") == "Bearer hw_0123456789ab_…, again hw_0123456789ab_…"
    assert redact("at postgresql://user:pass-word@db/x, no secret") == "at postgresql://user:…@db/x, no secret"
    assert redact("https://example.org/a:b@c") == "https://example.org/a:b@c"
    assert redact("nothing") == "nothing"


def test_no_secret_is_in_any_log(tmp_path: Path) -> None:
    key, stream = "hw_0123456789ab_" + "y" * 43 + "_abc123", io.StringIO()
    logs = ServiceLogs("info", tmp_path, stream)
    try:
        try:
            raise ValueError(f"not {key}")
        except ValueError:
            logging.getLogger("holdwater.x").exception("from postgresql://u:p4ss@h/d and %s", key)
    finally:
        logs.close()
    text = stream.getvalue() + (tmp_path / "holdwater.log").read_text()
    assert "yyyy" not in text
    assert "p4ss" not in text
    assert text.count("hw_0123456789ab_…") + text.count("hw_0123456789ab_\\u2026") == 4
