"""The rows of an import, checked: an applicant's earlier status, or the user of a case."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from handlers.cli.transfer import import_lines
from handlers.cli.transfer.import_lines import Line
from handlers.interpret import OVERLAYS
from handlers.vendors import VENDORS
from store.inbox.internal_events import ImportBody
from store.system import clock
from store.text.names import NAME_CHARS_MAX, is_name
from store.text.states import HITS, Status

T = TypeVar("T")

_BETWEEN = re.compile(r"[\s;]+")


class Known(NamedTuple):
    """The earlier status of a vendor's applicant."""

    vendor: str
    body: ImportBody


class Whose(NamedTuple):
    """The user of a case."""

    case_id: str
    external_user_id: str


class Wrong(NamedTuple):
    """What is wrong with a line, without its content."""

    line: int
    problems: list[str]


def read(path: Path, *, source: str | None) -> Iterator[Known | Whose | Wrong]:
    """Yield what each line says, or what is wrong with it. `source` is for lines that name no source."""
    whose: bool | None = None
    for line in import_lines.read(path):
        if whose is None and not line.wrong:
            whose = import_lines.says_whose(line.fields)
        yield _row(line, whose, source)


def _row(line: Line, whose: bool | None, source: str | None) -> Known | Whose | Wrong:
    problems = list(line.wrong)
    if not problems and whose != import_lines.says_whose(line.fields):
        problems.append("says where an applicant stood among lines that say whose a case is, or the other way round")
    if problems:
        return Wrong(line.number, problems)
    given = line.fields if whose else {**line.fields, "source": line.fields.get("source") or source}
    values, problems = _values(given, _OF_A_LINK if whose else _OF_AN_APPLICANT)
    if values.get("status") in OVERLAYS and (values.get("reasons") or values.get("hits")):
        problems.append(f"reasons and hits are a verdict's: {values['status']} has none")
    if problems:
        return Wrong(line.number, problems)
    return Whose(**values) if whose else Known(values.pop("vendor"), ImportBody(**values))


def _values(fields: Mapping[str, object], readers: Mapping[str, Callable[[object], Any]]) -> tuple[dict[str, Any], list[str]]:
    """Return the values of the fields, and what is wrong with invalid ones."""
    values, problems = {}, []
    for name, reader in readers.items():
        try:
            values[name] = reader(fields.get(name))
        except ValueError as error:
            problems.append(f"{name} {error}")
    return values, problems


# fields: each reader raises ValueError, with what must be --------------------------------------------------------


def _one_of(words: Mapping[str, T]) -> Callable[[object], T]:
    def read_word(value: object) -> T:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return words[value]

    return read_word


def _name(value: object) -> str:
    if not isinstance(value, str) or not is_name(value):
        raise ValueError(f"must be a text of 1 to {NAME_CHARS_MAX} characters, without a NUL")
    return value


def _name_or_nothing(value: object) -> str | None:
    return None if value is None else _name(value)


def _moment(value: object) -> datetime:
    try:
        moment = clock.parse_rfc3339(value if isinstance(value, str) else "")
    except ValueError as error:
        raise ValueError("must be a time with its zone (RFC 3339), such as 2026-03-30T12:00:00Z") from error
    if moment > clock.now():
        raise ValueError("is in the future")
    return moment


def _names(value: object) -> tuple[str, ...]:
    """Return a list of names. In CSV it is a text with spaces or semicolons between the names."""
    if value is None:
        return ()
    entries = [entry for entry in _BETWEEN.split(value) if entry] if isinstance(value, str) else value
    if not isinstance(entries, list):
        raise ValueError("must be a list of texts")
    return tuple(map(_name, entries))


def _hits(value: object) -> tuple[str, ...]:
    return tuple(map(_hit, _names(value)))


_hit = _one_of({hit: hit for hit in HITS})

_OF_AN_APPLICANT: Mapping[str, Callable[[object], Any]] = {
    "vendor": _one_of({vendor: vendor for vendor in VENDORS}),
    "reference": _name,
    "status": _one_of({status.value: status for status in Status}),
    "at": _moment,
    "source": _name,
    "external_user_id": _name_or_nothing,
    "reasons": _names,
    "hits": _hits,
}
_OF_A_LINK: Mapping[str, Callable[[object], Any]] = {"case_id": _name, "external_user_id": _name}
