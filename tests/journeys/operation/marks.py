"""Marks, which whatever is said of somebody carries, the forms in which one may be written, and the places."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import create_engine, inspect, text

from tests.support.service import Service

#: What each mark holds. The rest differs by field, and one letter is not of ASCII.
MARK = "cAnArYq7"


def mark(field: str) -> str:
    return f"{MARK}{field}ö" if field in ("name", "comment") else f"{MARK}{field}"


FIELDS = (
    "idngo",
    "case",
    "scan",
    "user",
    "name",
    "comment",
    "document",
    "label",
    "level",
    "workflow",
    "import",
    "monitoring",
    "tag",
    "broken",
)

#: How a mark may be written: it, and each of its digests.
PLAIN = [MARK.encode(), MARK.encode().hex().encode(), MARK.encode().hex().upper().encode()]
ENCODED = [base64.b64encode(b"x" * shift + MARK.encode())[(4 if shift else 0) : -4] for shift in range(3)]
DIGESTS = [hashlib.sha256(mark(field).encode()) for field in FIELDS]
FORMS = [*PLAIN, *ENCODED, *(one.digest() for one in DIGESTS), *(one.hexdigest().encode() for one in DIGESTS)]


def found_in(content: bytes) -> list[bytes]:
    return [form for form in FORMS if form in content]


def marked(service: Service, but: list[Path]) -> set[tuple[str, bytes]]:
    """Where a mark is, and in which form."""
    places = (*rows(service), *files(service, but), *queue(service), *dumped(service))
    return {(place, form) for place, content in places for form in found_in(content)}


def rows(service: Service) -> Iterator[tuple[str, bytes]]:
    engine = create_engine(service.environment["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        for table in inspect(engine).get_table_names():
            for row in connection.execute(text(f"SELECT * FROM {table}")).mappings():
                for name, value in row.items():
                    yield f"{table}.{name}", value if isinstance(value, bytes) else _written(value)
    engine.dispose()


def _written(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, default=str).encode()


def files(service: Service, but: list[Path]) -> Iterator[tuple[str, bytes]]:
    for path in service.folder.rglob("*"):
        with suppress(FileNotFoundError):  # The service runs, and takes files away.
            if path.is_file() and path not in but:
                yield path.name, path.read_bytes()


def queue(service: Service) -> Iterator[tuple[str, bytes]]:
    client = redis.Redis.from_url(service.environment["REDIS_URL"])
    for key in client.scan_iter():
        yield "a key of the queue", key + (client.dump(key) or b"")


def dumped(service: Service) -> Iterator[tuple[str, bytes]]:
    url = service.environment["DATABASE_URL"].replace("+psycopg", "")
    if not url.startswith("sqlite"):
        yield "pg_dump", subprocess.run(["pg_dump", url], capture_output=True, check=True).stdout
