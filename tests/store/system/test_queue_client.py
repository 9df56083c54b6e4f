"""The queue's client, on real servers: TLS with a CA of one's own, users with the least rights, and Sentinels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import RedisError

from store.inbox import wakeup
from store.system import queue_client
from tests.support.network.certificates import Authority
from tests.support.outages import programs, sentinels
from tests.support.outages.sentinels import RIGHTS, SERVICE, NoRedis, Server, Watched
from tests.support.service import eventually, free_port


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def watched(authority: Authority) -> Iterator[Watched]:
    try:
        with sentinels.watched(authority) as found:
            yield found
    except NoRedis as missing:
        programs.skip(missing)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """How soon a Sentinel must answer is not the matter here."""
    monkeypatch.setattr(queue_client, "SENTINEL_SECONDS", 20.0)


def outage(url: str) -> str | None:
    with queue_client.connect(url, socket_timeout=20, socket_connect_timeout=20) as client:
        return wakeup.outage(client)


def test_the_primary_that_sentinels_name_is_used_over_tls(watched: Watched) -> None:
    with queue_client.connect(watched.url()) as client:
        client.set("standing:here", "1")
    with watched.servers[0].client() as primary:
        primary.select(1)
        assert primary.get("standing:here") == "1"
    assert outage(watched.url()) is None


def test_one_sentinel_that_answers_is_enough(watched: Watched) -> None:
    unavailable = f"127.0.0.1:{free_port()}"
    for others in (f"{unavailable},{unavailable},", "127.0.0.1,"):
        scheme, _, rest = watched.url().partition("@")
        assert outage(f"{scheme}@{others}{rest}") is None


def test_each_sentinel_is_asked_and_what_it_says_is_told(watched: Watched) -> None:
    url = watched.url()
    assert {(str(answer.primary), answer.outage) for answer in queue_client.ask_sentinels(url)} == {
        (f"127.0.0.1:{watched.servers[0].port}", "")
    }
    assert len(list(queue_client.ask_sentinels(url))) == 3
    assert [answer.outage for answer in queue_client.ask_sentinels(url.replace("watch%26me", "other"))] == [
        "refuses the user or the password"
    ] * 3
    assert [answer.outage for answer in queue_client.ask_sentinels(url.replace(SERVICE, "another"))] == [
        "watches no service of that name"
    ] * 3
    assert list(queue_client.ask_sentinels("redis://127.0.0.1")) == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (("p%40ss", "wrong"), "refuses the user or the password"),
        ((SERVICE, "another"), "has no primary that a Sentinel names"),
        (("watch%26me", "wrong"), "has no primary that a Sentinel names"),
        (("rediss+", "redis+"), "has no primary that a Sentinel names"),
    ],
)
def test_a_url_that_is_wrong_is_told_by_its_cause(watched: Watched, changed: tuple[str, str], says: str) -> None:
    url = watched.url().partition("&ssl")[0] if changed[1] == "redis+" else watched.url()
    assert outage(url.replace(*changed)) == says


def test_a_ca_that_did_not_sign_is_told_in_a_sentence(watched: Watched, tmp_path: Path, authority: Authority) -> None:
    url = watched.url().replace(str(authority.ca), str(Authority(tmp_path, "another").ca))
    says = "has a certificate that no CA known here has signed: name the file of its CA in ssl_ca_certs"
    assert [answer.outage for answer in queue_client.ask_sentinels(url)] == [says] * 3
    assert outage(url) == "has no primary that a Sentinel names"


@pytest.mark.usefixtures("watched")
def test_a_server_with_tls_is_reached_and_what_is_wrong_is_told(authority: Authority, tmp_path: Path) -> None:
    mine, theirs = authority.sign("server", "localhost"), authority.sign("client")
    server = Server(tmp_path, free_port(), {"ssl": True, "ssl_ca_certs": str(authority.ca), "ssl_check_hostname": False})
    server.options |= {"ssl_certfile": str(theirs.file), "ssl_keyfile": str(theirs.key)}
    tls = [
        f"tls-cert-file {mine.file}",
        f"tls-key-file {mine.key}",
        f"tls-ca-cert-file {authority.ca}",
        "port 0",
        f"tls-port {server.port}",
    ]
    server.start(tls)
    try:
        url, identity = (
            f"rediss://localhost:{server.port}/0?ssl_ca_certs={authority.ca}",
            f"&ssl_certfile={theirs.file}&ssl_keyfile={theirs.key}",
        )
        assert outage(url + identity) is None
        # The server may be quicker with the end of the connection than with its reason.
        eventually(lambda: "may want a client's certificate" in str(outage(url)), "the reason")
        assert outage((url + identity).replace("localhost", "127.0.0.1")) == "has a certificate for another host"
        assert outage(url.replace("rediss", "redis").partition("?")[0]) == "cannot be reached"
    finally:
        server.end()


def test_the_page_names_the_rights_that_are_tried_here() -> None:
    page = Path(__file__).parents[3] / "docs" / "databases.md"
    assert f"ACL SETUSER standing on >choose-one {RIGHTS}\n" in page.read_text()


def test_the_users_rights_are_enough_and_no_more(watched: Watched) -> None:
    with queue_client.connect(watched.url()) as client:
        for refused in (
            ("FLUSHALL",),
            ("CONFIG", "GET", "*"),
            ("SET", "other", "1"),
            ("EVAL", "return 1", "0"),
            ("KEYS", "*"),
            ("SHUTDOWN",),
        ):
            with pytest.raises(RedisError, match="permissions"):
                client.execute_command(*refused)
