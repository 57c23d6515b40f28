"""Dates, times and zones.  A zone is kept by its name: its rules are those of the system that reads it."""

from __future__ import annotations

import datetime as dt
import pickle
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from holdwater.errors import DecodingError
from holdwater.model.value_types.tag import TAG, NotStorable, ReadFunction, ReviveFunction, Tree, WriteFunction


def zone_tree(zone: dt.tzinfo) -> Tree:
    """A ZoneInfo by name, or a fixed offset.  Raises Refused for any other."""
    if type(zone) is ZoneInfo:
        return {TAG: "zone", "v": _zone_key(zone)}
    if type(zone) is dt.timezone:
        offset = zone.utcoffset(None)
        tree: dict[str, Any] = {TAG: "timezone", "v": [offset.days, offset.seconds, offset.microseconds]}
        if zone.tzname(None) != dt.timezone(offset).tzname(None):
            tree["n"] = zone.tzname(None)
        return tree
    kind = type(zone)
    raise NotStorable(
        f"has the time zone {zone!r} of type {kind.__module__}.{kind.__qualname__}, which cannot be stored",
        "use zoneinfo.ZoneInfo(name), datetime.UTC or a datetime.timezone",
    )


def _zone_key(zone: ZoneInfo) -> str:
    try:
        named = zone.key is not None and zone.__reduce__()[1][1]  # whether it came from ZoneInfo(name)
    except pickle.PicklingError:  # from_file
        named = False
    if not named:
        raise NotStorable(
            f"has the time zone {zone!r}, which cannot be stored: it is another than ZoneInfo(name)",
            "use ZoneInfo(name)",
        )
    return zone.key


def _read_zone(tree: dict[str, Any], revive: ReviveFunction) -> ZoneInfo:
    try:
        return ZoneInfo(tree["v"])
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        raise DecodingError(
            f"stored value has the time zone {tree['v']!r}, which this system does not know",
            hint="update the tzdata package",
        ) from error


def _read_timezone(tree: dict[str, Any], revive: ReviveFunction) -> dt.timezone:
    offset = dt.timedelta(*tree["v"])
    return dt.timezone(offset, tree["n"]) if "n" in tree else dt.timezone(offset)


def _write_datetime(value: dt.datetime | dt.time, tag: str) -> Tree:
    zone = value.tzinfo
    if zone is None or (type(zone) is dt.timezone and "n" not in zone_tree(zone)):
        tree = {TAG: tag, "v": value.isoformat()}
    else:
        tree = {TAG: tag, "v": value.replace(tzinfo=None).isoformat(), "z": zone_tree(zone)}
    return {**tree, "f": 1} if value.fold else tree


def _datetime_reader(kind: type[dt.datetime] | type[dt.time]) -> ReadFunction:
    def read(tree: dict[str, Any], revive: ReviveFunction) -> Any:
        made = kind.fromisoformat(tree["v"])
        if "z" in tree:
            made = made.replace(tzinfo=revive(tree["z"]))
        return made.replace(fold=1) if tree.get("f") else made

    return read


WRITERS: Final[dict[type, WriteFunction]] = {
    dt.datetime: lambda v, w: _write_datetime(v, "datetime"),
    dt.time: lambda v, w: _write_datetime(v, "time"),
    dt.date: lambda v, w: {TAG: "date", "v": v.isoformat()},
    dt.timedelta: lambda v, w: {TAG: "timedelta", "v": [v.days, v.seconds, v.microseconds]},
    dt.timezone: lambda v, w: zone_tree(v),
    ZoneInfo: lambda v, w: zone_tree(v),
}

READERS: Final[dict[str, ReadFunction]] = {
    "datetime": _datetime_reader(dt.datetime),
    "time": _datetime_reader(dt.time),
    "date": lambda t, revive: dt.date.fromisoformat(t["v"]),
    "timedelta": lambda t, revive: dt.timedelta(*t["v"]),
    "timezone": _read_timezone,
    "zone": _read_zone,
}
