"""Every law is tested with every program."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernel.programs import CASES, Case


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long sweeps run when they are asked for (`-m long`), not by default."""
    if config.option.markexpr:
        return
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="long: run with -m long"))
