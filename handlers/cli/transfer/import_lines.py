"""The file of an import: its lines as fields by name, one at a time, and why a line cannot be read.

Problems name fields and unknown columns, and never repeat the content of a line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from store.text import safe_text
from store.text.names import is_storable

#: A longer line is none of an import's.
LINE_BYTES_MAX = 100_000

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

#: Neither CSV nor JSON that can be stored.
OF_NO_USE = b"\0\n"

#: Where an applicant stood, and whose a case is: the columns that must be there, and all that may be.
KNOWN_NEEDED = ("vendor", "reference", "status", "at")
KNOWN_COLUMNS = (*KNOWN_NEEDED, "source", "external_user_id", "reasons", "hits")
LINK_COLUMNS = ("case_id", "external_user_id")

UNREADABLE = f"is not UTF-8, holds a NUL, or is longer than {LINE_BYTES_MAX:,} bytes"

SUFFIXES = (".csv", ".jsonl")


@dataclass(frozen=True, kw_only=True)
class Line:
    """The fields of one line, and what is wrong with the line as a whole."""

    number: int
    fields: Mapping[str, object] = field(default_factory=dict)
    wrong: Sequence[str] = ()


def read(path: Path) -> Iterator[Line]:
    """Yield the lines of a file that hold something. After an invalid header there are no more."""
    with path.open("rb") as file:
        yield from _csv_lines(file) if path.suffix.lower() == ".csv" else _json_lines(file)


def says_whose(columns: Mapping[str, object] | Sequence[str]) -> bool:
    """Return whether these are the columns of a file that links cases to users."""
    return "case_id" in columns


def count_lines(path: Path) -> int:
    """Return the approximate number of lines: quoted line ends are counted, too."""
    with path.open("rb") as file:
        return sum(part.count(b"\n") for part in iter(lambda: file.read(1 << 20), b""))


# CSV ----------------------------------------------------------------------------------------------------------


def _csv_lines(file: IO[bytes]) -> Iterator[Line]:
    header: list[str] | None = None
    for number, cells, error in _records(file):
        if error:
            yield Line(number=number, wrong=[f"is no CSV: {error}"])
        elif header is not None:
            yield _csv_line(number, header, cells)
        else:
            header = [cell.strip() for cell in cells]
            if wrong := _wrong_header(header):
                yield Line(number=number, wrong=wrong)
                return


def _records(file: IO[bytes]) -> Iterator[tuple[int, list[str], str]]:
    """Yield the line number at which each record begins, its cells, and why it has none."""
    # What is not UTF-8 is carried along, so that it spoils no line but its own.
    rows = csv.reader((raw.decode("utf-8", "surrogateescape") for raw in _raw_lines(file)), strict=True)
    while True:
        number = rows.line_num + 1
        try:
            cells = next(rows, None)
        except csv.Error as error:
            yield number, [], str(error)
            continue
        if cells is None:
            return
        if cells:
            yield number, cells, ""


def _csv_line(number: int, header: Sequence[str], cells: Sequence[str]) -> Line:
    if not is_storable("".join(cells)):
        return Line(number=number, wrong=[UNREADABLE])
    if len(cells) != len(header):
        return Line(number=number, wrong=[f"has {len(cells)} fields, and the header {len(header)}"])
    return Line(number=number, fields={name: cell if cell.strip() else None for name, cell in zip(header, cells, strict=True)})


def _wrong_header(header: Sequence[str]) -> list[str]:
    if not is_storable("".join(header)):
        return [UNREADABLE]
    wrong = [f"{_shown(name)} is there twice" for name in dict.fromkeys(header) if header.count(name) > 1]
    needed = LINK_COLUMNS if says_whose(header) else KNOWN_NEEDED
    return wrong + _unknown(header) + [f"{name} is missing" for name in needed if name not in header]


def _unknown(names: Sequence[str] | Mapping[str, object]) -> list[str]:
    columns = LINK_COLUMNS if says_whose(names) else KNOWN_COLUMNS
    unknown = [_shown(name) for name in names if name not in columns]
    return [f"unknown: {', '.join(unknown)}; there may be {', '.join(columns)}"] if unknown else []


def _shown(name: str) -> str:
    return safe_text.plain(name[:40]) or "a column without a name"


# JSON lines ---------------------------------------------------------------------------------------------------


def _json_lines(file: IO[bytes]) -> Iterator[Line]:
    for number, raw in enumerate(_raw_lines(file), start=1):
        if raw.strip():
            yield _json_line(number, raw)


def _json_line(number: int, raw: bytes) -> Line:
    try:
        fields = msgspec.json.decode(raw, type=dict[str, object])
    except UnicodeDecodeError:
        return Line(number=number, wrong=["is not UTF-8"])
    except (msgspec.MsgspecError, RecursionError):
        return Line(number=number, wrong=[f"is no JSON object of at most {LINE_BYTES_MAX:,} bytes"])
    return Line(number=number, fields=fields, wrong=_unknown(fields))


# both ---------------------------------------------------------------------------------------------------------


def _raw_lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines as bytes, without a byte order mark. A line that is too long is replaced by an unusable one."""
    if file.read(len(BYTE_ORDER_MARK)) != BYTE_ORDER_MARK:
        file.seek(0)
    while raw := file.readline(LINE_BYTES_MAX):
        if len(raw) < LINE_BYTES_MAX or raw.endswith(b"\n"):
            yield raw
            continue
        while raw and not raw.endswith(b"\n"):
            raw = file.readline(LINE_BYTES_MAX)
        yield OF_NO_USE
