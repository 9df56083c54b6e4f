"""A Redis and its replica, watched by three Sentinels that replace the primary within seconds."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis, RedisError

from tests.support.network.certificates import Authority
from tests.support.service import end, eventually, free_port

SERVICE = "standing-queue"

#: A server that is silent for so long is taken for dead: longer than a busy machine lets one wait.
SILENT_MILLISECONDS = 4000

#: The user of the service, with all that it needs and no more: docs/databases.md names the same rights.
RIGHTS = (
    "~standing:* ~rq:* &rq:* -@all +@hash +@list +@set +@sortedset +@string +@transaction +@pubsub +@connection +@keyspace"
    " -@dangerous +info +client|list"
)
USER, PASSWORD, SENTINELS_PASSWORD = "standing", "p@ss,w:rd/", "watch&me"


class NoRedis(Exception):
    """There is no Redis on this machine. The message says so."""


@dataclass
class Server:
    """A server or a Sentinel, by its configuration."""

    folder: Path
    port: int
    #: How a test connects, who may do everything.
    options: dict[str, Any]
    _process: subprocess.Popen[bytes] | None = None

    def start(self, lines: list[str], *, sentinel: bool = False) -> None:
        configuration = self.folder / f"{self.port}.conf"
        (data := self.folder / str(self.port)).mkdir()
        configuration.write_text("\n".join(["bind 127.0.0.1", f"dir {data}", 'save ""', *lines]) + "\n")
        command = [str(_program()), str(configuration), *(["--sentinel"] if sentinel else [])]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: self.info("server"), f"the server on port {self.port} to answer")

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        if self._process:
            end(self._process)

    def client(self) -> Redis:
        """A client that may do everything."""
        return Redis(host="127.0.0.1", port=self.port, decode_responses=True, retry=None, **self.options)

    def info(self, section: str) -> dict[str, Any]:
        """What it says about itself; nothing while it does not answer. A Sentinel that promotes it closes its connections."""
        with suppress(RedisError), self.client() as client:
            return dict(client.info(section))
        return {}


@dataclass
class Watched:
    """Two servers, the first of them the primary, and what watches them."""

    servers: list[Server] = field(default_factory=list)
    sentinels: list[Server] = field(default_factory=list)
    secured: str = ""

    def url(self, *, user: str = "standing:p%40ss%2Cw%3Ard%2F@") -> str:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        scheme, tls = ("rediss+sentinel", f"&{self.secured}") if self.secured else ("redis+sentinel", "")
        return f"{scheme}://{user}{hosts}/{SERVICE}/1?sentinel_password=watch%26me{tls}"

    @property
    def settings(self) -> dict[str, str]:
        """What a service needs that uses them."""
        return {"REDIS_URL": self.url()}

    def fail_over(self) -> None:
        """Kill the primary, and wait until the Sentinels have made the replica one."""
        self.servers[0].kill()
        eventually(lambda: self.servers[1].info("replication").get("role") == "master", "the replica to be promoted")


@contextmanager
def watched(authority: Authority | None = None) -> Iterator[Watched]:
    """Two servers and three Sentinels, with passwords; over TLS with a certificate of an authority, if there is one. Raises NoRedis."""
    if _program() is None:
        raise NoRedis("no redis-server and no valkey-server")
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="standing-rd-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        certificate = authority.sign("queue", "127.0.0.1") if authority else None
        tls = {"ssl": True, "ssl_ca_certs": str(authority.ca)} if authority else {}
        made = Watched(secured=f"ssl_ca_certs={authority.ca}" if authority else "")
        common = [
            f"tls-cert-file {certificate.file}", f"tls-key-file {certificate.key}", f"tls-ca-cert-file {authority.ca}",
            "tls-auth-clients no", "tls-replication yes", "port 0",
        ] if certificate and authority else []  # fmt: skip

        def start(lines: list[str], password: str, *, sentinel: bool = False) -> Server:
            port = free_port()
            server = Server(folder, port, {"password": password, **tls})
            stack.callback(server.end)
            listens = [*common, f"tls-port {port}"] if certificate else [f"port {port}"]
            server.start([*listens, f"requirepass {password}", *lines], sentinel=sentinel)
            return server

        for _ in range(2):
            follows = [f"replicaof 127.0.0.1 {made.servers[0].port}"] if made.servers else []
            rights = f"user {USER} on >{PASSWORD} {RIGHTS}"
            made.servers.append(start([rights, "masterauth all", "repl-diskless-sync-delay 0", *follows], "all"))
        watching = [
            f"sentinel monitor {SERVICE} 127.0.0.1 {made.servers[0].port} 2", f"sentinel auth-pass {SERVICE} all",
            f"sentinel down-after-milliseconds {SERVICE} {SILENT_MILLISECONDS}", f"sentinel failover-timeout {SERVICE} 3000",
            f"sentinel sentinel-pass {SENTINELS_PASSWORD}",
        ]  # fmt: skip
        for _ in range(3):
            made.sentinels.append(start(watching, SENTINELS_PASSWORD, sentinel=True))
        eventually(lambda: _is_whole(made), "the Sentinels to know the replica and one another")
        yield made


def _program() -> str | None:
    return shutil.which("redis-server") or shutil.which("valkey-server")


def _is_whole(found: Watched) -> bool:
    for sentinel in found.sentinels:
        with sentinel.client() as client:
            state = client.execute_command("SENTINEL MASTER", SERVICE)
            if int(state["num-slaves"]) < 1 or int(state["num-other-sentinels"]) < 2:
                return False
    return found.servers[1].info("replication").get("master_link_status") == "up"
