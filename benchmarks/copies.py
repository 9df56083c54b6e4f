"""Many events from few: what was really delivered and kept is multiplied, as if others had had the same stories.

A population is delivered over HTTP to a real service; the rows that this leaves are the template. A copy has the same rows under
other names: the run in every text, event ids, numbers and digests of its own, and each body sealed anew for its event. Columns
that this module does not know of are carried over as they are.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, Engine, inspect, text

from benchmarks import load, population, stage
from benchmarks.population import RUN
from benchmarks.stage import KEY, SQLITE, STANDING, Stage
from store.inbox.sealing import encryption
from store.inbox.sealing.encryption import NO_MASTER_KEY, Keyring, WrappedKey

#: In the order in which they can be filled.
TABLES = ("events", "body_keys", "subjects", "applicants", "mentions", "transitions", "quiet_moves")

#: Columns that count, and in which row of numbers.
COUNTS = {
    ("events", "sequence"): "events", ("mentions", "event_sequence"): "events", ("applicants", "first_sequence"): "events",
    ("transitions", "number"): "transitions", ("quiet_moves", "id"): "quiet_moves",
}  # fmt: skip
COUNTED = {"events": "sequence", "transitions": "number", "quiet_moves": "id"}

#: An event's id begins with its time, 65 seconds a step; copies go back in time, so that all of them are older than what comes.
STEPS_BACK = 4

_copies = itertools.count(1)
_keyring = Keyring((KEY,))


@dataclass(frozen=True, kw_only=True)
class Copy:
    """What distinguishes one copy from all others."""

    run: str
    #: Beginnings of event ids, old to new.
    beginnings: dict[str, str]
    #: What is added to the numbers, by the row of numbers.
    added: dict[str, int]


Maker = Callable[[Copy], Any]


@dataclass(frozen=True, kw_only=True)
class Template:
    """The rows of one population: for each table its columns, and for each row what makes a copy's values."""

    columns: dict[str, list[str]]
    makers: dict[str, list[list[Maker]]]
    beginnings: list[str]
    first: dict[str, int]
    span: dict[str, int]
    events: int


def templates(on: Stage, kind: str) -> tuple[Template, Template]:
    """A population as it is when it is kept, and as it is when it is handled."""
    with on.database(kind) as engine, on.service(engine, web=STANDING) as service:
        load.deliver(service.port, [letter.request() for letter in population.population()])
        pending = _template(engine)
        service.start_worker()
        assert stage.wait_until_handled(engine, seconds=stage.PATIENCE_SECONDS), "the population was not handled"
        check(engine, 1)
        return pending, _template(engine)


def multiply(template: Template, engine: Engine, times: int, *, tidy: bool = True) -> list[str]:
    """Write so many copies, which appear at the same moment; return their runs."""
    added = {counter: _greatest(engine, counter) + 1 - template.first[counter] for counter in COUNTED}
    # The last copy has the latest ids and the greatest numbers.
    steps = sorted((STEPS_BACK * next(_copies) for _ in range(times)), reverse=True)
    copies = [_copy(template, added, number, back) for number, back in enumerate(steps)]
    with engine.begin() as connection:
        if engine.dialect.name != SQLITE:
            # The rows are consistent: checking each reference would take longer than writing them.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        for table in TABLES:
            _fill(connection, table, template.columns[table], _rows(template.makers[table], copies))
        connection.execute(text("UPDATE feed SET last = (SELECT coalesce(max(number), 0) FROM transitions)"))
        if engine.dialect.name != SQLITE:
            for table in ("events", "quiet_moves"):
                column = COUNTED[table]
                connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table}"))
    if tidy:
        stage.tidy(engine)
    return [copy.run for copy in copies]


def check(engine: Engine, populations: int) -> None:
    """Whether everybody of so many populations stands where the stories end."""
    with engine.connect() as connection:
        stands: dict[str, int] = dict(
            connection.execute(text("SELECT status, count(*) FROM applicants WHERE version > 0 GROUP BY status")).tuples().all()
        )
        wrong = connection.execute(text("SELECT count(*) FROM events WHERE status IN ('failed', 'unreadable', 'pending')")).scalar_one()
    expected = {status: count * populations for status, count in population.endings().items()}
    assert stands == expected, f"the applicants stand at {stands}, and their stories end at {expected}"
    assert wrong == 0, f"{wrong} events failed, or cannot be read"


# reading the template -----------------------------------------------------------------------------------------


def _template(engine: Engine) -> Template:
    columns, rows = {}, {}
    with engine.connect() as connection:
        for table in TABLES:
            columns[table], rows[table] = _read(connection, table)
    ids = [row[columns["events"].index("id")] for row in rows["events"]]
    beginnings = sorted({event_id[:8] for event_id in ids})
    names = re.compile("|".join([RUN, *beginnings]))
    keys = {event_id: WrappedKey(key_id, wrapped) for event_id, key_id, wrapped in rows["body_keys"]}
    makers = {table: [_makers(table, columns[table], row, names, keys) for row in rows[table]] for table in TABLES}
    numbers = {counter: [row[columns[counter].index(column)] for row in rows[counter]] or [1, 1] for counter, column in COUNTED.items()}
    first = {counter: min(map(int, found)) for counter, found in numbers.items()}
    span = {counter: max(map(int, found)) - first[counter] + 1 for counter, found in numbers.items()}
    return Template(columns=columns, makers=makers, beginnings=beginnings, first=first, span=span, events=len(ids))


def _read(connection: Connection, table: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """A table's rows as text where text can stand for it, so that nothing is changed on the way; bytes and null as they are."""
    found = inspect(connection).get_columns(table)
    names = [column["name"] for column in found]
    if connection.dialect.name == SQLITE:
        chosen = [f'"{name}"' for name in names]
    else:
        chosen = [f'"{column["name"]}"' + ("" if str(column["type"]) == "BYTEA" else "::text") for column in found]
    rows = connection.exec_driver_sql(f"SELECT {', '.join(chosen)} FROM {table} ORDER BY 1").tuples().all()
    return names, [tuple(bytes(value) if isinstance(value, memoryview) else value for value in row) for row in rows]


def _makers(table: str, columns: list[str], row: tuple[Any, ...], names: re.Pattern[str], keys: dict[str, WrappedKey]) -> list[Maker]:
    values = dict(zip(columns, row, strict=True))
    if table == "events":
        body = _keyring.open(values["sealed_body"], key_id=NO_MASTER_KEY, event_id=_dashed(values["id"]), wrapped=keys[values["id"]])
        values["sealed_body"] = body
    return [_maker(table, name, value, values, names) for name, value in values.items()]


def _maker(table: str, name: str, value: Any, row: dict[str, Any], names: re.Pattern[str]) -> Maker:
    if value is not None and (counter := COUNTS.get((table, name))):
        number = int(value)
        return lambda copy: number + copy.added[counter]
    if name == "sealed_body":
        return lambda copy: _sealed(value, row["id"], copy)
    if name == "wrapped":
        return lambda copy: _wrapped(row["event_id"], copy)
    if isinstance(value, bytes):
        return lambda copy: hashlib.sha256(value + copy.run.encode()).digest()
    if isinstance(value, str) and names.search(value):
        # Every second part is a name.
        parts = re.split(f"({names.pattern})", value)
        return lambda copy: "".join([copy.beginnings[part] if place % 2 else part for place, part in enumerate(parts)])
    return lambda _: value


def _sealed(body: bytes, event_id: str, copy: Copy) -> bytes:
    own_id = _own_id(event_id, copy)
    said = body.replace(RUN.encode(), copy.run.encode())
    return encryption._encrypt(AESGCM(_data_key(own_id)), said, encryption._of_body(own_id))


def _wrapped(event_id: str, copy: Copy) -> bytes:
    own_id = _own_id(event_id, copy)
    return _keyring._wrap(_data_key(own_id), own_id).wrapped


def _data_key(own_id: str) -> bytes:
    """A key that both tables' rows of a copy can compute."""
    return hashlib.sha256(own_id.encode()).digest()


def _own_id(event_id: str, copy: Copy) -> str:
    return _dashed(copy.beginnings[event_id[:8]] + event_id[8:])


def _dashed(event_id: str) -> str:
    """An event's id as the contract writes it; SQLite keeps it without dashes."""
    digits = event_id.replace("-", "")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


# writing copies -----------------------------------------------------------------------------------------------


def _copy(template: Template, added: dict[str, int], number: int, back: int) -> Copy:
    run = population.new_run()
    return Copy(
        run=run,
        beginnings={RUN: run} | {beginning: f"{int(beginning, 16) - back:08x}" for beginning in template.beginnings},
        added={counter: added[counter] + number * template.span[counter] for counter in COUNTED},
    )


def _rows(makers: list[list[Maker]], copies: list[Copy]) -> Iterator[list[Any]]:
    return ([make(copy) for make in row] for copy in copies for row in makers)


def _fill(connection: Connection, table: str, columns: list[str], rows: Iterable[list[Any]]) -> None:
    names = ", ".join(f'"{name}"' for name in columns)
    cursor: Any = connection.connection.cursor()
    if connection.dialect.name == SQLITE:
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})", rows)
        return
    with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _greatest(engine: Engine, counter: str) -> int:
    return stage.number(engine, f"SELECT coalesce(max({COUNTED[counter]}), 0) FROM {counter}")
