"""A cache in a directory, for any number of processes at once.

    directory/key               signs everything; mode 0600
    directory/entries/ab/cd...  one value: its signature, a letter for its form, its text or pickle
    directory/notes/ab/cd...    one topic: a line per note, each with its signature

Files are replaced at once, and nobody waits for anybody.  What fails its signature is never decoded: it counts as
absent, is recorded and removed.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from holdwater.caching.lru_directory import Shelf
from holdwater.caching.memory import at_least_one
from holdwater.caching.signing import SIGNATURE_BYTES, is_signed, open_key, sign
from holdwater.errors import Unstorable
from holdwater.model import codec
from holdwater.model.error_report import describe

DEFAULT_MAX_BYTES: Final = 1 << 30
DEFAULT_MAX_ENTRIES: Final = 100_000
NOTES_MAX_BYTES: Final = 16 << 20
NOTES_MAX_TOPICS: Final = 2000
NOTE_FILE_MAX_BYTES: Final = 64 << 10
REJECTIONS_KEPT: Final = 100

_PLAIN: Final = b"j"
_PICKLED: Final = b"p"


class DiskCache:
    """Values in files, bounded by bytes and number; those used last are kept.

    A process counts again when it has written a sixteenth of a bound, and then keeps a sixteenth free: alone it stays
    within the bounds, and every other that writes at the same time can add a sixteenth.  `rejected` has the newest
    files that were no valid entries, with the reasons.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        max_bytes: int | None = DEFAULT_MAX_BYTES,
        max_entries: int | None = DEFAULT_MAX_ENTRIES,
    ) -> None:
        """Makes the directory.  Raises CacheUnavailable, and ConfigError for a bound below 1; None is no bound."""
        self.directory: Final = Path(directory).expanduser().absolute()
        self.max_bytes: Final = at_least_one("max_bytes", max_bytes)
        self.max_entries: Final = at_least_one("max_entries", max_entries)
        self.rejected: Final[deque[tuple[Path, str]]] = deque(maxlen=REJECTIONS_KEPT)
        self._entries: Final = Shelf(self.directory / "entries", self.max_bytes, self.max_entries)
        self._notes: Final = Shelf(self.directory / "notes", NOTES_MAX_BYTES, NOTES_MAX_TOPICS)
        self._guard: Final = threading.Lock()
        self._key = open_key(self.directory)

    # -- values

    def get(self, key: str) -> tuple[bool, Any]:
        path = self._entries.path(key)
        data = self._entries.read(path)
        if data is None:
            return False, None
        signature, content = data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]
        if not self._is_signed(key, content, signature):
            return self._reject(path, "it was not written by this cache, or changed since")
        try:
            value = codec.decode(content[1:].decode()) if content[:1] == _PLAIN else pickle.loads(content[1:])
        except Exception as error:  # noqa: BLE001 - the code of classes runs, and may be gone or changed
            return self._reject(path, f"its value cannot be read any more ({describe(error)})")
        self._entries.touch(path)
        return True, value

    def set(self, key: str, value: Any) -> None:
        """Raises Unstorable, and OSError if the file cannot be written."""
        path = self._entries.path(key)
        try:
            content = _encoded(value)
            size = SIGNATURE_BYTES + len(content)
            if self.max_bytes is not None and size > self.max_bytes:
                raise Unstorable(
                    f"the value takes {size} bytes, and the cache holds max_bytes={self.max_bytes}",
                    hint="raise max_bytes, or return something smaller",
                )
        except Unstorable:
            path.unlink(missing_ok=True)
            raise
        try:
            self._entries.write(path, sign(self._key, key, content) + content)
        except FileNotFoundError:  # the directory was deleted
            self._renew_key()
            self._entries.write(path, sign(self._key, key, content) + content)

    def clear(self) -> None:
        """Delete all values and notes."""
        self._entries.clear()
        self._notes.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"DiskCache({str(self.directory)!r})"

    # -- notes

    def note(self, topic: str, text: str) -> None:
        line = f"{sign(self._key, topic, text.encode()).hex()} {text}\n".encode()
        path = self._notes.path(topic)
        if self._notes.append(path, line) > NOTE_FILE_MAX_BYTES:
            newest = (self._notes.read(path) or b"")[-NOTE_FILE_MAX_BYTES // 2 :]
            self._notes.write(path, newest.partition(b"\n")[2])

    def recall(self, topic: str) -> list[str]:
        lines = [line.partition(b" ") for line in (self._notes.read(self._notes.path(topic)) or b"").splitlines()]
        return [text.decode() for mark, _, text in lines if self._is_signed(topic, text, _unhexed(mark))]

    # -- what it is made of

    def _is_signed(self, place: str, content: bytes, signature: bytes) -> bool:
        if is_signed(self._key, place, content, signature):
            return True
        return self._renew_key() and is_signed(self._key, place, content, signature)

    def _renew_key(self) -> bool:
        """Whether the directory was deleted and made again, by this call or by another process."""
        with self._guard:
            before, self._key = self._key, open_key(self.directory)
            return before != self._key

    def _reject(self, path: Path, reason: str) -> tuple[bool, None]:
        self.rejected.append((path, reason))
        path.unlink(missing_ok=True)
        return False, None


def _encoded(value: object) -> bytes:
    plain = codec.encode_plain(value)
    if plain is not None:
        return _PLAIN + plain[0].encode()
    try:
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise Unstorable(
            f"the value cannot be pickled: {error}",
            hint="return something that can be pickled, or set cache=False on the node",
        ) from error
    return _PICKLED + data


def _unhexed(text: bytes) -> bytes:
    with suppress(ValueError):
        return bytes.fromhex(text.decode("ascii", "replace"))
    return b""
