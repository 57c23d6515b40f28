"""Every store there is, against the one suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdwater.storage import open_store
from holdwater.storage.options import StoreOptions
from tests.storage.bulk_job_conformance import BulkJobConformance
from tests.storage.catalog_conformance import CatalogConformance
from tests.storage.conformance import StoreConformance, StoreLocation
from tests.storage.drawing_conformance import DrawingConformance
from tests.storage.limit_conformance import LimitConformance
from tests.storage.log_conformance import LogConformance
from tests.storage.map_item_conformance import MapItemConformance
from tests.storage.question_conformance import QuestionConformance
from tests.storage.release_conformance import ReleaseConformance
from tests.storage.run_list_conformance import RunListConformance
from tests.storage.schedule_conformance import ScheduleConformance
from tests.storage.secret_conformance import SecretConformance


@pytest.fixture(params=["file", "in-memory database", "memory", "postgres", "postgres behind a proxy"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, migrated_schema: Callable[[], str]
) -> Iterator[StoreLocation]:
    options = StoreOptions()
    match request.param:
        case "file":
            url = f"sqlite:///{tmp_path}/runs.db?_synchronous=OFF"
        case "in-memory database":
            url = "sqlite:///:memory:"
        case "memory":
            url = "memory://"
        case "postgres":
            url = migrated_schema()
        case _:
            url, _, path = migrated_schema().partition("?options=-csearch_path%3D")
            options = StoreOptions(prepare_statements=False, schema=path)
    server = url.startswith("postgresql")
    place = StoreLocation(
        lambda: open_store(url, options), shared=server or request.param == "file", detects_dead_owners=not server
    )
    yield place
    place.close()


class TestEveryStore(StoreConformance):
    pass


class TestCatalogOfEveryStore(CatalogConformance):
    pass


class TestRunListsOfEveryStore(RunListConformance):
    pass


class TestSchedulesOfEveryStore(ScheduleConformance):
    pass


class TestQuestionsOfEveryStore(QuestionConformance):
    pass


class TestLogsOfEveryStore(LogConformance):
    pass


class TestDrawingsOfEveryStore(DrawingConformance):
    pass


class TestMapItemsOfEveryStore(MapItemConformance):
    pass


class TestBulkJobsOfEveryStore(BulkJobConformance):
    pass


class TestReleasesOfEveryStore(ReleaseConformance):
    pass


class TestLimitsOfEveryStore(LimitConformance):
    pass


class TestSecretsOfEveryStore(SecretConformance):
    pass
