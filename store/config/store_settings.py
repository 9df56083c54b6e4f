"""The store's settings."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from store.config import base64_keys, log_settings, privacy_settings
from store.config.log_settings import LogSettings
from store.config.privacy_settings import PrivacySettings
from store.system.environment import Environment, secrets_dir
from store.text import database_urls, queue_urls
from store.text.hints import typed

#: A Unix socket's path must fit into sockaddr_un; macOS allows the least.
SOCKET_PATH_BYTES_MAX = 103

#: What a spool may hold by default: a day of 10 deliveries a second of about 1.2 kB.
SPOOL_BYTES_MAX = 1024 * 1024 * 1024


def database_pooler(environment: Environment | None = None) -> str:
    """Return what stands between this process and PostgreSQL: `none`, or a pooler in `transaction` mode."""
    environment = environment or Environment()
    text = environment.text("DATABASE_POOLER", "none")
    if text not in ("none", "transaction"):
        environment.wrong("DATABASE_POOLER", "must be none or transaction")
    return text


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The store's settings."""

    database_url: str
    database_pooler: str
    redis_url: str
    var_dir: Path
    #: The socket on which the relay takes images from the web processes of its host.
    relay_socket: Path
    encryption_keys: tuple[bytes, ...]
    #: Where deliveries are kept while the database is unavailable; None: they are refused.
    spool_dir: Path | None
    spool_bytes_max: int
    #: How long an applicant may be in review without a word before somebody should look at it.
    review_max: timedelta
    #: Whether every decision takes two operators, or only an approval against a hit or an alert.
    all_take_two: bool
    #: Whether the audit log records plain look-ups of applicants, persons and events, too.
    audit_reads: bool
    privacy: PrivacySettings
    log: LogSettings


def read(environment: Environment) -> Settings:
    """Return the store's settings. The environment collects what is wrong with them."""
    keys = encryption_keys(environment)
    if not keys and not any(problem.startswith("ENCRYPTION_KEYS") for problem in environment.problems):
        kept = f"`{typed('up')}` keeps one in {secrets_dir(environment.var_dir)}"
        environment.wrong("ENCRYPTION_KEYS", f"is missing: base64 of 32 random bytes each, newest first ({kept})")
    return Settings(
        database_url=_database_url(environment),
        database_pooler=database_pooler(environment),
        redis_url=_redis_url(environment),
        var_dir=environment.var_dir,
        relay_socket=_relay_socket(environment),
        encryption_keys=keys,
        spool_dir=_spool_dir(environment),
        spool_bytes_max=environment.number("SPOOL_BYTES_MAX", SPOOL_BYTES_MAX, most=2**50),
        review_max=timedelta(hours=environment.number("REVIEW_HOURS_MAX", 72, most=100_000)),
        all_take_two=_all_take_two(environment),
        audit_reads=environment.yes_or_no("AUDIT_READS"),
        privacy=privacy_settings.read(environment),
        log=log_settings.read(environment),
    )


def encryption_keys(environment: Environment) -> tuple[bytes, ...]:
    """Return the keys for data at rest, newest first."""
    return environment.each("ENCRYPTION_KEYS", base64_keys.parsed)


def encryption_keys_now() -> tuple[bytes, ...]:
    """Return the keys for data at rest as the files say now; none if anything is wrong with them."""
    environment = Environment()
    keys = encryption_keys(environment)
    return () if environment.problems else keys


def generated_keys() -> Path | None:
    """Return the file of Standing's own keys for data at rest; None if the keys are given from outside.

    Keys that an older version generated, of which somebody may hold the only good copy, are Standing's own once KEY_DAYS is set."""
    environment = Environment()
    file = environment.generated("ENCRYPTION_KEYS")
    return file if file and (environment.text("KEY_DAYS") or own_keys_mark(environment).is_file()) else None


def own_keys_mark(environment: Environment) -> Path:
    """Return the file that says that Standing replaces the keys beside it."""
    return secrets_dir(environment.var_dir) / "ENCRYPTION_KEYS.replaced-by-standing"


@cache
def settings() -> Settings:
    """Return the store's settings, read once in a process. Raises Misconfigured."""
    environment = Environment()
    found = read(environment)
    environment.check()
    return found


def registered() -> Iterator[Callable[[Environment], object]]:
    """Yield the functions with which other packages read their settings. A broken package is left out, and reports itself."""
    for entry in entry_points(group="standing.settings"):
        try:
            yield entry.load()
        except Exception:  # noqa: S112 - whatever is broken in one package must not keep the others from starting
            continue


def up_lock(var_dir: Path) -> Path:
    """Return the file that `standing up` holds locked while it runs."""
    return var_dir / "run" / "up.lock"


def embedded_socket(var_dir: Path) -> Path:
    """Return the socket of the embedded Valkey: in VAR_DIR, or in the temporary folder if that path is too long."""
    return _socket(var_dir, var_dir / "run" / "valkey.sock")


def _relay_socket(environment: Environment) -> Path:
    given = environment.text("RELAY_SOCKET")
    if not given:
        return _socket(environment.var_dir, environment.var_dir / "relay.sock")
    path = Path(given).absolute()
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
        environment.wrong("RELAY_SOCKET", f"is longer than {SOCKET_PATH_BYTES_MAX} bytes, which a socket's path cannot be")
    return path


def _socket(var_dir: Path, wanted: Path) -> Path:
    """Return the path of a socket of VAR_DIR; one in the temporary folder if the wanted one is too long."""
    if len(os.fsencode(wanted)) <= SOCKET_PATH_BYTES_MAX:
        return wanted
    name = hashlib.sha256(os.fsencode(var_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"standing-{os.getuid()}-{name}" / wanted.name


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
    """Return the bytes of a secret in the form of Standard Webhooks: `whsec_` and base64. Raises ValueError."""
    try:
        secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("is not whsec_ and base64") from error
    if not text.startswith("whsec_") or not secret:
        raise ValueError("is not whsec_ and base64")
    return secret


def _database_url(environment: Environment) -> str:
    given = environment.text("DATABASE_URL", database_urls.of_sqlite(environment.var_dir / "standing.sqlite3"))
    text = database_urls.for_sqlalchemy(given)
    if fault := database_urls.fault(text):
        environment.wrong("DATABASE_URL", fault)
    return text


def _redis_url(environment: Environment) -> str:
    text = environment.text("REDIS_URL")
    if not text:
        return queue_urls.of_socket(embedded_socket(environment.var_dir))
    if fault := queue_urls.fault(text):
        environment.wrong("REDIS_URL", fault)
    return text
