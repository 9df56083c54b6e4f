"""Several hosts of PostgreSQL, as providers write them in a URL: the primary is found, and found again after a failover."""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import structlog
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

from receiver.monitoring.findings.hosts import of_database
from store.database import engine_of, hosts
from store.database.sessions import cause
from store.text import database_urls
from tests.support import servers
from tests.support.network.certificates import Authority
from tests.support.outages import programs, standbys
from tests.support.outages.standbys import Pair
from tests.support.servers import NoPostgres, Postgres, _server_user
from tests.support.service import eventually, free_port

#: Whatever has a meaning in a URL.
PASSWORD = "p@ss,w:rd/?#[é% "


@pytest.fixture(scope="module")
def mirrored() -> Iterator[Pair]:
    try:
        with standbys.pair() as found:
            yield found
    except NoPostgres as missing:
        programs.skip(missing)


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    with tempfile.TemporaryDirectory(prefix="standing-ca-") as folder:
        Path(folder).chmod(0o755)  # The server is another user's.
        yield Authority(Path(folder))


@pytest.fixture(scope="module")
def secured(authority: Authority) -> Iterator[Postgres]:
    """A server that wants TLS and a password, or a certificate of `certified`."""
    try:
        with servers.throwaway_cluster(durable=False) as server:
            assert server.data
            server.execute("CREATE ROLE certified LOGIN")
            server.execute(f"CREATE ROLE secretive LOGIN PASSWORD '{PASSWORD}'")
            mine = authority.sign("database", "localhost")
            for file in (mine.file, mine.key):
                shutil.chown(file, _server_user())
            server.execute(f"ALTER SYSTEM SET ssl_cert_file = '{mine.file}'")
            server.execute(f"ALTER SYSTEM SET ssl_key_file = '{mine.key}'")
            server.execute(f"ALTER SYSTEM SET ssl_ca_file = '{authority.ca}'")
            server.execute("ALTER SYSTEM SET ssl = on")
            rules = ["local all all trust", "hostssl all secretive all scram-sha-256", "hostssl all certified all cert"]
            (server.data / "pg_hba.conf").write_text("\n".join(rules) + "\n")
            standbys.listen(server, free_port())
            yield server
    except NoPostgres as missing:
        programs.skip(missing)


def port(server: Postgres) -> int:
    found = make_url(server.url).port
    assert found
    return found


def asked(url: str, what: str = "SHOW port") -> str:
    with pool(url) as made, made.connect() as connection:
        return str(connection.execute(text(what)).scalar_one())


@contextmanager
def pool(url: str) -> Iterator[Engine]:
    given = database_urls.for_sqlalchemy(url)
    assert database_urls.fault(given) is None
    made = engine_of(make_url(given))
    try:
        yield made
    finally:
        made.dispose()


@pytest.mark.parametrize(
    "form",
    [
        "postgresql://standing@127.0.0.1:{standby},127.0.0.1:{primary}/postgres?target_session_attrs=read-write",
        "postgres://standing@127.0.0.1:{standby},127.0.0.1:{primary}/postgres",
        "postgresql://standing@/postgres?host=127.0.0.1:{standby}&host=127.0.0.1:{primary}",
        "postgresql+psycopg://standing@/postgres?host=127.0.0.1,127.0.0.1&port={standby},{primary}&target_session_attrs=primary",
        "postgresql://standing@{nowhere}.invalid,127.0.0.1:{primary}/postgres?connect_timeout=3",
        "postgresql://standing@{socket},127.0.0.1:{standby}/postgres?application_name=standing",
    ],
)
def test_the_primary_is_found_however_the_hosts_are_written(form: str, mirrored: Pair) -> None:
    assert mirrored.primary.data
    url = form.format(
        primary=port(mirrored.primary),
        standby=port(mirrored.standby),
        nowhere="no-host",
        socket=f"{quote(str(mirrored.primary.data.parent), safe='')}:{port(mirrored.primary)}",
    )
    assert asked(url) == str(port(mirrored.primary))


def test_a_standby_is_used_where_the_url_says_so(mirrored: Pair) -> None:
    assert asked(mirrored.url("postgres", target_session_attrs="standby")) == str(port(mirrored.standby))


def test_each_host_is_told_with_what_it_is(mirrored: Pair) -> None:
    url = make_url(database_urls.for_sqlalchemy(mirrored.url("postgres").replace(",", f",127.0.0.1:{free_port()},")))
    assert [(role.is_primary, role.outage) for role in hosts.look(url, 2)] == [(True, ""), (False, "connection refused"), (False, "")]


def test_two_ways_to_one_primary_are_no_two_primaries(mirrored: Pair) -> None:
    ways = f"postgresql://standing@127.0.0.1:{port(mirrored.primary)},localhost:{port(mirrored.primary)}/postgres"
    found = list(of_database(database_urls.for_sqlalchemy(ways)))
    assert [finding.verdict for finding in found] == ["ok", "ok"]


def test_two_primaries_are_found() -> None:
    with ExitStack() as stack:
        try:
            pair = stack.enter_context(standbys.pair())
        except NoPostgres as missing:
            programs.skip(missing)
        pair.standby.promote()
        found = list(of_database(database_urls.for_sqlalchemy(pair.url("postgres"))))
        assert [finding.verdict for finding in found] == ["ok", "ok", "wrong"]


def test_no_primary_among_the_hosts_is_told_as_such(mirrored: Pair) -> None:
    url = f"postgresql://standing@127.0.0.1:{port(mirrored.standby)},127.0.0.1:{free_port()}/postgres"
    with pytest.raises(OperationalError) as raised:
        asked(url)
    assert cause(raised.value) == "no host that answers is a primary"


def test_a_host_that_hangs_delays_the_first_connection_alone(mirrored: Pair) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        taken: list[socket.socket] = []
        threading.Thread(target=lambda: [taken.append(silent.accept()[0]) for _ in range(9)], daemon=True).start()
        url = f"postgresql://standing@127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{port(mirrored.primary)}/postgres"
        with pool(url) as made:
            held = [made.connect() for _ in range(4)]
            for connection in held:
                connection.close()
        assert len(taken) == 1
        for connection in taken:
            connection.close()


def test_tls_is_verified_to_the_host_with_a_ca_of_ones_own(secured: Postgres, authority: Authority, tmp_path: Path) -> None:
    url = f"postgresql://secretive:{quote(PASSWORD, safe='')}@localhost:{port(secured)}/postgres?sslmode=verify-full"
    assert asked(f"{url}&sslrootcert={authority.ca}", "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == "true"
    another = Authority(tmp_path, "another")
    for wrong, says in (
        (f"{url}&sslrootcert={another.ca}", "no CA that is known here has signed the server's certificate"),
        (f"{url}&sslrootcert={authority.ca}".replace("localhost", "127.0.0.1"), "the server's certificate is for another host"),
        (f"{url}&sslrootcert={authority.ca}".replace(":p%40", ":q%40"), "password authentication failed"),
    ):
        with pytest.raises(OperationalError) as raised:
            asked(wrong)
        assert cause(raised.value).endswith(says)


def test_a_certificate_of_the_client_takes_the_place_of_a_password(secured: Postgres, authority: Authority) -> None:
    mine = authority.sign("certified")
    url = f"postgresql://certified@localhost:{port(secured)}/postgres?sslmode=verify-full&sslrootcert={authority.ca}"
    assert asked(f"{url}&sslcert={mine.file}&sslkey={mine.key}", "SELECT current_user::text") == "certified"
    mine.key.chmod(0o644)
    with pytest.raises(OperationalError) as raised:
        asked(f"{url}&sslcert={mine.file}&sslkey={mine.key}")
    assert cause(raised.value) == "the file that sslkey names may be read by others"


def test_a_pool_leaves_a_standby_and_finds_the_primary_after_a_failover() -> None:
    with ExitStack() as stack:
        try:
            pair = stack.enter_context(standbys.pair())
        except NoPostgres as missing:
            programs.skip(missing)
        logged = stack.enter_context(structlog.testing.capture_logs())
        follower, made = stack.enter_context(pool(pair.standby.url)), stack.enter_context(pool(pair.url("postgres")))
        with pytest.raises(DBAPIError) as raised, follower.begin() as connection:
            connection.execute(text("CREATE TABLE refused (number int)"))
        assert raised.value.connection_invalidated
        with made.begin() as connection:
            connection.execute(text("CREATE TABLE written (number int)"))
        pair.fail_over()
        eventually(lambda: writes(made), "a write to the next primary")
        with made.connect() as connection:
            assert connection.execute(text("SHOW port")).scalar_one() == str(port(pair.standby))
        with follower.begin() as connection:
            connection.execute(text("CREATE TABLE accepted (number int)"))
        used = [line["host"] for line in logged if line["event"] == "the database's host"]
        assert used == [f"127.0.0.1:{port(pair.primary)}", f"127.0.0.1:{port(pair.standby)}"]


def test_what_waits_for_a_former_primary_that_hangs_is_ended_and_its_idle_connections_are_not_used() -> None:
    """Many connections are open when the primary hangs with its sockets open, and the standby is promoted."""
    with ExitStack() as stack:
        try:
            pair = stack.enter_context(standbys.pair())
        except NoPostgres as missing:
            programs.skip(missing)
        # So slow is the look for another host that the next look is due once it is over.
        made = stack.enter_context(pool(pair.url("postgres", connect_timeout="4")))
        with made.begin() as connection:
            connection.execute(text("CREATE TABLE written (number int)"))
        for idle in [made.connect() for _ in range(10)]:
            idle.close()
        threads = stack.enter_context(ThreadPoolExecutor(2))
        pair.primary.signal_all(signal.SIGSTOP)
        stack.callback(power_off, pair.primary)
        hanging = threads.submit(writes, made)
        pair.standby.promote()
        time.sleep(hosts.LONG_SECONDS + 0.5)
        assert threads.submit(writes, made).result(timeout=60)
        assert hanging.result(timeout=60) is False
        assert all(threads.submit(writes, made).result(timeout=60) for _ in range(12))


def test_callers_that_all_wait_for_a_former_primary_that_hangs_are_ended_although_nobody_else_comes() -> None:
    """As in a worker, whose few threads all wait: none is left that would look for another host."""
    with ExitStack() as stack:
        try:
            pair = stack.enter_context(standbys.pair())
        except NoPostgres as missing:
            programs.skip(missing)
        made = stack.enter_context(pool(pair.url("postgres")))
        with made.begin() as connection:
            connection.execute(text("CREATE TABLE written (number int)"))
        for idle in [made.connect() for _ in range(3)]:
            idle.close()
        threads = stack.enter_context(ThreadPoolExecutor(3))
        stack.callback(power_off, pair.primary)
        pair.primary.signal_all(signal.SIGSTOP)
        hanging = [threads.submit(writes, made) for _ in range(3)]
        pair.standby.promote()
        assert [one.result(timeout=30) for one in hanging] == [False] * 3
        assert writes(made)


def test_a_primary_that_takes_no_writes_for_now_keeps_its_connections(mirrored: Pair) -> None:
    with pool(mirrored.url("postgres", target_session_attrs="primary")) as made:
        with pytest.raises(DBAPIError) as raised, made.begin() as connection:
            connection.execute(text("SET TRANSACTION READ ONLY"))
            connection.execute(text("CREATE TABLE refused (number int)"))
        assert not raised.value.connection_invalidated


def power_off(server: Postgres) -> None:
    """End a server that may be stopped."""
    server.signal_all(signal.SIGCONT)
    server.stop()


def writes(made: Engine) -> bool:
    try:
        with made.begin() as connection:
            connection.execute(text("INSERT INTO written VALUES (1)"))
        return True
    except DBAPIError:
        return False
