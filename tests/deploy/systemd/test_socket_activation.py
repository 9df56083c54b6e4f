"""Socket activation: the service manager holds the socket that listens, so that a restart refuses no connection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import KEY
from tests.deploy.systemd.manager import held_socket, start_with
from tests.journeys.operation.test_reload import OLD, traffic
from tests.support.service import Service, eventually

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def idle(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Service]:
    """A service of which nothing runs yet."""
    (tmp_path / "secrets").write_text(OLD)
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}
    service = Service(tmp_path, settings | {"IDNGO_SECRETS_FILE": str(tmp_path / "secrets")})
    del service.environment["IDNGO_SECRETS"]
    yield service
    service.end()


@pytest.mark.parametrize(("role", "path"), [("web", "/healthz"), ("console", "/console/sign-in")])
def test_a_process_answers_at_the_socket_that_it_is_given_whatever_port_its_settings_name(idle: Service, role: str, path: str) -> None:
    with held_socket() as listening, held_socket() as taken:
        idle.port = listening.getsockname()[1]
        port = str(taken.getsockname()[1])  # It could not listen there.
        idle.environment |= {"PORT": port, "CONSOLE_PORT": port}
        start_with(listening, idle, role)
        assert idle.get(path, token=None).status == 200, idle.logged()


def test_a_restart_refuses_no_connection_and_every_delivery_is_answered(idle: Service) -> None:
    with held_socket() as listening:
        idle.port = listening.getsockname()[1]
        first = start_with(listening, idle, "web")
        assert idle.get("/healthz", token=None).status == 200
        with traffic(idle, timeout=90) as senders:  # A busy machine takes longer to start a process than vendors wait.
            first.terminate()
            assert first.wait(40) == 0
            many = [len(sender.kept) for sender in senders]
            start_with(listening, idle, "web")
            eventually(lambda: all(len(one.kept) > was + 5 for one, was in zip(senders, many, strict=True)), "traffic after it", seconds=60)
    assert [failure for sender in senders for failure in sender.failures] == []
    assert len({event_id for sender in senders for event_id in sender.kept}) == sum(len(sender.kept) for sender in senders)
