"""The Pythons that the README, the package and .ci/run name are the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_pythons_that_are_claimed_are_those_that_are_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    classified = {found for line in project["classifiers"] for found in re.findall(r"Python :: (3\.\d+)$", line)}
    (said,) = re.findall(r"Tested on CPython ([\d., and]+\d)", (ROOT / "README.md").read_text(encoding="utf-8"))
    (supported,) = re.findall(r'^SUPPORTED="(.*)"$', (ROOT / ".ci/run").read_text(encoding="utf-8"), re.M)
    assert set(re.findall(r"3\.\d+", said)) == classified
    assert set(supported.split()) >= classified
    assert project["requires-python"] == f">={min(classified, key=lambda v: int(v[2:]))}"
