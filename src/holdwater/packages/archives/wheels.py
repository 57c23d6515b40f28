"""Judging wheels inside a package: their names, and what they would write when they are installed."""

from __future__ import annotations

import re
import zipfile
from typing import IO, Final

from holdwater.errors import ArchiveError
from holdwater.packages.archives.content_rules import check_module_name, check_unasked
from holdwater.packages.archives.path_rules import PathSet, check_path, refuse
from holdwater.packages.settings import ArchiveLimits

WHEEL_NAME: Final = re.compile(
    r"(?P<name>[A-Za-z0-9]([A-Za-z0-9._]*[A-Za-z0-9])?)-(?P<version>[A-Za-z0-9._!+]+)(-[0-9][A-Za-z0-9._]*)?"
    r"-[A-Za-z0-9._]+-[A-Za-z0-9._]+-(?P<platform>[A-Za-z0-9._]+)\.whl"
)
_COMPILED: Final = re.compile(r"\.(so(\.[0-9.]+)?|pyd|dll|dylib)\Z", re.IGNORECASE)
_KNOWN_PATH_FILES: Final = ("distutils-precedence.pth",)
"""of setuptools, on which many depend; a host reads it when its limits are set, as it does any module"""
_END_BYTES: Final = 22
_LOCATOR_BYTES: Final = 20
_END_MAGIC: Final = b"PK\x05\x06"
_ZIP64_LOCATOR_MAGIC: Final = b"PK\x06\x07"
_MAX_DIRECTORY_BYTES: Final = 8 * 1024 * 1024
_LOCAL_HEADER_BYTES: Final = 30
_LOCAL_MAGIC: Final = b"PK\x03\x04"
_ENCRYPTED_FLAG: Final = 0x1
_UTF8_FLAG: Final = 0x800
_UNIX: Final = 3
_TYPE_BITS: Final = 0o170000
_REGULAR_OR_FOLDER: Final = (0, 0o100000, 0o040000)


def check_wheel(path: str, file: IO[bytes], size: int, limits: ArchiveLimits) -> None:
    """Check a wheel by its name and its table of contents; nothing of it is unpacked.  Raises ArchiveError.

    `path`: of the wheel in the archive, for messages.  `size`: its bytes.
    """
    found = WHEEL_NAME.fullmatch(path.rpartition("/")[2])
    if found is None:
        raise refuse(path, "the name is not that of a wheel: NAME-VERSION-PYTHON-ABI-PLATFORM.whl")
    _check_directory_size(path, file, size)
    try:
        with zipfile.ZipFile(file) as wheel:
            members = wheel.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise refuse(path, f"the wheel is damaged: {error}") from error
    if len(members) > limits.max_entries:
        raise refuse(path, f"the wheel has more than {limits.max_entries:,} entries")
    if sum([member.file_size for member in members]) > limits.max_unpacked_bytes:
        raise refuse(path, f"the wheel has more than {limits.max_unpacked_bytes:,} bytes unpacked")
    _check_local_headers(path, file, members)
    paths = PathSet()
    for member in members:
        _check_member(path, member, found["platform"], paths, limits)


def _check_directory_size(path: str, file: IO[bytes], size: int) -> None:
    """Bound the table of contents before it is read: a million entries would fill the memory."""
    file.seek(max(0, size - _END_BYTES - _LOCATOR_BYTES))
    tail = file.read()
    end = tail[-_END_BYTES:]
    if len(end) < _END_BYTES or not end.startswith(_END_MAGIC) or end[-2:] != b"\0\0":
        raise refuse(path, "the wheel is no zip file, or has a comment")
    if tail.startswith(_ZIP64_LOCATOR_MAGIC):
        raise refuse(path, "the wheel is a zip64 file")
    if int.from_bytes(end[12:16], "little") > _MAX_DIRECTORY_BYTES:
        raise refuse(path, f"the wheel has a table of contents of more than {_MAX_DIRECTORY_BYTES:,} bytes")


def _check_local_headers(path: str, file: IO[bytes], members: list[zipfile.ZipInfo]) -> None:
    """Check that the table of contents and the headers before the data say the same, and that no data is used twice."""
    end = 0
    for member in sorted(members, key=lambda one: one.header_offset):
        file.seek(member.header_offset)
        header = file.read(_LOCAL_HEADER_BYTES)
        name_bytes, extra_bytes = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
        encoding = "utf-8" if member.flag_bits & _UTF8_FLAG else "cp437"
        if not header.startswith(_LOCAL_MAGIC) or file.read(name_bytes) != member.orig_filename.encode(encoding):
            raise refuse(path, f"in the wheel: {member.filename!r}: its header has another name")
        if member.flag_bits & _ENCRYPTED_FLAG:
            raise refuse(path, f"in the wheel: {member.filename!r}: it is encrypted")
        if member.header_offset < end:
            raise refuse(path, f"in the wheel: {member.filename!r}: its data is that of another file")
        end = member.header_offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes + member.compress_size


def _check_member(wheel: str, member: zipfile.ZipInfo, platform: str, paths: PathSet, limits: ArchiveLimits) -> None:
    name = member.filename
    try:
        check_path(name.removesuffix("/"), limits)
        paths.add(name.removesuffix("/"), is_folder=name.endswith("/"))
        check_unasked(name, _KNOWN_PATH_FILES)
        check_module_name(name, _import_path(name))
        _check_installer(name)
    except ArchiveError as error:
        raise refuse(wheel, f"in the wheel: {error.message.removeprefix('the archive is refused: ')}") from error
    if member.orig_filename != name:
        raise refuse(wheel, f"in the wheel: {member.orig_filename!r}: a backslash or NUL in a path")
    if member.create_system == _UNIX and (member.external_attr >> 16) & _TYPE_BITS not in _REGULAR_OR_FOLDER:
        raise refuse(wheel, f"in the wheel: {name!r}: a link or a special file")
    if platform == "any" and _COMPILED.search(name):
        raise refuse(wheel, f"in the wheel: {name!r}: a compiled library, although its tag is for every platform")


def _check_installer(name: str) -> None:
    """Refuse what replaces modules of the program that installs it, which it may import after that."""
    top, _, below = name.partition("/")
    is_data = top.endswith(".data") and below.startswith("data/")
    if _import_path(name).partition("/")[0].casefold() == "pip" or (is_data and "site-packages" in below.casefold()):
        raise refuse(name, "it replaces modules of the virtual environment, those of pip among them")


def _import_path(name: str) -> str:
    """Return the path of a member below the folder that is searched for modules, once it is installed."""
    top, _, below = name.partition("/")
    if top.endswith(".data") and below.startswith(("purelib/", "platlib/")):
        return below.partition("/")[2]
    return name
