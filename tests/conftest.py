"""What tests stand on: a PostgreSQL and a Valkey of their own, a database for each test, a service that really runs."""

from __future__ import annotations

import base64
import itertools
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from handlers import config as handlers_config
from receiver import config as receiver_config
from store import database
from store.access import digests
from store.inbox import record, wakeup
from store.inbox.sealing import encryption
from store.inbox.spool.spool import host_spool
from store.privacy.restoring import gate
from tests.support import servers, warm
from tests.support.generated import samples
from tests.support.servers import NoPostgres, Postgres
from tests.support.service import INDEX_KEY, Service
from tests.support.warm import compiled

KEY = base64.b64encode(b"a key of 32 bytes for the tests!").decode()

#: Small, so that a body over the limit is soon sent.
BODY_BYTES_MAX = 4000

#: Services that many tests share, and none disturbs.
SHARED = (
    "running", "listening", "refusals", "from_files", "closed", "stocked", "started_cold", "played", "undisturbed",
    "proxied", "with_a_marked_body", "running_with_vendors", "desk", "attacked", "console", "browser", "watched",
    "built", "mirrored", "timed", "measured", "image",
)  # fmt: skip

#: The part of a run after which no journey starts.
JOURNEYS_END = 0.8

_parts = itertools.count(16)
_SHARED_POSTGRES = pytest.StashKey[str]()

# Python and pytest translate each test module once and not in each process of each run, wherever the environment forbids `__pycache__`.
sys.pycache_prefix, sys.dont_write_bytecode = str(Path(sys.prefix) / "compiled"), False

warm.install()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell has its background jobs ignore it, and what they start. Where it is handled, what is started has the default.
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: Why there is no PostgreSQL, by each process that looked for one.
_without_postgres: set[str] = set()


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Iterator[Postgres | None]:
    """The tests' PostgreSQL, one for all processes of a run; None where there is none, which the run says in its last lines."""
    shared = getattr(pytestconfig, "workerinput", {}).get("postgres")
    try:
        with nullcontext(Postgres(shared)) if shared else servers.postgres() as server:
            yield server
    except NoPostgres as missing:
        if os.environ.get("CI"):
            raise
        _without_postgres.add(str(missing))
        yield None


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The tests' Valkey, on a socket of its own."""
    with servers.valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest.fixture
def redis_url(valkey_url: str) -> str:
    """A part of the tests' Valkey that no other test's worker listens to: it would answer the bell, and look in its own inbox."""
    return f"{valkey_url}?db={next_part()}"


def next_part() -> int:
    """A part of the tests' Valkey for one service. No other gets it: shared services live on. Tests name some of the first themselves."""
    return next(_parts)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def running(request: pytest.FixtureRequest, valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service on each database, for tests that use applicants of their own and do not disturb one another."""
    folder = tmp_path_factory.mktemp("running")
    with empty_database(request, folder) as url:
        queue = f"{valkey_url}?db={int(request.param == 'sqlite')}"
        settings = {"DATABASE_URL": url, "REDIS_URL": queue, "ENCRYPTION_KEYS": KEY, "MAX_BODY_BYTES": str(BODY_BYTES_MAX)}
        with Service(folder, settings) as service:
            yield service


@contextmanager
def empty_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """An empty database of the kind that is asked for, with the tables."""
    if request.param == "sqlite":
        path = folder / "standing.sqlite3"
        shutil.copyfile(request.getfixturevalue("migrated_sqlite"), path)
        yield f"sqlite:///{path}"
        return
    server: Postgres | None = request.getfixturevalue("postgres")
    if server is None:
        pytest.skip("no PostgreSQL")
    with server.database() as url:
        yield url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the tables and nothing in them, to be copied."""
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    servers.migrate(f"sqlite:///{path}")
    path.chmod(0o400)  # Whoever writes into it changes every later test. Root may all the same.
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind, with the tables."""
    with empty_database(request, tmp_path) as url:
        yield url


@pytest.fixture
def kept(database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """This process, configured for an empty database: the store can be used directly. Gives the database's URL."""
    for name in list(os.environ):
        if name.endswith(("_SECRETS", "_TOKENS", "_FILE")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("ENCRYPTION_KEYS", KEY)
    monkeypatch.setenv("INDEX_KEY", INDEX_KEY)
    # The disk is shared with other tests. How long a delivery, or a lock, may wait is tried where it is promised: over HTTP.
    monkeypatch.setattr(record, "RECORD_SECONDS", 15.0)
    monkeypatch.setattr(database.engine.patience, "seconds", 6.0)
    monkeypatch.setattr(database.engine, "engine_of", lambda url: compiled.share(database.engine_of(url)))
    forget()
    yield database_url
    forget()


@pytest.fixture
def service(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Service]:
    """A web process and a worker that really run, on an empty database, with a Valkey of the tests'."""
    with Service(tmp_path, {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}) as running:
        yield running


def forget() -> None:
    """Let go of everything that was read from the environment."""
    database.forget()
    receiver_config.settings.cache_clear()
    handlers_config.settings.cache_clear()
    wakeup._redis.cache_clear()
    encryption.keyring.cache_clear()
    digests._key.cache_clear()
    gate.forget()
    host_spool.cache_clear()


# how much is tried ----------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="try all, on both databases; without it, a part that changes with every commit")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--long"):
        samples.try_all()


# several processes (pytest-xdist) -------------------------------------------------------------------------------


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run most journeys on one database, give all tests that share a service to one process, and spread the tests that wait."""
    twins = samples.left_out(items) if servers.has_postgres() else []
    if twins:
        config.hook.pytest_deselected(items=twins)
        items[:] = [item for item in items if item not in set(twins)]
    if _is_one_of_several(config):
        for item in items:
            _join_its_group(item)
        _spread(items)


def _join_its_group(item: pytest.Item) -> None:
    """Name the service that a test shares with others in the test's id, where xdist's scheduler looks for a group.

    The mark `xdist_group` would do the same, but with pytest 9.2 it does nothing: pytest-dev/pytest-xdist#1386.
    """
    shared = next((name for name in SHARED if name in getattr(item, "fixturenames", ())), None)
    if shared:
        parameter = item.callspec.params.get(shared, "") if hasattr(item, "callspec") else ""
        item._id = type(item._id).parse(f"{item.nodeid}@{shared}-{parameter}")
        assert item.nodeid.endswith(f"@{shared}-{parameter}")


def _spread(items: list[pytest.Item]) -> None:
    """Have journeys, which wait for processes, and other tests, which compute, run beside one another; the last are quick ones."""
    place: dict[pytest.Item, float] = {}
    for waits, end in ((True, JOURNEYS_END), (False, 1.0)):
        kind = [item for item in items if ("journeys" in item.path.parts) is waits]
        place |= {item: end * number / len(kind) for number, item in enumerate(kind)}
    items.sort(key=place.__getitem__)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Start the PostgreSQL of the run with the first of its processes, and tell each where it is."""
    config = node.config
    if _SHARED_POSTGRES not in config.stash:
        config.stash[_SHARED_POSTGRES] = ""
        with suppress(NoPostgres):
            servers_of_run = ExitStack()
            config.stash[_SHARED_POSTGRES] = servers_of_run.enter_context(servers.postgres()).url
            config.add_cleanup(servers_of_run.close)
    node.workerinput["postgres"] = config.stash[_SHARED_POSTGRES]


def pytest_sessionfinish(session: pytest.Session) -> None:
    warm.uninstall()
    if _is_one_of_several(session.config):
        session.config.workeroutput["without_postgres"] = sorted(_without_postgres)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    # One that crashed has left nothing.
    _without_postgres.update(getattr(node, "workeroutput", {}).get("without_postgres", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(samples.told())
    for reason in sorted(_without_postgres):
        terminalreporter.write_line(f"NOT TESTED ON POSTGRESQL: {reason}", red=True, bold=True)


def _is_one_of_several(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")
