"""Records of runs in Redis: a list per run, and beside it a lock key that expires.

A lock is a key with a token of its own.  A script in the server appends only if the token is still there: a process
that hung and lost the lock cannot write between the records of its successor (a fencing token).  The durability of an
acknowledged record is the server's setting (`appendfsync`).
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

from holdwater.errors import ConfigError, RunInProgress, StoreUnavailable, StoreUnreachable
from holdwater.storage.urls import mask_password

if TYPE_CHECKING:
    from redis import Redis

LEASE_MS: Final = 30_000
DAY_SECONDS: Final = 86_400
KEY_PREFIX: Final = "holdwater:run:"

# keys: lock, records; arguments: token, record, lease in ms, seconds to keep the records or 0
APPEND_SCRIPT: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('RPUSH', KEYS[2], ARGV[2])
if ARGV[4] ~= '0' then redis.call('EXPIRE', KEYS[2], ARGV[4]) end
return 1
"""
RENEW_SCRIPT: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
RELEASE_SCRIPT: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class RedisRunLock:
    """The lock key of one run and the token this process stored in it."""

    def __init__(self, backend: RedisCheckpoints, run_id: str, token: str) -> None:
        self._backend, self._run_id, self._token = backend, run_id, token
        self._is_held = True

    def append(self, record: str) -> None:
        keep = str(self._backend.retention_seconds)
        content = record.encode(errors="surrogatepass")
        self._check_held(
            self._backend.run_script(APPEND_SCRIPT, self._run_id, self._token, content, str(LEASE_MS), keep)
        )

    def renew(self) -> None:
        self._check_held(self._backend.run_script(RENEW_SCRIPT, self._run_id, self._token, str(LEASE_MS)))

    def release(self) -> None:
        if self._is_held:
            self._is_held = False
            self._backend.run_script(RELEASE_SCRIPT, self._run_id, self._token)

    def after_fork_in_child(self) -> None:
        self._is_held = False

    def _check_held(self, reply: Any) -> None:
        if not reply:
            raise RunInProgress(
                f"the lock of run {self._run_id!r} in {self._backend.location} has expired, and "
                "another process may have it"
            )


class RedisCheckpoints:
    """A database of a Redis server.

    With `retention_days`, the records of a run expire so long after its last one.  Raises ConfigError without the
    package `redis` or with a malformed URL, StoreUnreachable if the server does not answer.
    """

    def __init__(self, url: str, *, retention_days: int | None = None) -> None:
        try:
            import redis
        except ModuleNotFoundError as error:
            raise ConfigError(
                'checkpoint_storage="redis" needs the package redis, which is not installed',
                hint="pip install 'holdwater[redis]'",
            ) from error
        self.location = mask_password(url)
        self.retention_seconds = 0 if retention_days is None else retention_days * DAY_SECONDS
        self._redis_error: type[Exception] = redis.RedisError
        try:
            self._redis: Redis = redis.Redis.from_url(url)
            self._redis.ping()
        except ValueError as error:
            raise ConfigError(f"redis_url {self.location!r} cannot be used: {error}") from error
        except redis.RedisError as error:
            raise StoreUnreachable(f"the Redis server at {self.location} does not answer: {error}") from error

    def lock(self, run_id: str) -> RedisRunLock:
        token = os.urandom(16).hex()
        key, _ = _lock_and_records_keys(run_id)
        try:
            taken = self._redis.set(key, token, nx=True, px=LEASE_MS)
            left_ms = 0 if taken else self._redis.pttl(key)
        except self._redis_error as error:
            raise self._unavailable_error(error) from error
        if not taken:
            raise RunInProgress(
                f"run {run_id!r} is executed by another process at this moment ({self.location})",
                hint=f"if that process is dead, its lock expires in {max(0, int(left_ms)) / 1000:.0f} s",
            )
        return RedisRunLock(self, run_id, token)

    def load(self, run_id: str) -> list[str]:
        _, key = _lock_and_records_keys(run_id)
        try:
            found: Any = self._redis.lrange(key, 0, -1)
        except self._redis_error as error:
            raise self._unavailable_error(error) from error
        return [record.decode(errors="surrogatepass") for record in found]

    def find_descendants(self, run_id: str) -> list[str]:
        pattern = re.sub(r"([][*?^\\])", r"\\\1", f"{KEY_PREFIX}{{{run_id}/") + "*}:records"
        try:
            keys = [key.decode(errors="backslashreplace") for key in self._redis.scan_iter(match=pattern, count=1000)]
        except self._redis_error as error:
            raise self._unavailable_error(error) from error
        return sorted(key[len(KEY_PREFIX) + 1 : -len("}:records")] for key in keys)

    def run_script(self, script: str, run_id: str, *arguments: str | bytes) -> Any:
        """Run a script on the keys of a run.  Raises StoreUnavailable."""
        try:
            return self._redis.eval(script, 2, *_lock_and_records_keys(run_id), *arguments)
        except self._redis_error as error:
            raise self._unavailable_error(error) from error

    def close(self) -> None:
        self._redis.close()

    def _unavailable_error(self, error: Exception) -> StoreUnavailable:
        return StoreUnavailable(f"the Redis server at {self.location} cannot be used now: {error}")


def _lock_and_records_keys(run_id: str) -> tuple[bytes, bytes]:
    """Name both keys of a run, in one slot of a cluster."""
    name = f"{KEY_PREFIX}{{{run_id}}}".encode(errors="backslashreplace")
    return name + b":lock", name + b":records"
