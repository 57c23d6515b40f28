"""A cache in a directory, for any number of processes at once.

    directory/key               the key of all signatures; mode 0600
    directory/entries/ab/cd...  one value: its signature, a letter for its form, its text or pickle
    directory/miss_log/ab/cd... one topic: a line per record, each with its signature

Files are replaced atomically and without locks.  A file with a wrong signature is never unpickled: it counts as absent,
is listed in `rejected` and removed.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from holdwater.caching.lru_directory import LruDirectory
from holdwater.caching.memory import validate_bound
from holdwater.caching.signing import SIGNATURE_BYTES, load_or_create_key, sign, verify
from holdwater.errors import Unstorable
from holdwater.model import codec
from holdwater.model.error_report import describe_error

DEFAULT_MAX_BYTES: Final = 1 << 30
DEFAULT_MAX_ENTRIES: Final = 100_000
MISS_LOG_MAX_BYTES: Final = 16 << 20
MISS_LOG_MAX_TOPICS: Final = 2000
TOPIC_FILE_MAX_BYTES: Final = 64 << 10
MAX_REJECTIONS: Final = 100

_JSON_FORM: Final = b"j"
_PICKLE_FORM: Final = b"p"


class DiskCache:
    """Values in files, bounded by bytes and number; the least recently used ones are evicted.

    A process counts the files again when it has written a sixteenth of a bound, and then keeps a sixteenth free: one
    process stays within the bounds, and each other that writes at the same time can exceed them by a sixteenth.
    `rejected`: the newest files that were not valid entries, with the reasons.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        max_bytes: int | None = DEFAULT_MAX_BYTES,
        max_entries: int | None = DEFAULT_MAX_ENTRIES,
    ) -> None:
        """Create the directory.  None: no bound.  Raises CacheUnavailable, and ConfigError for a bound below 1."""
        self.directory: Final = Path(directory).expanduser().absolute()
        self.max_bytes: Final = validate_bound("max_bytes", max_bytes)
        self.max_entries: Final = validate_bound("max_entries", max_entries)
        self.rejected: Final[deque[tuple[Path, str]]] = deque(maxlen=MAX_REJECTIONS)
        self._entries: Final = LruDirectory(self.directory / "entries", self.max_bytes, self.max_entries)
        self._miss_log: Final = LruDirectory(self.directory / "miss_log", MISS_LOG_MAX_BYTES, MISS_LOG_MAX_TOPICS)
        self._key_lock: Final = threading.Lock()
        self._key = load_or_create_key(self.directory)

    def __reduce__(self) -> tuple[Any, ...]:
        """Support pickle: another process opens the same directory."""
        return DiskCache, (self.directory, self.max_bytes, self.max_entries)

    # -- values

    def get(self, key: str) -> tuple[bool, Any]:
        path = self._entries.path_for(key)
        data = self._entries.read(path)
        if data is None:
            return False, None
        signature, content = data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]
        if not self._verify(key, content, signature):
            return self._reject(path, "it was not written by this cache, or changed since")
        try:
            value = codec.decode(content[1:].decode()) if content[:1] == _JSON_FORM else pickle.loads(content[1:])
        except Exception as error:  # noqa: BLE001 - the code of classes runs, and may be gone or changed
            return self._reject(path, f"its value cannot be read any more ({describe_error(error)})")
        self._entries.touch(path)
        return True, value

    def set(self, key: str, value: Any) -> None:
        """Store a value.  Raises Unstorable, and OSError if the file cannot be written."""
        path = self._entries.path_for(key)
        try:
            content = _encode_value(value)
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
            self._reload_key()
            self._entries.write(path, sign(self._key, key, content) + content)

    def clear(self) -> None:
        """Delete all values and miss records."""
        self._entries.clear()
        self._miss_log.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"DiskCache({str(self.directory)!r})"

    # -- miss log

    def append_record(self, topic: str, record: str) -> None:
        line = f"{sign(self._key, topic, record.encode()).hex()} {record}\n".encode()
        path = self._miss_log.path_for(topic)
        if self._miss_log.append(path, line) > TOPIC_FILE_MAX_BYTES:
            newest = (self._miss_log.read(path) or b"")[-TOPIC_FILE_MAX_BYTES // 2 :]
            self._miss_log.write(path, newest.partition(b"\n")[2])

    def read_records(self, topic: str) -> list[str]:
        lines = [
            line.partition(b" ") for line in (self._miss_log.read(self._miss_log.path_for(topic)) or b"").splitlines()
        ]
        return [text.decode() for mark, _, text in lines if self._verify(topic, text, _decode_hex(mark))]

    # -- signed files

    def _verify(self, name: str, content: bytes, signature: bytes) -> bool:
        if verify(self._key, name, content, signature):
            return True
        return self._reload_key() and verify(self._key, name, content, signature)

    def _reload_key(self) -> bool:
        """Read the key again; True if it is another one, because the directory was deleted and created again."""
        with self._key_lock:
            before, self._key = self._key, load_or_create_key(self.directory)
            return before != self._key

    def _reject(self, path: Path, reason: str) -> tuple[bool, None]:
        self.rejected.append((path, reason))
        path.unlink(missing_ok=True)
        return False, None


def _encode_value(value: object) -> bytes:
    plain = codec.encode_plain(value)
    if plain is not None:
        return _JSON_FORM + plain[0].encode()
    try:
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise Unstorable(
            f"the value cannot be pickled: {error}",
            hint="return something that can be pickled, or set cache=False on the node",
        ) from error
    return _PICKLE_FORM + data


def _decode_hex(text: bytes) -> bytes:
    with suppress(ValueError):
        return bytes.fromhex(text.decode("ascii", "replace"))
    return b""
