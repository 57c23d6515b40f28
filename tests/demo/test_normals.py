from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from holdwater.demo import normals
from holdwater.demo.files import read_package_data


def test_the_first_request_is_refused_and_the_second_answered(tmp_path: Path) -> None:
    with pytest.raises(normals.ServiceUnavailable, match="503"):
        normals.fetch_normals(tmp_path)
    assert normals.fetch_normals(tmp_path) == json.loads(read_package_data("normals.json"))["monthly_c"]


def test_one_service_warms_up_while_it_runs(tmp_path: Path) -> None:
    with normals.run_service(tmp_path) as port:
        with pytest.raises(normals.ServiceUnavailable):
            normals.request_normals(port)
        assert len(normals.parse_normals(normals.request_normals(port))) == 12


def test_a_service_started_after_a_crash_is_still_warm(tmp_path: Path) -> None:
    with pytest.raises(normals.ServiceUnavailable):
        normals.fetch_normals(tmp_path)
    later = shutil.copytree(tmp_path, tmp_path / "later", ignore=shutil.ignore_patterns("later"))
    assert len(normals.fetch_normals(later)) == 12
    assert [path.name for path in later.iterdir()] == [normals.CACHE_FILE], "no draft is left behind"


def test_an_answer_without_twelve_months_is_refused() -> None:
    with pytest.raises(ValueError, match="11 monthly normals"):
        normals.parse_normals(json.dumps({"monthly_c": [1] * 11}).encode())
