"""Archives for tests, made header by header, so that also those can be made that no tool makes."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

BLOCK = 512
END = bytes(2 * BLOCK)

OWN_MANIFEST = """\
format = 1

[package]
name = "orders"
version = "1.2.0"

[entry]
modules = ["orders.flows"]
"""
PACKAGE_TOML = """\
[package]
name = "orders"
version = "1.2.0"
interface = "cloacina-workflow-plugin"
interface_version = 1
extension = "cloacina"

[metadata]
language = "python"
workflow_name = "orders"
entry_module = "orders.tasks"
"""
MANIFEST_JSON: dict[str, object] = {
    "format_version": "2",
    "package": {
        "name": "orders",
        "version": "1.2.0",
        "description": "Orders of the day",
        "fingerprint": "sha256:00",
        "targets": ["linux-x86_64"],
    },
    "language": "python",
    "python": {"requires_python": ">=3.10", "entry_module": "orders.tasks"},
    "tasks": [{"id": "load", "function": "orders.tasks:load", "dependencies": [], "retries": 3}],
    "triggers": [],
    "created_at": "2026-01-01T00:00:00Z",
    "signature": None,
}
TOP = "orders-1.2.0"
FLOWS = "from holdwater import WorkflowBuilder, task\n"


@dataclass
class Entry:
    """A header and the content behind it.  `declared`: the size in the header, if it is not that of the content."""

    name: bytes
    content: bytes = b""
    kind: bytes = b"0"
    mode: bytes = b"0000644\0"
    declared: bytes | None = None
    link: bytes = b""
    magic: bytes = b"ustar\x0000"
    prefix: bytes = b""
    checksum: bytes | None = None

    def pack(self) -> bytes:
        size = b"%011o\0" % len(self.content) if self.declared is None else self.declared
        header = bytearray(BLOCK)
        for offset, text in (
            (0, self.name[:100]),
            (100, self.mode),
            (108, b"0000000\0"),
            (116, b"0000000\0"),
            (124, size),
            (136, b"00000000000\0"),
            (148, b" " * 8),
            (156, self.kind),
            (157, self.link),
            (257, self.magic),
            (345, self.prefix),
        ):
            header[offset : offset + len(text)] = text
        header[148:156] = b"%06o\0 " % sum(header) if self.checksum is None else self.checksum
        return bytes(header) + self.content + bytes(-len(self.content) % BLOCK)


def pax(**records: str) -> Entry:
    """An extended header; `__` in a key stands for a dot."""
    content = b""
    for key, value in records.items():
        body = f" {key.replace('__', '.')}={value}\n".encode()
        length = len(body) + 1
        while len(str(length)) + len(body) != length:
            length += 1
        content += str(length).encode() + body
    return Entry(b"PaxHeaders/x", content, kind=b"x")


def tar(entries: Iterable[Entry], end: bytes = END) -> bytes:
    return b"".join(entry.pack() for entry in entries) + end


def package_entries(
    files: Mapping[str, bytes | str] | None = None, manifest: str | None = OWN_MANIFEST, top: str = TOP
) -> list[Entry]:
    """The entries of a package that is as it must be, with more files; a name without a slash at its end is a file."""
    contents: dict[str, bytes | str] = {"workflow/orders/__init__.py": "", "workflow/orders/flows.py": FLOWS}
    if manifest is not None:
        contents["holdwater.toml"] = manifest
    contents.update(files or {})
    prefix = f"{top}/" if top else ""
    return [
        Entry(f"{prefix}{path}".encode(), text.encode() if isinstance(text, str) else text)
        for path, text in contents.items()
    ]


def package(
    files: Mapping[str, bytes | str] | None = None,
    manifest: str | None = OWN_MANIFEST,
    *,
    top: str = TOP,
    more: Iterable[Entry] = (),
) -> bytes:
    """A package, compressed.  `more`: entries after those of its files."""
    return bz2.compress(tar([*package_entries(files, manifest, top), *more]))


def package_of_05(
    manifest: str = PACKAGE_TOML, files: Mapping[str, bytes | str] | None = None, top: str = TOP
) -> bytes:
    """A package as Cloacina 0.5 and later writes it: GNU headers, folders as entries, bzip2."""
    contents = {"package.toml": manifest, "workflow/orders/__init__.py": "", "workflow/orders/tasks.py": ""}
    entries = [Entry(f"{top}/".encode(), kind=b"5", mode=b"0000755\0", magic=b"ustar  \0")]
    for path, text in {**contents, **(files or {})}.items():
        raw = text.encode() if isinstance(text, str) else text
        name = f"{top}/{path}".encode()
        if len(name) > 100:
            entries.append(Entry(b"././@LongLink", name + b"\0", kind=b"L", magic=b"ustar  \0"))
        entries.append(Entry(name, raw, magic=b"ustar  \0"))
    return bz2.compress(tar(entries))


def package_of_04(
    manifest: Mapping[str, object] | str = MANIFEST_JSON, top: str = "", files: Mapping[str, str] | None = None
) -> bytes:
    """A package of the generation before: gzip, manifest.json, extended headers with times."""
    text = manifest if isinstance(manifest, str) else json.dumps(manifest, indent=2)
    contents = {"manifest.json": text, "workflow/orders/__init__.py": "", "workflow/orders/tasks.py": ""}
    prefix = f"{top}/" if top else ""
    entries = []
    for path, content in {**contents, **(files or {})}.items():
        entries += [pax(mtime="1767225600.25"), Entry(f"{prefix}{path}".encode(), content.encode())]
    return gzip.compress(tar(entries), mtime=0)


def wheel(files: Mapping[str, bytes | str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()
