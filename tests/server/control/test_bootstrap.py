"""The first key of a server is made once, and is in its file before it is accepted."""

from __future__ import annotations

import logging
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from holdwater.errors import ConfigError
from holdwater.server.control import bootstrap as module
from holdwater.server.control.audit import AuditLog
from holdwater.server.control.bootstrap import BootstrapKey, bootstrap
from holdwater.server.control.database import ControlDatabase
from holdwater.server.control.key_text import digest_of, has_valid_checksum
from holdwater.server.control.keys import KeyStore

GIVEN = "a key of the operator, with spaces: 0123456789 äöü"


def read_key(home: Path) -> str:
    return (home / "bootstrap-key").read_text().removesuffix("\n")


def test_the_key_is_made_once_by_the_first_of_several_servers(control: ControlDatabase, tmp_path: Path) -> None:
    homes = [tmp_path / str(number) for number in range(4)]
    for home in homes:
        home.mkdir()
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda home: bootstrap(control, home), homes))
    (first,) = [one for one in made if one is not None]
    assert [home for home in homes if list(home.iterdir())] == [first.path.parent]
    text = read_key(first.path.parent)
    assert has_valid_checksum(text)
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    keys = KeyStore(control)
    found = keys.find(digest_of(text))
    assert found is not None
    assert (found.id, found.is_god, found.role, found.tenant) == (first.key_id, True, "admin", None)
    assert len(keys.list()) == 1
    assert [row.verb for row in AuditLog(control).list()] == ["key.create"]


def test_the_key_can_be_given(control: ControlDatabase, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert bootstrap(control, tmp_path, GIVEN) is not None
    assert read_key(tmp_path) == GIVEN
    assert KeyStore(control).find(digest_of(GIVEN)) is not None
    with caplog.at_level(logging.DEBUG):
        assert bootstrap(control, tmp_path, GIVEN) is None
        assert caplog.text == ""
        assert bootstrap(control, tmp_path, other := "x" * 40) is None
    assert "is not used" in caplog.text
    assert other not in caplog.text
    assert read_key(tmp_path) == GIVEN


@pytest.mark.parametrize("given", ["", "x" * 31, "x" * 201, "x" * 40 + "\n", " " + "x" * 40, "x" * 40 + "\0"])
def test_a_key_that_is_no_secret_is_refused(control: ControlDatabase, tmp_path: Path, given: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bootstrap(control, tmp_path, given)
    assert not given or given not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_dies_before_its_key_is_accepted_makes_it_anew(
    control: ControlDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(KeyStore, "insert", die)
    with pytest.raises(KeyboardInterrupt):
        bootstrap(control, tmp_path)
    left = read_key(tmp_path)
    assert KeyStore(control).find(digest_of(left)) is None
    monkeypatch.undo()
    assert isinstance(bootstrap(control, tmp_path), BootstrapKey)
    assert read_key(tmp_path) != left
    assert KeyStore(control).find(digest_of(read_key(tmp_path))) is not None


def test_a_link_in_the_place_of_the_file_is_replaced(control: ControlDatabase, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("untouched")
    home = tmp_path / "home"
    home.mkdir()
    for name in (module.FILE_NAME, f"{module.FILE_NAME}.new"):
        (home / name).symlink_to(elsewhere)
    assert bootstrap(control, home) is not None
    assert elsewhere.read_text() == "untouched"
    assert not (home / module.FILE_NAME).is_symlink()


def test_a_home_that_cannot_be_written_makes_no_key(control: ControlDatabase, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        bootstrap(control, tmp_path / "none")
    assert KeyStore(control).list() == []
