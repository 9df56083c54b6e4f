"""PostgreSQL that fails over: servers under Patroni, each on a host of its own, and the etcd by which they agree.

Needs root, iproute2, and Debian's `patroni` and `etcd-server`. Patroni runs under Debian's Python, in an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.support import servers
from tests.support.network.hosts import Host, hosts
from tests.support.service import end, eventually

PATRONI = Path("/usr/bin/patroni")

PORT, API_PORT, ETCD_PORT, PEER_PORT = 5432, 8008, 2379, 2380

#: A primary that has not renewed its lock for `ttl` seconds is replaced. It renews it every `loop_wait`.
TIMES = {"ttl": 8, "loop_wait": 1, "retry_timeout": 3}

START_SECONDS = 60

#: Nothing of the tests' environment: Debian's Python would look for packages in ours.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


class NoPatroni(Exception):
    """No cluster can be had. The message says why."""


@dataclass
class Member:
    """A PostgreSQL server and the Patroni that looks after it."""

    host: Host
    #: Of this member alone; Patroni's settings are in `patroni.json`.
    folder: Path

    def start(self) -> None:
        """Start Patroni, which starts the server, or takes over one that runs."""
        user = servers._server_user()
        command = ["ip", "netns", "exec", self.host.name, "setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--"]
        command += [str(PATRONI), str(self.folder / "patroni.json")]
        with (self.folder / "patroni.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=ENVIRONMENT, stdout=log, stderr=log, cwd=self.folder)

    def leads(self) -> bool:
        return self._answers("primary")

    def follows(self, *, synchronous: bool) -> bool:
        """Whether it is a replica that may be promoted; in a synchronous cluster the one that commits wait for."""
        return self._answers("synchronous" if synchronous else "replica")

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement here, whether it is the primary or not, and whether its cable is pulled or not."""
        with psycopg.connect(f"postgresql://standing@/{database}?host={self.folder}", autocommit=True) as session:
            found = session.execute(statement.encode())
            return found.fetchall() if found.description else []

    def heal(self) -> None:
        """End the server, plug the cable in, and start Patroni, which makes the server a standby of whichever leads.

        A Patroni that starts beside a former primary that runs has it forget `synchronous_standby_names` before it ends it: commits that
        hang there are answered then, and lost."""
        self._end_server()
        self.host.repair()
        self.start()

    def lose_patroni(self) -> None:
        """Kill Patroni alone. Nobody ends the server then: a primary that is cut off stays one."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """End both at once."""
        self.lose_patroni()
        self._end_server()

    def _end_server(self) -> None:
        file = self.folder / "data" / "postmaster.pid"
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int(file.read_text().splitlines()[0]), signal.SIGQUIT)
            eventually(lambda: not file.exists(), "the server to end")

    def _answers(self, role: str) -> bool:
        """Whether Patroni says that it has a role: it answers 200 then, else 503."""
        try:
            with urllib.request.urlopen(f"http://{self.host.address}:{API_PORT}/{role}", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@dataclass
class Cluster:
    """Its members, in the order of their hosts."""

    members: list[Member]

    def leader(self) -> Member | None:
        return next((member for member in self.members if member.leads()), None)

    @property
    def url(self) -> str:
        """The URL of the database; it names every member, and asks for the one that can be written."""
        named = ",".join(f"{member.host.address}:{PORT}" for member in self.members)
        return f"postgresql://standing@{named}/standing?target_session_attrs=read-write"

    @property
    def settings(self) -> dict[str, str]:
        return {"DATABASE_URL": self.url}

    def cut_off_the_primary(self) -> tuple[Member, Member]:
        """Pull the primary's cable, and kill its Patroni, so that nothing ends the server. Once another member leads, return both."""
        former = eventually(self.leader, "a primary")
        former.lose_patroni()
        former.host.cut()
        promoted = eventually(lambda: next((one for one in self.members if one is not former and one.leads()), None), "another")
        return former, promoted


@contextmanager
def pair() -> Iterator[Cluster]:
    """A primary and a synchronous standby. Raises NoHosts and NoPatroni."""
    with hosts(2) as (network, here, machines), patroni(machines, here, network) as cluster:
        yield cluster


@contextmanager
def patroni(machines: list[Host], here: str, network: str, *, synchronous: bool = True) -> Iterator[Cluster]:
    """A cluster with a member on each host, and a database with the tables: ready, and thrown away at the end. Raises NoPatroni."""
    _ensure_programs()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="standing-patroni-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        stack.callback(end, _etcd(folder, here))
        cluster = Cluster([])
        for host in machines:
            member = _member(host, folder / host.name, _settings(host, folder / host.name, here, network, synchronous=synchronous))
            member.start()
            stack.callback(member.end)
            cluster.members.append(member)
            # The first becomes the primary, of which the others are copies.
            eventually(cluster.leader, "a primary", seconds=START_SECONDS)
        eventually(
            lambda: all(one.leads() or one.follows(synchronous=synchronous) for one in cluster.members),
            "the standbys",
            seconds=START_SECONDS,
        )
        cluster.members[0].execute("CREATE DATABASE standing")
        servers.migrate(f"postgresql://standing@{machines[0].address}:{PORT}/standing")
        yield cluster


def _ensure_programs() -> None:
    missing = [name for name in ("etcd", "setpriv") if shutil.which(name) is None]
    missing += [] if PATRONI.exists() else ["patroni"]
    if missing or servers._programs() is None:
        raise NoPatroni(f"no {', '.join(missing) or 'PostgreSQL'} on this machine")


def _etcd(folder: Path, here: str) -> subprocess.Popen[bytes]:
    clients, peers = f"http://{here}:{ETCD_PORT}", f"http://{here}:{PEER_PORT}"
    options = {
        "name": "one", "data-dir": str(folder / "etcd"), "listen-client-urls": clients, "advertise-client-urls": clients,
        "listen-peer-urls": peers, "initial-advertise-peer-urls": peers, "initial-cluster": f"one={peers}",
    }  # fmt: skip
    command = ["etcd", *(f"--{name}={value}" for name, value in options.items())]
    with (folder / "etcd.log").open("wb") as log:
        return subprocess.Popen(command, env=ENVIRONMENT, stdout=log, stderr=log)


def _member(host: Host, folder: Path, settings: dict[str, Any]) -> Member:
    folder.mkdir()
    (folder / "patroni.json").write_text(json.dumps(settings))
    shutil.chown(folder, servers._server_user())
    return Member(host, folder)


def _settings(host: Host, folder: Path, here: str, network: str, *, synchronous: bool) -> dict[str, Any]:
    login = {"username": "standing", "password": "unused"}
    rules = [f"{kind} all standing {place} trust" for kind, place in (("local", ""), ("host", network))]
    rules += [f"host replication standing {network} trust"]
    return {
        "scope": "standing",
        "name": host.name,
        "restapi": {"listen": f"{host.address}:{API_PORT}", "connect_address": f"{host.address}:{API_PORT}"},
        "etcd3": {"hosts": [f"{here}:{ETCD_PORT}"]},
        "bootstrap": {
            "dcs": TIMES | {
                "maximum_lag_on_failover": 1024**3, "synchronous_mode": synchronous,
                "postgresql": {"use_pg_rewind": True, "parameters": {"wal_log_hints": "on", "max_connections": 100}},
            },
            "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "no-sync"],
        },
        "postgresql": {
            "listen": f"{host.address}:{PORT}",
            "connect_address": f"{host.address}:{PORT}",
            "data_dir": str(folder / "data"),
            "bin_dir": str(servers._programs()),
            "pgpass": str(folder / "pgpass"),
            "authentication": {"superuser": login, "replication": login, "rewind": login},
            "pg_hba": rules,
            "parameters": {"unix_socket_directories": str(folder)},
        },
        "watchdog": {"mode": "off"},
    }  # fmt: skip
