"""Uploads that race on two replicas, of one version with different contents, or with names that differ by case."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.server.serving.packages import archive, upload
from tests.server.serving.server_process import ServedHere, serve_here


@pytest.fixture(scope="module")
def other_replica(served: ServedHere, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedHere]:
    with serve_here(served.database_url, tmp_path_factory.mktemp("replica"), uploads_per_minute=1e5) as found:
        for server in (served, found):  # routes are made at the first request, and not by two threads of a process
            with server.client() as client:
                assert client.get("/v1/tenants/public/releases").status_code == 200
        yield found


def same_version(place: int) -> bytes:
    return archive(files={"workflow/other.py": f"PLACE = {place}\n"})


def case_twin(place: int) -> bytes:
    return archive(["orders", "Orders", "ORDERS", "oRders"][place])


@pytest.mark.parametrize(
    ("make", "refusal"), [(same_version, (409, "version_exists")), (case_twin, (400, "upload_failed"))]
)
def test_one_of_several_uploads_wins(
    served: ServedHere, other_replica: ServedHere, make: Callable[[int], bytes], refusal: tuple[int, str]
) -> None:
    tenant = f"race_{make.__name__}"
    with served.client() as god:
        assert god.post("/v1/tenants", json={"name": tenant}).status_code == 201
        answers = race([served, other_replica] * 2, tenant, make)
        won = [one for one in answers if one.status_code in (201, 202)]
        lost = [one for one in answers if one not in won]
        assert [(one.status_code, one.json()["code"]) for one in lost] == [refusal] * 3
        (kept,) = god.get(f"/v1/tenants/{tenant}/releases").json()["items"]
        assert [one.json()["package_id"] for one in won] == [kept["release"]]


def race(servers: list[ServedHere], tenant: str, make: Callable[[int], bytes]) -> list[httpx.Response]:
    """Upload one archive to each server at once."""
    ready, answers = threading.Barrier(len(servers)), list[httpx.Response]()

    def send(place: int, server: ServedHere) -> None:
        with server.client() as client:
            data = make(place)
            ready.wait()
            answers.append(upload(client, data, tenant=tenant))

    threads = [threading.Thread(target=send, args=[*one]) for one in enumerate(servers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
