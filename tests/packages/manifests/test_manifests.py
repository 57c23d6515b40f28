"""Manifests: what is read of each form, and that every mistake names file, line and key."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from holdwater.errors import ConfigError, ManifestError, PackageUnsupported
from holdwater.packages.archives.archive import read_archive
from holdwater.packages.manifests.legacy import read_manifest_json, read_package_toml
from holdwater.packages.manifests.manifest import ExecutionLimits, PackageManifest, PackageSchedule, PackageTrigger
from holdwater.packages.manifests.own_manifest import read_own_manifest
from tests.packages.archive_files import (
    MANIFEST_JSON,
    OWN_MANIFEST,
    PACKAGE_TOML,
    TOP,
    package,
    package_of_04,
    package_of_05,
)

WHOLE: Final = """\
format = 1

[package]
name = "orders"
version = "1.2.0rc1"
description = "Orders of the day"
author = "Ada"
requires_python = ">=3.11"
requires_holdwater = ">=0.1"

[entry]
modules = ["orders.flows", "orders.more"]

[requires]
dependencies = ["pandas>=2,<3", "httpx[http2]"]

[execution]
max_concurrent = 2
bodies_per_host = 3
memory_mb = 1024
timeout_seconds = 30
network = false
env = ["BUCKET"]
secrets = ["smtp"]

[[schedules]]
name = "nightly"
workflow = "orders"
cron = "0 2 * * *"
timezone = "Europe/Berlin"
catchup = "skip"
overlap = "queue"
context = { amount = 3, tags = ["a"] }

[[schedules]]
name = "hourly"
workflow = "orders"
cron = "@hourly"
"""


def test_a_whole_manifest() -> None:
    assert read_own_manifest(WHOLE) == PackageManifest(
        name="orders",
        version="1.2.0rc1",
        modules=("orders.flows", "orders.more"),
        description="Orders of the day",
        author="Ada",
        requires_python=">=3.11",
        requires_holdwater=">=0.1",
        dependencies=("pandas>=2,<3", "httpx[http2]"),
        execution=ExecutionLimits(
            max_concurrent=2,
            bodies_per_host=3,
            memory_mb=1024,
            timeout_seconds=30.0,
            network=False,
            env=("BUCKET",),
            secrets=("smtp",),
        ),
        schedules=(
            PackageSchedule(
                name="nightly",
                workflow="orders",
                cron="0 2 * * *",
                timezone="Europe/Berlin",
                catchup="skip",
                overlap="queue",
                context={"amount": 3, "tags": ["a"]},
            ),
            PackageSchedule(name="hourly", workflow="orders", cron="@hourly"),
        ),
    )


MISTAKES: Final = {
    "no toml": ('name = "orders"', "name = orders", "line 4"),
    "misspelt key": ("requires_python", "require_python", "line 8: package.require_python: the key is unknown"),
    "misspelt table": ("[execution]", "[executions]", "line 17: executions: the key is unknown"),
    "misspelt in a list": ('catchup = "skip"', 'catchupp = "skip"', "line 31: schedules[0].catchupp"),
    "no format": ("format = 1\n", "", "line 1: the key 'format' is missing"),
    "other format": ("format = 1", "format = 2", "line 1: format: 2 is not from 1 to 1"),
    "format of a type": ("format = 1", "format = true", "line 1: format: not a whole number"),
    "no name": ('name = "orders"\n', "", "line 3: package: the key 'name' is missing"),
    "no modules": ('["orders.flows", "orders.more"]', "[]", "line 12: entry.modules: no module"),
    "module": ("orders.more", "orders/more", "line 12: entry.modules: 'orders/more' is no module"),
    "keyword": ("orders.more", "orders.class", "line 12: entry.modules"),
    "module above": ("orders.more", "..x", "line 12: entry.modules"),
    "twice": ("orders.more", "orders.flows", "line 12: entry.modules[1]: 'orders.flows' comes twice"),
    "specifier": (">=3.11", "3.11", "line 8: package.requires_python: '3.11' is no version specifier"),
    "requirement": ("httpx[http2]", "httpx http2", "line 15: requires.dependencies: 'httpx http2' is no requirement"),
    "option": ("httpx[http2]", "--index-url=http://x", "line 15: requires.dependencies"),
    "place": ("httpx[http2]", "x @ http://x/x.whl", "names a place"),
    "path": ("httpx[http2]", "./x.whl", "line 15: requires.dependencies"),
    "own engine": ("httpx[http2]", "Holdwater>=1", "a host has its own"),
    "zero": ("max_concurrent = 2", "max_concurrent = 0", "line 18: execution.max_concurrent: 0 is not from 1"),
    "bool": ("max_concurrent = 2", "max_concurrent = true", "line 18: execution.max_concurrent: not a whole"),
    "infinite": ("timeout_seconds = 30", "timeout_seconds = inf", "line 21: execution.timeout_seconds: inf is not"),
    "nan": ("timeout_seconds = 30", "timeout_seconds = nan", "line 21: execution.timeout_seconds: nan is not"),
    "no float": ("timeout_seconds = 30", f"timeout_seconds = 1{'0' * 400}", "line 21: execution.timeout_seconds: 1000"),
    "text for a list": ('env = ["BUCKET"]', 'env = "BUCKET"', "line 23: execution.env: not a list"),
    "variable": ('env = ["BUCKET"]', 'env = ["A=B"]', "'A=B' is no variable"),
    "engine's variable": ('env = ["BUCKET"]', 'env = ["HOLDWATER_DATABASE"]', "is no variable a package can be given"),
    "loader's variable": ('env = ["BUCKET"]', 'env = ["LD_PRELOAD"]', "is no variable a package can be given"),
    "secret": ('["smtp"]', '["../smtp"]', "is no name of a secret"),
    "cron": ("0 2 * * *", "0 25 * * *", "line 29: schedules[0].cron: hour '25'"),
    "never": ("0 2 * * *", "0 0 31 2 *", "line 29: schedules[0].cron"),
    "second cron": ("@hourly", "hourly", "line 38: schedules[1].cron"),
    "long cron": ("@hourly", "0," * 5000, "line 38: schedules[1].cron: more than"),
    "zone": ("Europe/Berlin", "Europe/Berln", "line 30: schedules[0].timezone"),
    "zone as a path": ("Europe/Berlin", "../../etc/passwd", "line 30: schedules[0].timezone"),
    "choice": ('"queue"', '"queu"', "line 32: schedules[0].overlap: 'queu' is none of its values"),
    "schedule twice": ('"hourly"', '"NIGHTLY"', "line 36: schedules[1].name: 'NIGHTLY' comes twice"),
    "date": ("amount = 3", "amount = 2026-01-01", "line 33: schedules[0].context: it has a value that JSON has not"),
    "workflow": ('workflow = "orders"\ncron = "@', 'workflow = "a@0123456789abcdef"\ncron = "@', "no name of a work"),
    "schedules no list": ("[[schedules]]", "[[schedule]]", "schedule: the key is unknown"),
    "description": ("Orders of the day", "x" * 20_000, "line 6: package.description: more than 10,000"),
    "escape": ("Orders of the day", "\\u001b[31m", "line 6: package.description: control characters"),
}


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_name_file_line_and_key(old: str, new: str, message: str) -> None:
    assert old in WHOLE
    with pytest.raises(ManifestError) as caught:
        read_own_manifest(WHOLE.replace(old, new))
    assert str(caught.value).startswith("holdwater.toml, line ")
    assert message in str(caught.value)
    assert caught.value.code == "upload_failed"


def test_unknown_keys_are_suggested() -> None:
    for old, new, hint in (
        ("requires_python", "require_python", "did you mean 'requires_python'"),
        ("name =", "nmae =", "did you mean 'name'"),
        ("[execution]", "[executions]", "did you mean 'execution'"),
        ("max_concurrent", "zzz", "the keys of this table are bodies_per_host, env, max_concurrent"),
    ):
        with pytest.raises(ManifestError) as caught:
            read_own_manifest(WHOLE.replace(old, new))
        assert hint in caught.value.hint


BAD_NAMES: Final = [
    "", "a" * 64, "1orders", "-rf", "_x", "or ders", "or.ders", "or/ders", "..", "orders\\n", "\u00f6rders",
    "\uff4frders", "orders\\u0000", "C:x", "CON/x", "orders@0123456789abcdef", "$(id)", "a;b", "%2e%2e",
]  # fmt: skip
BAD_VERSIONS: Final = [
    "", "1.0/../2", "../1", "1.0 ", " 1.0", "1.0\\n", "latest", "1.0-", "\u0661.0", "1." + "0" * 63, "1.0;x", "1.0@x",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names(name: str) -> None:
    with pytest.raises(ManifestError):
        read_own_manifest(OWN_MANIFEST.replace('"orders"', f'"{name}"'))
    with pytest.raises(ManifestError):
        read_package_toml(PACKAGE_TOML.replace('name = "orders"', f'name = "{name}"', 1), [])
    with pytest.raises(ManifestError):
        read_manifest_json(json.dumps(MANIFEST_JSON).replace('"name": "orders"', f'"name": "{name}"'))


@pytest.mark.parametrize("version", BAD_VERSIONS)
def test_versions(version: str) -> None:
    with pytest.raises(ManifestError):
        read_own_manifest(OWN_MANIFEST.replace("1.2.0", version))
    with pytest.raises(ManifestError):
        read_package_toml(PACKAGE_TOML.replace("1.2.0", version), [])
    with pytest.raises(ManifestError):
        read_manifest_json(json.dumps(MANIFEST_JSON).replace('"1.2.0"', f'"{version}"'))


@pytest.mark.parametrize("version", ["1", "1.2.3", "2.0rc1", "1!2.0", "1.0+local.1", "0.1.0-alpha.1", "0.dev3"])
def test_versions_of_pep_440(version: str) -> None:
    assert read_own_manifest(OWN_MANIFEST.replace("1.2.0", version)).version == version


def test_the_entry_modules_are_in_the_package() -> None:
    with pytest.raises(
        ManifestError, match=r"orders\.gone is not in the package: there is no workflow/orders/gone\.py"
    ):
        read_archive(package(manifest=OWN_MANIFEST.replace("orders.flows", "orders.gone")))
    read_archive(package(manifest=OWN_MANIFEST.replace("orders.flows", "orders")))


def test_both_manifests_are_of_one_package() -> None:
    read_archive(package({"package.toml": PACKAGE_TOML}))
    with pytest.raises(ManifestError, match="differ in name or version"):
        read_archive(package({"package.toml": PACKAGE_TOML.replace("1.2.0", "1.2.1")}))


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("packaging.version", "packaging"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(ConfigError, match=r"pip install 'holdwater\[packages\]'"):
        read_own_manifest(OWN_MANIFEST)


class TestPackageToml:
    """The manifest of Cloacina 0.5 and later."""

    def test_a_package(self) -> None:
        assert read_archive(package_of_05()).manifest == PackageManifest(
            name="orders", version="1.2.0", modules=("orders.tasks",), format="cloacina", workflow_name="orders"
        )

    def test_triggers_with_a_cron_expression_are_schedules(self) -> None:
        text = (
            PACKAGE_TOML
            + """\
requires_python = ">=3.10"
description = "Orders"
author = "Ada"
package_type = ["workflow"]

[[metadata.triggers]]
name = "nightly"
workflow = "orders"
poll_interval = "5s"
cron_expression = "0 2 * * *"

[[metadata.triggers]]
name = "inbox"
workflow = "orders"
poll_interval = "500ms"
allow_concurrent = true

[[metadata.triggers]]
name = "plain"
workflow = "orders"
"""
        )
        manifest = read_archive(package_of_05(text)).manifest
        assert manifest.schedules == (
            PackageSchedule(name="nightly", workflow="orders", cron="0 2 * * *", overlap="skip"),
        )
        assert manifest.triggers == (
            PackageTrigger(name="inbox", workflow="orders", poll_interval_seconds=0.5, allow_concurrent=True),
            PackageTrigger(name="plain", workflow="orders"),
        )
        for old, new in (('"500ms"', '"soon"'), ('"0 2 * * *"', '"0 99 * * *"'), ('"plain"', '"inbox"')):
            with pytest.raises(ManifestError, match=r"package\.toml, line \d+: metadata\.triggers\[\d\]\."):
                read_archive(package_of_05(text.replace(old, new)))

    @pytest.mark.parametrize(
        ("files", "entry"),
        [
            ({"workflow/orders/tasks.py": "", "workflow/orders/x.py": ""}, "orders.tasks"),
            ({"workflow/orders/flows.py": "", "workflow/orders/__init__.py": ""}, "orders.flows"),
            ({"workflow/orders/__init__.py": "", "workflow/orders/deep/tasks.py": ""}, "orders"),
            ({"workflow/orders.py": "", "vendor/x.py": ""}, "orders"),
        ],
    )
    def test_a_minimal_manifest_is_completed_from_the_layout(self, files: dict[str, str], entry: str) -> None:
        text = '[package]\nname = "orders"\nversion = "1.0.0"\n[metadata]\nworkflow_name = "daily"\n'
        manifest = read_package_toml(text, files)
        assert (manifest.modules, manifest.workflow_name) == ((entry,), "daily")

    def test_an_entry_that_cannot_be_inferred(self) -> None:
        text = '[package]\nname = "orders"\nversion = "1.0.0"\n'
        for files in ({}, {"workflow/a.py": "", "workflow/b/c.py": ""}):
            with pytest.raises(ManifestError, match=r"cannot be inferred: workflow/ has "):
                read_package_toml(text, files)

    def test_rust_packages_are_refused_by_name(self) -> None:
        minimal = '[package]\nname = "orders"\nversion = "1.0.0"\n[metadata]\nworkflow_name = "orders"\n'
        for text, files in (
            (PACKAGE_TOML.replace('"python"', '"rust"'), {}),
            (minimal, {"Cargo.toml": "", "src/lib.rs": ""}),
        ):
            with pytest.raises(PackageUnsupported, match="orders is a Rust package: not for this engine"):
                read_package_toml(text, files)

    @pytest.mark.parametrize(
        "more",
        [
            'graph_name = "market"\n',
            'package_type = ["workflow", "computation_graph"]\n',
            'reaction_mode = "when_any"\n',
            '[[metadata.accumulators]]\nname = "alpha"\naccumulator_type = "passthrough"\n',
        ],
    )
    def test_computation_graphs_are_refused_with_that_reason(self, more: str) -> None:
        with pytest.raises(PackageUnsupported, match="has computation graphs, which this engine does not execute"):
            read_archive(package_of_05(PACKAGE_TOML + more))

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("interface_version = 1", "interface_version = 2"),
            ('"cloacina-workflow-plugin"', '"other"'),
            ('extension = "cloacina"', 'extension = "zip"'),
            ('"python"', '"ruby"'),
            ("entry_module", "entry_modul"),
            ('"orders.tasks"', '"orders:tasks"'),
            ("[metadata]", "[metadat]"),
            ('workflow_name = "orders"', "workflow_name = 1"),
        ],
    )
    def test_mistakes(self, old: str, new: str) -> None:
        assert old in PACKAGE_TOML
        with pytest.raises(ManifestError, match=r"\Apackage\.toml, line \d+: "):
            read_archive(package_of_05(PACKAGE_TOML.replace(old, new)))


class TestManifestJson:
    """The manifest of the generation before."""

    @pytest.mark.parametrize("top", ["", TOP])
    def test_a_package(self, top: str) -> None:
        manifest = read_archive(package_of_04(top=top)).manifest
        assert manifest == PackageManifest(
            name="orders",
            version="1.2.0",
            modules=("orders.tasks",),
            format="cloacina-v2",
            description="Orders of the day",
            requires_python=">=3.10",
            workflow_name="orders",
        )

    def test_triggers(self) -> None:
        triggers: list[dict[str, Any]] = [
            {"name": "inbox", "trigger_type": "python", "workflow": "orders", "poll_interval": "2s", "config": {}},
            {
                "name": "nightly",
                "trigger_type": "cron",
                "workflow": "orders",
                "allow_concurrent": True,
                "config": {"cron_expression": "0 2 * * *", "timezone": "Europe/Berlin"},
            },
        ]
        manifest = read_manifest_json(json.dumps({**MANIFEST_JSON, "triggers": triggers}))
        assert manifest.triggers == (PackageTrigger(name="inbox", workflow="orders", poll_interval_seconds=2.0),)
        assert manifest.schedules == (
            PackageSchedule(name="nightly", workflow="orders", cron="0 2 * * *", timezone="Europe/Berlin"),
        )

    @pytest.mark.parametrize("changed", [{"language": "rust"}, {"language": None}])
    def test_rust_packages_are_refused_by_name(self, changed: dict[str, Any]) -> None:
        data = {key: value for key, value in {**MANIFEST_JSON, **changed}.items() if value is not None}
        with pytest.raises(PackageUnsupported, match="orders is a Rust package: not for this engine"):
            read_manifest_json(json.dumps(data | {"signature": None}))

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ('"format_version": "2"', '"format_version": "1"', "line 2: format_version: '1' is none"),
            ('"entry_module"', '"entry"', "line 12: python"),
            ('"language"', '"languages"', "Rust|language"),
            ('"requires_python": ">=3.10"', '"requires_python": NaN', "NaN is no JSON"),
            ('"language"', '"python": {}, "language"', "the key 'python' comes twice"),
            ('"created_at"', '"created_att"', "created_att: the key is unknown"),
            ("{", "", "line 2: "),
        ],
    )
    def test_mistakes(self, old: str, new: str, message: str) -> None:
        text = json.dumps(MANIFEST_JSON, indent=1)
        assert old in text
        with pytest.raises((ManifestError, PackageUnsupported), match=message):
            read_manifest_json(text.replace(old, new, 1))

    def test_a_list_is_no_manifest(self) -> None:
        with pytest.raises(ManifestError, match="its top is no object"):
            read_manifest_json("[]")
