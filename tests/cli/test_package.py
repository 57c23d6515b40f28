"""`holdwater package`: from a name to a signed archive, and what each refusal looks like."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Final

import pytest

from holdwater.cli.main import main
from holdwater.packages.archives.archive import read_archive
from holdwater.packages.signatures.statements import read_signature
from tests.cli.conftest import Shell
from tests.packages.archive_files import PACKAGE_TOML, Entry, package, package_of_04, package_of_05

BUILT: Final = "shop/shop-0.1.0.cloacina"


def test_from_a_name_to_a_signed_archive(shell: Shell) -> None:
    made = shell("package", "new", "shop")
    assert made.returncode == 0, made.stderr
    assert "package shop is made; build it with `holdwater package build shop`" in made.stdout
    edited = shell.home / "shop/workflow/shop/flows.py"
    edited.write_text(edited.read_text() + '\nopen("imported", "a").write("x")\n')

    built = shell("package", "build", "shop")
    assert built.returncode == 0, built.stderr
    archive = read_archive(shell.home / BUILT)
    assert f"{BUILT}  " in built.stdout
    assert archive.release in built.stdout
    assert "1 workflow, 1 schedule: shop" in built.stdout
    elsewhere = shell("package", "build", "shop", "-o", "archives/dist/")
    assert elsewhere.stdout.startswith("archives/dist/shop-0.1.0.cloacina  "), elsewhere.stderr
    assert read_archive(shell.home / "archives/dist/shop-0.1.0.cloacina").digest == archive.digest

    shown = shell("package", "inspect", BUILT)
    assert shown.returncode == 0, shown.stderr
    for text in (
        f"shop 0.1.0  release {archive.release}\n",
        "  shop  tasks, 5 tasks  Adds up the orders of a day.\n  ├─ load_orders\n",
        "report  <- price_orders, count_pieces",
        "  nightly  shop      0 2 * * * UTC  run_once  skip     20",
        "Signature\n  none beside the archive\n",
        "holdwater.toml",
    ):
        assert text in shown.stdout
    assert not (shell.home / "imported").exists()

    key = shell("package", "keygen", "ops", "--passphrase-file", "-", "--json", stdin="a passphrase\n")
    assert key.returncode == 0, key.stderr
    assert stat.S_IMODE((shell.home / "ops.key").stat().st_mode) == 0o600
    fingerprint = json.loads(key.stdout)["fingerprint"]
    shell.environment["HOLDWATER_KEY_PASSPHRASE"] = "a passphrase"
    signed = shell("package", "sign", BUILT, "--key", "ops.key", "--expires", "90d", "--tenant", "acme")
    assert signed.returncode == 0, signed.stderr
    statement = read_signature((shell.home / f"{BUILT}.sig").read_bytes()).statement
    assert (statement.hash, statement.audience) == (archive.digest, ("acme",))
    assert f"shop 0.1.0 is signed by {fingerprint[:16]}, until 20" in signed.stdout

    verified = shell("package", "verify", BUILT, "--trust", "ops.pub", "--tenant", "acme")
    assert (verified.returncode, verified.stderr) == (0, "")
    assert f"keeps all rules, and is signed by ops ({fingerprint[:16]})" in verified.stdout
    assert fingerprint in shell("package", "inspect", BUILT).stdout
    for other in ("zenith", "ACME"):
        refused = shell("package", "verify", BUILT, "--trust", "ops.pub", "--tenant", other)
        assert refused.returncode == 4
        assert refused.stderr.startswith("error: the signature is for the tenants acme, not for")

    with open(shell.home / BUILT, "ab") as file:
        file.write(b"x")
    assert shell("package", "verify", BUILT, "--trust", "ops.pub").returncode == 5


def test_everything_as_json(shell: Shell) -> None:
    (shell.home / "orders.cloacina").write_bytes(package_of_05())
    data = json.loads(shell("package", "inspect", "orders.cloacina", "--json").stdout)
    assert (data["manifest"]["name"], data["manifest"]["format"]) == ("orders", "cloacina")
    assert (data["workflows"], data["signature"], data["schedules"]) == (None, None, [])
    assert set(data["files"]) == {"package.toml", "workflow/orders/__init__.py", "workflow/orders/tasks.py"}
    assert json.loads(shell("package", "new", "shop", "--style", "steps", "--json").stdout)["folder"] == "shop"
    built = json.loads(shell("package", "build", "shop", "-o", "shop.zip", "--json").stdout)
    assert (built["path"], built["workflows"]) == ("shop.zip", ["shop"])
    data = json.loads(shell("package", "inspect", "shop.zip", "--json").stdout)
    assert (data["workflows"][0]["name"], data["workflows"][0]["style"]) == ("shop", "steps")
    assert [one["name"] for one in data["schedules"]] == ["nightly"]
    assert len(data["schedules"][0]["next"]) == 3
    verified = json.loads(shell("package", "verify", "shop.zip", "--json").stdout)
    assert (verified["package"], verified["signed_by"]) == ("shop", None)


def test_packages_of_cloacina_are_looked_into(shell: Shell) -> None:
    triggers = '\n[[metadata.triggers]]\nname = "in"\nworkflow = "orders"\npoll_interval = "5s"\n'
    (shell.home / "a.cloacina").write_bytes(package_of_05(PACKAGE_TOML + triggers))
    (shell.home / "b.cloacina").write_bytes(package_of_04())
    shown = shell("package", "inspect", "a.cloacina").stdout
    assert "manifest   package.toml of Cloacina" in shown
    assert "not known: the archive has no descriptor.json" in shown
    assert "in    orders    5 s          waits" in shown
    assert "manifest.json of Cloacina, version 2" in shell("package", "inspect", "b.cloacina").stdout


def test_mistakes_of_authors_end_with_1(shell: Shell) -> None:
    shell("package", "new", "shop")
    flows = shell.home / "shop/workflow/shop/flows.py"
    flows.write_text("import shop.none\n" + flows.read_text())
    failed = shell("package", "build", "shop")
    assert failed.returncode == 1
    assert "ModuleNotFoundError: No module named 'shop.none'" in failed.stderr
    assert 'File "workflow/shop/flows.py", line 1' in failed.stderr
    manifest = shell.home / "shop/holdwater.toml"
    manifest.write_text(manifest.read_text().replace("memory_mb", "memory"))
    failed = shell("package", "build", "shop")
    assert failed.returncode == 1
    assert re.match(r"error: holdwater\.toml, line \d+: execution\.memory: the key is unknown\n", failed.stderr)
    assert "hint: did you mean 'memory_mb'?" in failed.stderr
    assert shell("package", "build", "nowhere").returncode == 3
    assert shell("package", "new", "json").returncode == 2
    again = shell("package", "new", "shop")
    assert again.returncode == 1
    assert "is there already, and is not empty" in again.stderr
    assert not list(shell.home.rglob("*.cloacina"))
    assert not list(shell.home.rglob("*.part"))


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_hostile_archives_are_refused_with_5(shell: Shell, command: str) -> None:
    (shell.home / "a.cloacina").write_bytes(package(more=[Entry(b"../\x1b[31mevil", b"x")]))
    refused = shell("package", command, "a.cloacina")
    assert refused.returncode == 5
    assert refused.stderr.startswith("error: the archive is refused: ")
    assert "\x1b" not in refused.stderr
    (shell.home / "b.cloacina").write_bytes(package_of_05(PACKAGE_TOML.replace('"python"', '"rust"')))
    refused = shell("package", command, "b.cloacina")
    assert (refused.returncode, refused.stderr) == (5, "error: orders is a Rust package: not for this engine\n")
    missing = shell("package", command, "none.cloacina")
    assert (missing.returncode, missing.stderr) == (3, "error: there is no file none.cloacina\n")
    assert sorted(path.name for path in shell.home.iterdir()) == ["a.cloacina", "b.cloacina", "flows.py"]


def test_texts_of_an_archive_cannot_control_a_terminal(shell: Shell) -> None:
    manifest = PACKAGE_TOML + 'description = "two\\nlines of \u202e text"\n'
    (shell.home / "a.cloacina").write_bytes(package_of_05(manifest))
    assert shell("package", "inspect", "a.cloacina").returncode == 5
    (shell.home / "a.cloacina").write_bytes(package_of_05(manifest.replace("\u202e", "")))
    assert "description  two …" in shell("package", "inspect", "a.cloacina").stdout


def test_signatures_that_are_not_accepted_end_with_4(shell: Shell) -> None:
    (shell.home / "a.cloacina").write_bytes(package())
    for name in ("ops", "other"):
        assert shell("package", "keygen", name, "--no-passphrase").returncode == 0
    assert shell("package", "verify", "a.cloacina").returncode == 0
    unsigned = shell("package", "verify", "a.cloacina", "--trust", "ops.pub")
    assert (unsigned.returncode, unsigned.stderr.splitlines()[0]) == (4, "error: package orders 1.2.0 is not signed")
    assert shell("package", "sign", "a.cloacina", "--key", "ops.key", "--format", "1").returncode == 0
    assert shell("package", "verify", "a.cloacina", "--trust", "other.pub", "--trust", "ops.pub").returncode == 0
    assert shell("package", "verify", "a.cloacina", "--trust", "other.pub").returncode == 4
    Path(shell.home / "a.cloacina.sig").rename(shell.home / "elsewhere.sig")
    assert shell("package", "verify", "a.cloacina", "--trust", "ops.pub", "--sig", "elsewhere.sig").returncode == 0
    assert shell("package", "verify", "a.cloacina", "--trust", "ops.pub", "--sig", "none.sig").returncode == 3
    assert shell("package", "verify", "a.cloacina", "--trust", "ops.key").returncode == 4


def test_usage_of_keys(shell: Shell) -> None:
    (shell.home / "a.cloacina").write_bytes(package())
    assert shell("package", "keygen", "ops", "--passphrase-file", "-", stdin="\n").returncode == 2
    assert shell("package", "keygen", "ops", stdin="").returncode == 2  # no terminal to ask at
    assert not (shell.home / "ops.key").exists()
    assert shell("package", "keygen", "ops", "--passphrase-file", "-", stdin="right\n").returncode == 0
    before = (shell.home / "ops.key").read_bytes()
    again = shell("package", "keygen", "ops", "--no-passphrase")
    assert again.returncode == 2
    assert "hint: keys are never replaced" in again.stderr
    assert (shell.home / "ops.key").read_bytes() == before
    wrong = shell("package", "sign", "a.cloacina", "--key", "ops.key", "--passphrase-file", "-", stdin="wrong\n")
    assert wrong.returncode == 4
    right = ("package", "sign", "a.cloacina", "--key", "ops.key", "--passphrase-file", "-")
    assert shell(*right, "--format", "1", "--tenant", "acme", stdin="right\n").returncode == 2
    assert shell(*right, "--expires", "2020-01-01", stdin="right\n").returncode == 2
    assert not (shell.home / "a.cloacina.sig").exists()
    assert shell(*right, "--expires", "2999-01-01", stdin="right\n").returncode == 0


def test_the_keys_a_daemon_trusts(shell: Shell) -> None:
    """The key is trusted before the daemon was ever started."""
    keys = ("package", "keys")
    place = ("--home", "home")
    assert shell("package", "keygen", "ops", "--no-passphrase").returncode == 0
    assert shell(*keys, "list", *place).returncode == 3
    added = shell(*keys, "add", "ops.pub", "--expires", "365d", *place)
    assert added.returncode == 0, added.stderr
    assert re.match(r"signatures of ops \([0-9a-f]{16}\) are accepted until 20", added.stdout)
    listed = shell(*keys, "list", *place).stdout
    assert re.search(r"ops +[0-9a-f]{16} +accepted until 20.* cli:", listed)
    for name in ("none", "op"):
        missing = shell(*keys, "revoke", name, *place)
        assert missing.returncode == 4
        assert missing.stderr.startswith(f"error: there is no trusted key {name!r}")
    revoked = shell(*keys, "revoke", "ops", *place)
    assert revoked.returncode == 0, revoked.stderr
    assert "are accepted no more" in revoked.stdout
    data = json.loads(shell(*keys, "list", *place, "--json").stdout)
    assert [(one["name"], one["revoked_at"] is None) for one in data] == [("ops", False)]
    assert shell(*keys, "add", "ops.pub", *place).returncode == 4
    assert shell(*keys, "add", "ops.key", *place).returncode == 4
    assert shell(*keys, "add", "none.pub", *place).returncode == 3
    assert shell(*keys, "add", "ops.pub", "--name", "\x1b[31m", *place).returncode == 2


def test_a_folder_that_is_named_with_a_slash_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["package", "new", "shop"]) == 0
    assert main(["package", "build", "shop", "-o", "out/dist/"]) == 0
    assert [one.name for one in Path("out/dist").iterdir()] == ["shop-0.1.0.cloacina"]
    Path("file").touch()
    assert main(["package", "build", "shop", "-o", "file/"]) == 2
