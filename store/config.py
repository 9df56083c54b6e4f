"""What this process is told from outside: reading settings, and those of the store itself.

A setting comes from the environment (`NAME`), from a file the environment names (`NAME_FILE`), or from what
`./dev up` made and keeps in `VAR_DIR/secrets/NAME`, in this order. All that is wrong is told in one error.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeVar

from store.system import service_urls

T = TypeVar("T")

#: A Unix socket's path must fit into sockaddr_un; macOS allows the least.
SOCKET_PATH_BYTES_MAX = 103

#: What a spool may hold unless told otherwise: a day of 10 deliveries a second of about 1.2 kB.
SPOOL_BYTES_MAX = 1024 * 1024 * 1024


class Misconfigured(Exception):
    """The settings cannot be right. The message names each that is wrong, and never its value."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("These settings are missing or wrong:\n" + "\n".join(f"  {problem}" for problem in problems))


class Environment:
    """Reads settings one by one, and remembers what is wrong with them until `check()` tells it whole."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = os.environ if variables is None else variables
        self.problems: list[str] = []
        self.var_dir = self._var_dir()

    def wrong(self, name: str, what: str) -> None:
        problem = f"{name} {what}"
        if problem not in self.problems:
            self.problems.append(problem)

    def check(self) -> None:
        """Raise Misconfigured if anything read so far was wrong."""
        if self.problems:
            raise Misconfigured(self.problems)

    def text(self, name: str, default: str = "") -> str:
        """A single value, stripped."""
        return (self._given(name) or self._from_file(name) or default).strip()

    def items(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list: separated by commas in the environment, one entry a line in a file."""
        given = self._given(name)
        entries = given.split(",") if given else self._from_file(name).splitlines()
        found = tuple(entry.strip() for entry in entries if entry.strip())
        if not found and self.source(name) and not any(problem.startswith(name) for problem in self.problems):
            self.wrong(name, "is given and names nothing")
        return found or default

    def number(self, name: str, default: int, *, least: int = 1, most: int = 10**9) -> int:
        """A whole number."""
        text = self.text(name)
        if not text:
            return default
        if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
            self.wrong(name, f"must be a whole number from {least} to {most}")
            return default
        return int(text)

    def each(self, name: str, parse: Callable[[str], T], entries: tuple[str, ...] | None = None) -> tuple[T, ...]:
        """A list whose entries `parse` turns into values; its ValueError says what is wrong with one."""
        values = []
        for position, entry in enumerate(self.items(name) if entries is None else entries, start=1):
            try:
                values.append(parse(entry))
            except ValueError as error:
                self.wrong(name, f"(entry {position}) {error}")
        return tuple(values)

    def source(self, name: str) -> str | None:
        """Where a setting comes from, in words; None if it is not set."""
        if self._given(name):
            return "environment"
        if self._variables.get(f"{name}_FILE"):
            return f"file named by {name}_FILE"
        return f"file {self._made(name)}" if self._made(name).is_file() else None

    def _var_dir(self) -> Path:
        named = self._variables.get("VAR_DIR_FILE")
        given = self._read("VAR_DIR_FILE", Path(named)).strip() if named else self._given("VAR_DIR")
        return Path(given or "var").absolute()

    def _given(self, name: str) -> str:
        value = self._variables.get(name, "")
        if value and self._variables.get(f"{name}_FILE"):
            self.wrong(name, f"and {name}_FILE are both set; set one")
        return value

    def _from_file(self, name: str) -> str:
        named = self._variables.get(f"{name}_FILE")
        if not named and not self._made(name).is_file():
            return ""
        return self._read(f"{name}_FILE" if named else name, Path(named) if named else self._made(name))

    def _read(self, name: str, path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            self.wrong(name, f"names a file that cannot be read ({type(error).__name__})")
            return ""

    def _made(self, name: str) -> Path:
        return secrets_dir(self.var_dir) / name


def database_pooler(environment: Environment | None = None) -> str:
    """What stands between this process and PostgreSQL: `none`, or a pooler in `transaction` mode."""
    environment = environment or Environment()
    text = environment.text("DATABASE_POOLER", "none")
    if text not in ("none", "transaction"):
        environment.wrong("DATABASE_POOLER", "must be none or transaction")
    return text


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The store's own settings."""

    database_url: str
    database_pooler: str
    redis_url: str
    var_dir: Path
    encryption_keys: tuple[bytes, ...]
    #: Where deliveries are kept while the database is away; None: nowhere, they are refused.
    spool_dir: Path | None
    spool_bytes_max: int
    #: How long an applicant may be in review without a word before somebody should look at it.
    review_max: timedelta
    #: Whether every decision takes two operators, or only an approval against a hit or an alert.
    all_take_two: bool


def read(environment: Environment) -> Settings:
    """The store's settings; what is wrong with them is remembered by the environment."""
    keys = encryption_keys(environment)
    if not keys and not any(problem.startswith("ENCRYPTION_KEYS") for problem in environment.problems):
        folder = secrets_dir(environment.var_dir)
        environment.wrong("ENCRYPTION_KEYS", f"is missing: base64 of 32 random bytes each, newest first (`./dev up` keeps one in {folder})")
    return Settings(
        database_url=_database_url(environment),
        database_pooler=database_pooler(environment),
        redis_url=_redis_url(environment),
        var_dir=environment.var_dir,
        encryption_keys=keys,
        spool_dir=_spool_dir(environment),
        spool_bytes_max=environment.number("SPOOL_BYTES_MAX", SPOOL_BYTES_MAX, most=2**50),
        review_max=timedelta(hours=environment.number("REVIEW_HOURS_MAX", 72, most=100_000)),
        all_take_two=_all_take_two(environment),
    )


def encryption_keys(environment: Environment) -> tuple[bytes, ...]:
    """The keys for data at rest, newest first."""
    return environment.each("ENCRYPTION_KEYS", _encryption_key)


@cache
def settings() -> Settings:
    """The store's settings, read once in a process. Raises Misconfigured."""
    environment = Environment()
    found = read(environment)
    environment.check()
    return found


def registered() -> Iterator[Callable[[Environment], object]]:
    """What other packages' processes read from the environment; one that is broken is left out, and tells so itself."""
    for entry in entry_points(group="standing.settings"):
        try:
            yield entry.load()
        except Exception:  # noqa: S112 - whatever is broken in one package must not keep the others from starting
            continue


def secrets_dir(var_dir: Path) -> Path:
    """Where `./dev up` keeps what it made of secrets, tokens and keys."""
    return var_dir / "secrets"


def up_lock(var_dir: Path) -> Path:
    """What `standing up` holds locked while it runs."""
    return var_dir / "run" / "up.lock"


def embedded_socket(var_dir: Path) -> Path:
    """Where the embedded Valkey listens: in VAR_DIR, or in the temporary folder if that path is too long for a socket."""
    socket = var_dir / "run" / "valkey.sock"
    if len(os.fsencode(socket)) <= SOCKET_PATH_BYTES_MAX:
        return socket
    name = hashlib.sha256(os.fsencode(var_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"standing-{os.getuid()}-{name}" / "valkey.sock"


def _all_take_two(environment: Environment) -> bool:
    given = environment.text("TWO_PERSONS", "approvals")
    if given not in ("approvals", "all"):
        environment.wrong("TWO_PERSONS", "must be approvals or all")
    return given == "all"


def _spool_dir(environment: Environment) -> Path | None:
    text = environment.text("SPOOL_DIR")
    if not text:
        return None
    folder = Path(text).absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        environment.wrong("SPOOL_DIR", f"cannot be made ({error.strerror})")
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        environment.wrong("SPOOL_DIR", "cannot be written")
    return folder


def signing_secret(text: str) -> bytes:
    """A secret in the form of Standard Webhooks: `whsec_` and base64. Raises ValueError."""
    try:
        secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("is not whsec_ and base64") from error
    if not text.startswith("whsec_") or not secret:
        raise ValueError("is not whsec_ and base64")
    return secret


def _encryption_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("is not base64") from error
    if len(key) != 32:
        raise ValueError("is not base64 of 32 bytes")
    return key


def _database_url(environment: Environment) -> str:
    given = environment.text("DATABASE_URL", f"sqlite:///{environment.var_dir / 'standing.sqlite3'}")
    text = service_urls.for_sqlalchemy(given)
    if fault := service_urls.database_fault(text):
        environment.wrong("DATABASE_URL", fault)
    return text


def _redis_url(environment: Environment) -> str:
    text = environment.text("REDIS_URL")
    if not text:
        return f"unix://{embedded_socket(environment.var_dir)}"
    if fault := service_urls.redis_fault(text):
        environment.wrong("REDIS_URL", fault)
    return text
