"""Families 1 and 2 of hostile inputs: archives that are refused, with entry and rule, and leave nothing behind."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest
from hypothesis import strategies as st

from holdwater.errors import ArchiveError, ManifestError, PackageError, PackageUnsupported
from holdwater.packages.archives.archive import read_archive
from holdwater.packages.settings import ArchiveLimits
from tests.packages.archive_files import (
    END,
    OWN_MANIFEST,
    TOP,
    Entry,
    package,
    package_entries,
    package_of_04,
    package_of_05,
    pax,
    tar,
    wheel,
)
from tests.suite.effort import property_test

TOP_BYTES: Final = TOP.encode()
SMALL: Final = ArchiveLimits(
    max_packed_bytes=4096, max_unpacked_bytes=8192, max_file_bytes=2048, max_entries=20, max_path_bytes=80,
    max_depth_levels=6,
)  # fmt: skip
WHEEL: Final = "vendor/wheels/lib-1.0-py3-none-any.whl"


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


PATHS: Final = {
    "parent": (b"../../etc/passwd", r"`\.\.`"),
    "inner parent": (TOP_BYTES + b"/workflow/../../x", r"`\.\.`"),
    "absolute": (b"/etc/passwd", "absolute"),
    "backslash": (TOP_BYTES + b"/..\\x", "backslash"),
    "drive": (b"C:x", "colon"),
    "stream": (TOP_BYTES + b"/x.py:hidden", "colon"),
    "empty segment": (TOP_BYTES + b"//x", "empty segment"),
    "dot": (TOP_BYTES + b"/./x", "empty segment or `.`"),
    "dot at the start": (b"./" + TOP_BYTES + b"/x", "empty segment or `.`"),
    "empty": (b"", "empty"),
    "newline": (TOP_BYTES + b"/a\nb", "control characters"),
    "escape": (TOP_BYTES + b"/a\x1b[31mb", "control characters"),
    "bidi": (TOP_BYTES + "/a\u202eyp.b".encode(), "control characters"),
    "zero width": (TOP_BYTES + "/a\u200bb.py".encode(), "control characters"),
    "not utf-8": (TOP_BYTES + b"/\xff", "UTF-8"),
    "surrogate": (TOP_BYTES + b"/\xed\xa0\x80", "UTF-8"),
    "not composed": (TOP_BYTES + "/e\u0301.py".encode(), "NFC"),
    "look-alike of dots": (TOP_BYTES + "/\uff0e\uff0e\uff0fx".encode(), "look like"),
    "look-alike of a slash": (TOP_BYTES + "/a\uff0fb".encode(), "look like"),
    "one dot leader": (TOP_BYTES + "/\u2024\u2024/x".encode(), "look like"),
    "trailing dot": (TOP_BYTES + b"/x.", "ends with a dot"),
    "trailing space": (TOP_BYTES + b"/x ", "space"),
    "leading space": (TOP_BYTES + b"/ x", "space"),
    "device": (TOP_BYTES + b"/workflow/CON", "device of DOS"),
    "device with a suffix": (TOP_BYTES + b"/workflow/nul.py", "device of DOS"),
    "device with a digit": (TOP_BYTES + "/workflow/com¹.txt".encode(), "device of DOS"),
    "beside the folder": (b"other/x.py", "one folder at its top"),
    "a file at the top": (b"x.py", "one folder at its top"),
    "too deep": (TOP_BYTES + b"/a" * 21, "deeper than 20"),
}


@pytest.mark.parametrize(("path", "rule"), PATHS.values(), ids=PATHS)
def test_paths(path: bytes, rule: str, tmp_path: Path) -> None:
    assert len(path) <= 100
    with pytest.raises(ArchiveError, match=rule) as caught:
        read_archive(package(more=[Entry(path, b"x")]))
    assert "\x1b" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_encoded_separators_are_plain_characters() -> None:
    """`%2f` and `%2e` mean nothing in the path of a file: they are not decoded by any layer."""
    assert "workflow/orders/%2e%2e%2fx" in read_archive(package({"workflow/orders/%2e%2e%2fx": ""})).files


def test_long_paths() -> None:
    long = TOP_BYTES + b"/workflow/" + b"/".join([b"d" * 60] * 4)
    for name in (long, b"x" * 4096):
        with pytest.raises(ArchiveError, match="longer than 240 bytes"):
            read_archive(package(more=[Entry(b"long", name + b"\0", kind=b"L"), Entry(name[:100], b"")]))


TWINS: Final = {
    "twice": ([b"/x.py", b"/x.py"], "comes twice"),
    "case": ([b"/x.py", b"/X.py"], "one name where case"),
    "case of a folder": ([b"/Workflow/x.py"], "one name where case"),
    "ligature": ([b"/fi.py", "/\ufb01.py".encode()], "one name where case"),
    "sharp s": ([b"/strasse", "/stra\u00dfe".encode()], "one name where case"),
    "kelvin": ([b"/k", "/\u212a".encode()], "NFC"),
    "file and folder": ([b"/x", b"/x/y"], "a file and a folder"),
    "folder and file": ([b"/x/y", b"/x"], "a file and a folder"),
}


@pytest.mark.parametrize(("names", "rule"), TWINS.values(), ids=TWINS)
def test_twins(names: list[bytes], rule: str) -> None:
    with pytest.raises(ArchiveError, match=rule):
        read_archive(package(more=[Entry(TOP_BYTES + name, b"x") for name in names]))


INSIDE: Final = TOP_BYTES + b"/workflow/x"
ENTRIES: Final = {
    "symbolic link": ([Entry(INSIDE, kind=b"2", link=b"/etc/passwd")], "a symbolic link"),
    "link and a file through it": (
        [Entry(INSIDE, kind=b"2", link=b"/tmp"), Entry(INSIDE + b"/evil", b"x")], "a symbolic link",
    ),
    "hard link": ([Entry(INSIDE, kind=b"1", link=b"/etc/passwd")], "a hard link"),
    "character device": ([Entry(INSIDE, kind=b"3")], "a character device"),
    "block device": ([Entry(INSIDE, kind=b"4")], "a block device"),
    "pipe": ([Entry(INSIDE, kind=b"6")], "a named pipe"),
    "contiguous": ([Entry(INSIDE, kind=b"7")], "a contiguous file"),
    "sparse": ([Entry(INSIDE, kind=b"S")], "a sparse file"),
    "unknown": ([Entry(INSIDE, kind=b"Z")], "unknown type 'Z'"),
    "setuid": ([Entry(INSIDE, mode=b"0004755\0")], "setuid"),
    "setgid": ([Entry(INSIDE, mode=b"0002755\0")], "setuid, setgid"),
    "sticky": ([Entry(INSIDE, kind=b"5", mode=b"0001777\0")], "sticky"),
    "folder with content": ([Entry(INSIDE, b"x", kind=b"5")], "a folder with content"),
    "pax path": ([pax(path="/etc/passwd"), Entry(INSIDE)], "sets 'path'"),
    "pax link path": ([pax(linkpath="/etc/passwd"), Entry(INSIDE)], "sets 'linkpath'"),
    "pax size": ([pax(size="1"), Entry(INSIDE, b"xyz")], "sets 'size'"),
    "pax sparse": ([pax(GNU__sparse__name="x"), Entry(INSIDE)], r"sets 'GNU\.sparse\.name'"),
    "pax character set": ([pax(hdrcharset="BINARY"), Entry(INSIDE)], "sets 'hdrcharset'"),
    "global pax path": ([Entry(b"g", b"15 path=/etc/x\n", kind=b"g"), Entry(INSIDE)], "sets 'path'"),
    "damaged pax": ([Entry(b"x", b"99 mtime=1\n", kind=b"x"), Entry(INSIDE)], "damaged"),
    "second record of pax": ([Entry(b"x", b"11 mtime=1\n13 path=/etc\n", kind=b"x"), Entry(INSIDE)], "sets 'path'"),
    "pax without end": ([Entry(b"x", b"0" * 9000, kind=b"x")], "extended header of more than"),
    "long name of a long name": (
        [Entry(b"l", b"a" * 120 + b"\0", kind=b"L"), Entry(b"l", b"b" * 120 + b"\0", kind=b"L")], "it is",
    ),
    "long name without an entry": ([Entry(b"l", b"a" * 120 + b"\0", kind=b"L")], "without its entry"),
    "long name with NUL": ([Entry(b"l", b"a" * 60 + b"\0" + b"b" * 60 + b"\0", kind=b"L")], "has NUL"),
    "long name out of the folder": ([Entry(b"l", b"../" + b"x" * 120 + b"\0", kind=b"L"), Entry(INSIDE)], r"`\.\.`"),
    "size in base 256": ([Entry(INSIDE, declared=b"\x80" + bytes(11))], "size .* octal"),
    "negative size": ([Entry(INSIDE, declared=b"-0000000001\0")], "size .* octal"),
    "checksum": ([Entry(INSIDE, checksum=b"000001\0 ")], "checksum differs"),
    "no checksum": ([Entry(INSIDE, checksum=b"        ")], "checksum .* octal"),
    "no magic": ([Entry(INSIDE, magic=b"")], "no ustar"),
}  # fmt: skip


@pytest.mark.parametrize(("entries", "rule"), ENTRIES.values(), ids=ENTRIES)
def test_entries(entries: list[Entry], rule: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=rule):
        read_archive(package(more=entries))
    assert os.listdir(tmp_path) == []


CONTENTS: Final = {
    "pth": ("workflow/orders.pth", r"\.pth"),
    "pth of another case": ("vendor/x.PTH", r"\.pth"),
    "folder of another case": ("Vendor/json.py", "small letters"),
    "sitecustomize": ("workflow/sitecustomize.py", "imports by itself"),
    "usercustomize": ("vendor/usercustomize/__init__.py", "imports by itself"),
    "module of Python": ("workflow/json.py", "'json' has the name"),
    "package of Python": ("workflow/logging/__init__.py", "'logging' has the name"),
    "module of Python, vendored": ("vendor/os.py", "'os' has the name"),
    "module of Python, other case": ("vendor/Json.py", "'json' has the name"),
    "the engine": ("workflow/holdwater/__init__.py", "'holdwater' has the name"),
    "the engine of packages": ("vendor/cloaca.py", "'cloaca' has the name"),
    "compiled": ("workflow/orders/fast.cpython-311-x86_64-linux-gnu.so", "compiled library"),
    "compiled with a version": ("vendor/libfast.so.1.2", "compiled library"),
    "windows": ("vendor/fast.pyd", "compiled library"),
    "mac": ("vendor/fast.dylib", "compiled library"),
    "bytecode": ("workflow/orders/__pycache__/flows.cpython-311.pyc", "compiled Python"),
    "bytecode alone": ("workflow/orders/evil.pyc", "compiled Python"),
    "wheel elsewhere": ("workflow/lib-1.0-py3-none-any.whl", "wheel"),
    "file between wheels": ("vendor/wheels/evil.py", "has wheels only"),
    "folder between wheels": ("vendor/wheels/x/lib-1.0-py3-none-any.whl", "wheel"),
}


@pytest.mark.parametrize(("path", "rule"), CONTENTS.values(), ids=CONTENTS)
def test_contents(path: str, rule: str) -> None:
    with pytest.raises(ArchiveError, match=rule) as caught:
        read_archive(package({path: b""}))
    assert path in str(caught.value)


def test_modules_below_the_top_may_have_names_of_Python() -> None:
    read_archive(package({"workflow/orders/json.py": "", "vendor/lib/logging.py": "", "workflow/json/data.csv": "1"}))


def _zip_with(flag: str) -> bytes:
    data = bytearray(wheel({"lib/__init__.py": "x = 1\n"}))
    end = data.rfind(b"PK\x05\x06")
    directory = data.rfind(b"PK\x01\x02")
    match flag:
        case "comment":
            data[end + 20 : end + 22] = struct.pack("<H", 4)
            data += b"evil"
        case "zip64":
            data[end:end] = b"PK\x06\x07" + bytes(16)
        case "directory":
            data[end + 12 : end + 16] = struct.pack("<I", 1 << 30)
        case "size":
            data[directory + 24 : directory + 28] = struct.pack("<I", (1 << 31) - 1)
        case "link":
            data[directory + 5] = 3
            data[directory + 38 : directory + 42] = struct.pack("<I", 0o120777 << 16)
        case "other name":
            data[30:33] = b"os/"
        case "encrypted":
            data[directory + 8] |= 1
        case "header outside":
            data[directory + 42 : directory + 46] = struct.pack("<I", 1 << 20)
        case "overlap":
            row = data[directory:end]
            data[end:end] = row
            end += len(row)
            data[end + 8 : end + 12] = struct.pack("<HH", 2, 2)
            data[end + 12 : end + 16] = struct.pack("<I", 2 * len(row))
        case "cut":
            del data[directory : directory + 30]
    return bytes(data)


WHEELS: Final = {
    "no zip": (WHEEL, b"", "no zip file"),
    "name": ("vendor/wheels/lib.whl", wheel({}), "not that of a wheel"),
    "option as name": ("vendor/wheels/--index-url=x-1.0-py3-none-any.whl", wheel({}), "not that of a wheel"),
    "comment": (WHEEL, _zip_with("comment"), "comment"),
    "zip64": (WHEEL, _zip_with("zip64"), "zip64"),
    "directory": (WHEEL, _zip_with("directory"), "table of contents"),
    "lies about its size": (WHEEL, _zip_with("size"), "bytes unpacked"),
    "link": (WHEEL, _zip_with("link"), "link"),
    "cut": (WHEEL, _zip_with("cut"), "damaged"),
    "header of another name": (WHEEL, _zip_with("other name"), "another name"),
    "header outside": (WHEEL, _zip_with("header outside"), "another name|damaged"),
    "encrypted": (WHEEL, _zip_with("encrypted"), "encrypted"),
    "data of another file": (WHEEL, _zip_with("overlap"), "data is that of another"),
    "parent": (WHEEL, wheel({"../evil.py": ""}), r"`\.\.`"),
    "absolute": (WHEEL, wheel({"/etc/cron.d/x": ""}), "absolute"),
    "case": (WHEEL, wheel({"lib/a.py": "", "lib/A.py": ""}), "one name"),
    "pth": (WHEEL, wheel({"evil.pth": "import os"}), r"\.pth"),
    "pth as data": (WHEEL, wheel({"lib-1.0.data/purelib/evil.pth": "import os"}), r"\.pth"),
    "module of Python": (WHEEL, wheel({"json.py": ""}), "'json' has the name"),
    "module of Python as data": (WHEEL, wheel({"lib-1.0.data/purelib/json.py": ""}), "'json' has the name"),
    "the engine": (WHEEL, wheel({"holdwater/__init__.py": ""}), "'holdwater' has the name"),
    "the installer": (WHEEL, wheel({"pip/_internal/cli/status_codes.py": ""}), "those of pip"),
    "the installer as data": (WHEEL, wheel({"lib-1.0.data/purelib/pip/x.py": ""}), "those of pip"),
    "modules as data": (WHEEL, wheel({"lib-1.0.data/data/lib/python3/site-packages/x.py": ""}), "those of pip"),
    "compiled and for any platform": (WHEEL, wheel({"lib/fast.so": ""}), "for every platform"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("path", "data", "rule"), WHEELS.values(), ids=WHEELS)
def test_wheels(path: str, data: bytes, rule: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=rule):
        read_archive(package({path: data}))
    assert os.listdir(tmp_path) == []


LIMITS: Final = {
    "packed": (os.urandom(5000), "more than 4,096 bytes"),
    "file": (package({"workflow/x": b"0" * 2049}), "2,049 bytes; at most 2,048"),
    "all files": (package({f"workflow/{i}": b"0" * 2000 for i in range(5)}), "more than 8,192 bytes unpacked"),
    "entries": (package({f"workflow/{i}": b"" for i in range(20)}), "more than 20 entries"),
    "extended headers": (package(more=[pax(mtime="1")] * 20), "more than 20 entries"),
    "path": (package({f"workflow/{'x' * 70}": b""}), "longer than 80 bytes"),
    "depth": (package({"workflow/a/b/c/d/e/f": b""}), "deeper than 6"),
    "declared size": (package(more=[Entry(INSIDE, declared=b"77777777777\0")]), "8,589,934,591 bytes"),
}


@pytest.mark.parametrize(("data", "rule"), LIMITS.values(), ids=LIMITS)
def test_limits(data: bytes, rule: str) -> None:
    with pytest.raises(ArchiveError, match=rule):
        read_archive(data, SMALL)


def test_a_packed_file_is_read_up_to_its_limit_only(tmp_path: Path) -> None:
    with open(tmp_path / "x.cloacina", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ArchiveError, match="more than 4,096 bytes"):
        read_archive(tmp_path / "x.cloacina", SMALL)


DAMAGE: Final = {
    "empty": (b"", "neither"),
    "text": (b"hello", "neither"),
    "zip": (wheel({"x": ""}), "neither"),
    "magic only": (b"BZh9", "cut off"),
    "gzip magic only": (b"\x1f\x8b", "cut off"),
    "cut bzip2": (package()[:-9], "cut off|damaged"),
    "cut gzip": (package_of_04()[:-12], "cut off|damaged"),
    "gzip checksum": (package_of_04()[:-8] + bytes(8), "damaged"),
    "no tar": (bz2.compress(b"hello" * 1000), "not a tar file"),
    "nothing": (bz2.compress(b""), "cut off"),
    "no files": (bz2.compress(END), "no files"),
    "no end": (bz2.compress(tar(package_entries(), end=b"")), "no end"),
    "half an end": (bz2.compress(tar(package_entries(), end=bytes(512))), "no end"),
    "two archives in one stream": (bz2.compress(tar(package_entries()) * 2), "data after the end"),
    "two streams": (package() + package(), "after the end of its compressed data"),
    "two gzip streams": (package_of_04() * 2, "after the end of its compressed data"),
    "text behind": (package() + b"x", "after the end of its compressed data"),
    "zeros behind": (bz2.compress(tar(package_entries()) + bytes(2 << 20)), "zeros after its end"),
    "data in the padding": (
        bz2.compress(tar(package_entries()).replace(b'"orders.flows"]\n' + bytes(4), b'"orders.flows"]\nevil')),
        "data between",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("data", "rule"), DAMAGE.values(), ids=DAMAGE)
def test_damage(data: bytes, rule: str) -> None:
    with pytest.raises(ArchiveError, match=rule):
        read_archive(data)


NAMES: Final = {
    "other name": (OWN_MANIFEST.replace('"orders"', '"order"'), TOP, "not named 'order-1.2.0'"),
    "other version": (OWN_MANIFEST.replace("1.2.0", "1.2.1"), TOP, "not named 'orders-1.2.1'"),
    "no folder": (OWN_MANIFEST, "", "one folder"),
}


@pytest.mark.parametrize(("manifest", "top", "rule"), NAMES.values(), ids=NAMES)
def test_the_folder_at_the_top(manifest: str, top: str, rule: str) -> None:
    with pytest.raises(ArchiveError, match=rule):
        read_archive(package(manifest=manifest, top=top))


def test_an_own_package_does_not_get_rid_of_its_folder_by_an_old_manifest() -> None:
    with pytest.raises(ArchiveError, match="folder at the top"):
        read_archive(package({"manifest.json": "{}"}, top=""))


def test_an_archive_without_a_manifest() -> None:
    with pytest.raises(ArchiveError, match=r"no manifest: none of holdwater\.toml, package\.toml, manifest\.json"):
        read_archive(package(manifest=None))
    with pytest.raises(PackageUnsupported, match="a Rust package: not for this engine"):
        read_archive(package({"Cargo.toml": ""}, manifest=None))


def test_a_list_of_files_with_many_keys_and_one_twice() -> None:
    """Looking for it does not take the square of their number: that were hours."""
    keys = ",".join([f'"{i:x}":0' for i in range(300_000)])
    with pytest.raises(ManifestError, match="the key 'twice' comes twice"):
        read_archive(package({"files.json": f'{{{keys},"twice":1,"twice":2}}'.encode()}))


def test_manifests_that_fill_the_memory() -> None:
    with pytest.raises(ArchiveError, match=r"holdwater\.toml': the file has more than 65,536 bytes"):
        read_archive(package(manifest=OWN_MANIFEST + "#" * 70_000))
    for deep in ("x = " + "[" * 30_000, "x = " + "{a=" * 10_000):
        with pytest.raises(ManifestError):
            read_archive(package(manifest=deep))
    for deep in ('{"a":' * 100_000, "[" * 100_000):
        with pytest.raises(ManifestError):
            read_archive(package_of_04(deep))
    with pytest.raises(ManifestError):
        read_archive(package(manifest="x = " + "9" * 60_000))


def test_a_manifest_that_is_not_utf_8() -> None:
    with pytest.raises(ArchiveError, match="not UTF-8"):
        read_archive(package({"holdwater.toml": OWN_MANIFEST.encode() + b"# \xff"}))


MEASURED: Final = """
import bz2, gzip, resource, sys, time
from holdwater.errors import ArchiveError
from holdwater.packages.archives.archive import read_archive
from tests.packages.archive_files import *

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

read_archive(package())
base, zeros = peak(), bytes(1 << 20)
packer = bz2.BZ2Compressor()
head = tar([Entry(b"orders-1.2.0/workflow/x", declared=b"%011o" % (100 << 20))], end=b"")
bomb = packer.compress(head) + b"".join(packer.compress(zeros) for _ in range(200)) + packer.flush()
assert len(bomb) < 2000
before = time.process_time()
try:
    read_archive(bomb)
    raise SystemExit("was read")
except ArchiveError as error:
    print(error, file=sys.stderr)
print(peak() - base, time.process_time() - before)
"""


def test_a_bomb_is_bounded_in_memory() -> None:
    """200 MB of zeros in less than 2 kB: of the folder's limits none is exceeded before the end of its one file."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED], capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[3]
    )
    assert done.returncode == 0, done.stderr
    grown, _ = map(float, done.stdout.split())
    assert "data after the end" in done.stderr or "zeros" in done.stderr
    assert grown < 32 << 20


SEGMENTS: Final = st.one_of(
    st.sampled_from([TOP, "workflow", "vendor", "orders", "..", ".", "", "CON", "x.py", "X.py", "~", "C:", "-rf"]),
    st.text(max_size=6),
)
DRAWN_PATHS: Final = st.lists(SEGMENTS, min_size=1, max_size=5).map("/".join)


@st.composite
def drawn_entries(draw: st.DrawFn) -> Entry:
    path = draw(DRAWN_PATHS)
    inside = draw(st.booleans())
    name = (f"{TOP}/{path}" if inside else path).encode("utf-8", "surrogatepass")
    return Entry(
        name,
        draw(st.binary(max_size=40)),
        kind=draw(st.sampled_from([b"0"] * 6 + [b"\0", b"1", b"2", b"5", b"x", b"L", b"g", b"6"])),
        mode=draw(st.sampled_from([b"0000644\0", b"0000755\0", b"0004755\0", b"9999999\0"])),
        link=draw(st.sampled_from([b"", b"/etc/passwd", b"../.."])),
        declared=draw(st.sampled_from([None, None, None, b"77777777777\0", b"00000000777\0", b"\x80" + bytes(11)])),
        magic=draw(st.sampled_from([b"ustar\x0000", b"ustar  \0"])),
    )


@property_test(st.lists(drawn_entries(), max_size=4), st.booleans(), quick_examples=60, long_examples=5000)
def test_no_archive_writes_outside_of_its_folder(entries: list[Entry], is_gzip: bool) -> None:
    unpacked = tar([*package_entries(), *entries])
    with tempfile.TemporaryDirectory() as place:
        inner = Path(place) / "inner"
        inner.mkdir()
        try:
            archive = read_archive((gzip if is_gzip else bz2).compress(unpacked), SMALL)
        except PackageError:
            return
        archive.extract_to(inner / "release")
        assert os.listdir(place) == ["inner"]
        assert os.listdir(inner) == ["release"]
        found = [path for path in (inner / "release").rglob("*") if path.is_symlink() or not path.is_dir()]
        assert {str(path.relative_to(inner / "release")) for path in found} == set(archive.files)
        assert not any(path.is_symlink() for path in found)


@property_test(st.data(), quick_examples=60, long_examples=5000)
def test_no_damage_does_more_than_refuse(data: st.DataObject) -> None:
    """Bytes are changed in the tar, and in what is compressed: the archive is refused, or is another good one."""
    unpacked = bytearray(tar(package_entries({WHEEL: wheel({"lib/x.py": "1"})})))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(unpacked) - 1))
        unpacked[at] = data.draw(st.integers(0, 255))
    packed = bytearray(bz2.compress(unpacked))
    if data.draw(st.booleans()):
        packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(PackageError):
        read_archive(bytes(packed))


def test_packages_of_the_original_keep_the_same_rules() -> None:
    for files in ({"workflow/os.py": ""}, {"vendor/x.so": ""}, {"workflow/x.pth": ""}):
        with pytest.raises(ArchiveError):
            read_archive(package_of_05(files=files))
