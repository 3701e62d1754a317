"""Values of Arrow columns as Python's, of which the table shows text. Runs in the sandbox.

Arrow's own conversion needs pandas for nanoseconds, and has no dates after the year 9999.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

MOST_ITEMS = 200
"""Items of a list and bytes of a binary value that are converted: a cell shows fewer."""
_WRAPPERS = (pa.types.is_dictionary, pa.types.is_union, pa.types.is_run_end_encoded)
"""Types whose scalars hold another scalar."""
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_DAY = 86_400
_CYCLE_YEARS, _CYCLE_DAYS = 400, 146_097
"""The calendar repeats after 400 years."""
_FIRST_DAY, _LAST_DAY = -700_000, 2_900_000
"""Days after 1970 that a ``datetime`` can hold in any zone; a year with the same calendar stands for others."""


def value(scalar: Any) -> Any:
    """A scalar as text, a number, a Boolean, None, or lists and dictionaries of these."""
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if any(wraps(kind) for wraps in _WRAPPERS) or isinstance(kind, pa.BaseExtensionType):
        return value(scalar.value) if isinstance(scalar.value, pa.Scalar) else scalar.value
    if pa.types.is_nested(kind):
        return _nested(scalar)
    if pa.types.is_temporal(kind):
        return _temporal(scalar)
    if pa.types.is_decimal(kind):
        return format(scalar.as_py(), "f")
    plain = scalar.as_py()
    return plain[:MOST_ITEMS].hex() if isinstance(plain, bytes) else plain


def _nested(scalar: Any) -> Any:
    kind = scalar.type
    if pa.types.is_struct(kind):
        return {kind.field(number).name: value(scalar[number]) for number in range(kind.num_fields)}
    items = scalar.values
    shown = [items[number] for number in range(min(len(items), MOST_ITEMS))]
    if pa.types.is_map(kind):
        return {_key(value(item[0])): value(item[1]) for item in shown}
    return [value(item) for item in shown]


def _key(key: Any) -> str:
    return key if isinstance(key, str) else str(key)


def _temporal(scalar: Any) -> Any:
    kind = scalar.type
    if pa.types.is_timestamp(kind):
        return moment(scalar.value, kind.unit, kind.tz)
    if pa.types.is_date(kind):
        day = scalar.value if pa.types.is_date32(kind) else scalar.value // (_DAY * 1000)
        return moment(day * _DAY, "s", None)[:-9]
    if pa.types.is_time(kind):
        return moment(scalar.value, kind.unit, None)[11:]
    if pa.types.is_duration(kind):
        return _duration(scalar.value, kind.unit)
    return str(scalar.as_py())


def moment(count: int, unit: str, zone: str | None) -> str:
    """A time as ``2024-05-01 14:00:00+02:00``, of any year; ``count`` units after 1970 in UTC."""
    seconds, rest = divmod(count, _PER_SECOND[unit])
    days, seconds = divmod(seconds, _DAY)
    like = days if _FIRST_DAY < days < _LAST_DAY else days % _CYCLE_DAYS + _CYCLE_DAYS
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=like, seconds=seconds)
    local = time.astimezone(_zone(zone)) if zone else time.replace(tzinfo=None)
    year = local.year + (days - like) // _CYCLE_DAYS * _CYCLE_YEARS
    fraction = f".{rest:0{_DIGITS[unit]}}" if rest else ""
    offset = local.isoformat()[19:]
    return f"{year:04}-{local:%m-%d %H:%M:%S}{fraction}{offset}"


def _zone(name: str) -> tzinfo:
    """A zone by its name or offset; UTC for one that is not known, so that the time is right."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        pass
    try:
        offset = datetime.strptime(name, "%z").utcoffset()
    except ValueError:
        offset = None
    return timezone(offset) if offset is not None else UTC


def _duration(count: int, unit: str) -> str:
    """A length of time as ``1 day, 2:03:04.000000005``."""
    sign = "-" if count < 0 else ""
    seconds, rest = divmod(abs(count), _PER_SECOND[unit])
    days, seconds = divmod(seconds, _DAY)
    clock = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    fraction = f".{rest:0{_DIGITS[unit]}}" if rest else ""
    whole_days = f"{days} day{'' if days == 1 else 's'}, " if days else ""
    return f"{sign}{whole_days}{clock}{fraction}"
