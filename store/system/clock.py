"""The clock of this host, and how times are written."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from store.system import fault_points

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: A number of minutes, hours or days.
PERIOD = re.compile(r"[1-9][0-9]{0,4}[mhd]", re.ASCII)

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def now() -> datetime:
    """Return the current time, aware and in UTC."""
    moment = datetime.now(UTC)
    return moment + fault_points.clock_offset() if fault_points.IN_USE else moment


def microseconds(moment: datetime) -> int:
    """Return a time as a number: microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def rfc3339(moment: datetime | None) -> str | None:
    """Return a time in RFC 3339 and UTC, with milliseconds where there are any: `2026-03-30T03:00:00Z`, `…:00.321Z`."""
    if moment is None:
        return None
    moment = moment.astimezone(UTC)
    text = moment.isoformat(timespec="milliseconds" if moment.microsecond >= 1000 else "seconds")
    return text.removesuffix("+00:00") + "Z"


def period(text: str) -> timedelta:
    """Return the time that a text such as `90m`, `12h` or `3d` names. Raises ValueError."""
    if not PERIOD.fullmatch(text):
        raise ValueError("not a number with m, h or d")
    return int(text[:-1]) * _UNITS[text[-1]]


def day_in(passed: timedelta) -> date:
    """Return the day, in UTC, on which so much time will have passed."""
    return (now() + passed).astimezone(UTC).date()


def parse_date(text: str, *, end: bool = False) -> datetime:
    """Return the first moment of a day in UTC (`2026-11-24`), or its last millisecond. Raises ValueError if the text is no date."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        raise ValueError("not a date")
    day = datetime.fromisoformat(f"{text}T00:00:00+00:00")
    return day.replace(hour=23, minute=59, second=59, microsecond=999_000) if end else day


def parse_rfc3339(text: str) -> datetime:
    """Return the time of an RFC 3339 text, in UTC. Raises ValueError if it is not RFC 3339, or has no zone."""
    if not _RFC3339.fullmatch(text):
        raise ValueError("not a date and a time with a zone")
    moment = datetime.fromisoformat(text.upper())
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time outside the calendar") from error
