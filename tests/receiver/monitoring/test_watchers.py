"""What anybody may ask how the service is: made at most once a second, without counts, details or names of secrets for strangers."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from receiver import config
from receiver.monitoring import secret_usage, status
from receiver.monitoring.health import REMEMBERED_SECONDS
from store import database
from store.inbox.sealing import encryption
from store.operations import delivery_counts
from store.operations.delivery_counts import Counts
from store.system.environment import Environment
from tests.conftest import KEY, next_part
from tests.support import payloads, signing
from tests.support.service import Service, eventually

OFFICER = "privacy-if-you-may"
MEASURER, READER, LINKER, OPERATOR = "measure-me-if-you-may", "read-me-if-you-may", "link-me-if-you-may", "operate-me-if-you-may"

FLOODERS, DELIVERIES = 16, 50
#: The contract promises 2 s; the rest is room for a busy machine.
DELIVERY_SECONDS_MAX = 4.0


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, valkey_url: str) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("watchers")
    return {
        "DATABASE_URL": f"sqlite:///{folder / 'standing.sqlite3'}",
        "ENCRYPTION_KEYS": KEY,
        "REDIS_URL": f"{valkey_url}?db={next_part()}",
    }


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> Iterator[Service]:
    """A service whose metrics need a token."""
    tokens = {"METRICS_TOKENS": MEASURER, "PRIVACY_TOKENS": f"dawn={OFFICER}"}
    with Service(tmp_path_factory.mktemp("closed"), settings | tokens) as service:
        eventually(lambda: service.get("/readyz").json["status"] == "ok", "readiness without a flaw")
        time.sleep(REMEMBERED_SECONDS + 0.1)  # The other of the two processes may remember that no worker was up.
        yield service


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str], closed: Service) -> Iterator[Service]:
    """Another service on the same database, whose metrics need none."""
    with Service(tmp_path_factory.mktemp("open"), settings, worker=False) as service:
        yield service


def test_a_privacy_officer_may_read_and_no_more(closed: Service) -> None:
    assert closed.get("/v1/applicants", token=OFFICER).status == 200
    assert [closed.get(path, token=OFFICER).status for path in ("/v1/audit", "/v1/replays")] == [403, 403]
    assert closed.request("PUT", "/v1/links/ifcgate/x", b'{"external_user_id": "y"}', token=OFFICER).status == 403


@pytest.mark.parametrize("token", [None, "", "no-token-of-this-service", LINKER])
def test_a_stranger_is_told_how_the_parts_are_without_counts_or_details(closed: Service, open_to_all: Service, token: str | None) -> None:
    well = {"status": "ok", "database": "ok", "queue": "ok", "workers": "ok", "backlog": "ok"}
    for service in (closed, open_to_all):
        # On a busy machine a heartbeat may be late.
        eventually(lambda service=service: service.get("/readyz", token=token).json == well, "one word for each part")


@pytest.mark.parametrize("token", [MEASURER, READER, OPERATOR, OFFICER])
def test_who_has_a_right_is_told_counts_and_details(closed: Service, token: str) -> None:
    told = eventually(lambda: (found := closed.get("/readyz", token=token).json)["workers"] and found, "a worker's heartbeat")
    assert set(told) == {"status", "database", "queue", "workers", "backlog", "vendors", "attention", "in_review_too_long"}
    assert (told["workers"], set(told["backlog"])) == (1, {"pending", "oldest_seconds", "tried", "error"})


def used(service: Service) -> set[str]:
    """Deliver something, and give the fingerprints of the secrets in use once they are told."""
    service.kept("idngo", payloads.idngo(payloads.new_applicant()))

    def told() -> set[str]:
        lines = [json.loads(line) for line in service.standing("secrets", "--json").stdout.splitlines()]
        return {line["fingerprint"] for line in lines if line["matches"]}

    return eventually(told, "the use to be told")


def test_open_metrics_show_no_secrets_fingerprint_and_closed_ones_do(closed: Service, open_to_all: Service) -> None:
    fingerprints = used(closed)
    matched = re.compile(r'^standing_secret_last_match_timestamp_seconds{environment="live",vendor="idngo"} [1-9]', re.MULTILINE)

    def metrics() -> str | None:
        # They are remembered for a moment.
        text = open_to_all.get("/metrics", token=None).body.decode()
        return text if matched.search(text) else None

    opened = eventually(metrics, "the use in the metrics")
    assert [one for one in fingerprints if one in opened] == []
    eventually(lambda: all(one.encode() in closed.get("/metrics", token=MEASURER).body for one in fingerprints), "them in the metrics")


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json"])
def test_with_metrics_tokens_nobody_else_gets_in(closed: Service, path: str) -> None:
    assert [closed.get(path, token=token).status for token in (None, READER, LINKER, MEASURER)] == [401, 401, 401, 200]


@pytest.mark.alone
@pytest.mark.parametrize("path", ["/metrics", "/openapi.json", "/readyz"])
def test_a_flood_of_callers_does_not_slow_deliveries(open_to_all: Service, path: str) -> None:
    stop = threading.Event()
    asked: list[bytes] = []
    began = time.monotonic()
    flooders = [threading.Thread(target=_flood, args=(open_to_all.port, path, stop, asked)) for _ in range(FLOODERS)]
    for flooder in flooders:
        flooder.start()
    try:
        seconds = sorted(_delivery_seconds(open_to_all) for _ in range(DELIVERIES))
    finally:
        stop.set()
        for flooder in flooders:
            flooder.join()
    assert len(asked) > DELIVERIES
    # Each of the two processes made at most one answer a second; every delivery changes what the metrics say.
    assert len(set(asked)) <= 2 * (time.monotonic() - began + 2)
    assert seconds[-1] < DELIVERY_SECONDS_MAX


def _flood(port: int, path: str, stop: threading.Event, asked: list[bytes]) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    while not stop.is_set():
        connection.request("GET", path)
        response = connection.getresponse()
        asked.append(response.read())
    connection.close()


def _delivery_seconds(service: Service) -> float:
    began = time.monotonic()
    assert service.deliver("idngo", payloads.idngo(payloads.new_applicant())).status == 200
    return time.monotonic() - began


# what secrets are called ----------------------------------------------------------------------------------------

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


def test_a_fingerprint_is_not_made_without_a_key_for_data_at_rest() -> None:
    (mine,) = encryption.fingerprints(b"geheim", (OLD,))
    (others,) = encryption.fingerprints(b"geheim", (NEW,))
    assert mine != others
    # What whoever has no key can make of a guess.
    keyless = {
        hashlib.sha256(b"geheim").hexdigest(),
        hmac.digest(b"", b"geheim", "sha256").hex(),
        hmac.digest(b"geheim", b"", "sha256").hex(),
    }
    assert [one for one in keyless if one.startswith(mine)] == []
    assert encryption.fingerprints(b"geheim", (OLD,)) == (mine,)


def configured(monkeypatch: pytest.MonkeyPatch, *keys: bytes) -> None:
    """Let this process be one with these keys for data at rest, the newest first."""
    monkeypatch.setenv("ENCRYPTION_KEYS", ",".join(b64encode(key).decode() for key in keys))
    monkeypatch.setenv("IDNGO_SECRETS", signing.IDNGO_SECRET)
    config.settings.cache_clear()
    secret_usage.record()


def seen() -> tuple[str, int]:
    """The fingerprint and the matches of the one secret."""
    (sight,) = database.read(secret_usage.look)
    return sight.fingerprint, sight.matches


def matched() -> None:
    (key,) = config.settings().senders["idngo"].keys
    counts = Counts()
    counts.note(vendor="idngo", environment="live", answer="accepted", signed_with=key.fingerprint)
    delivery_counts.tell(counts, process="here:1", spool_bytes=0)


def test_a_rotation_of_the_keys_loses_no_use_of_a_secret(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(monkeypatch, OLD)
    matched()
    before, _ = seen()
    configured(monkeypatch, NEW, OLD)
    assert seen()[1] == 1
    matched()
    after, matches = seen()
    assert (after != before, matches) == (True, 2)
    configured(monkeypatch, NEW)  # The old key is taken away.
    assert seen() == (after, 1)


def test_a_process_without_the_secrets_knows_which_are_configured(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(monkeypatch, OLD)
    monkeypatch.setenv("IDNGO_SECRETS", f"another one,{signing.IDNGO_SECRET}")
    monkeypatch.setenv("IDENFY_SANDBOX_SECRETS", "a third")
    config.settings.cache_clear()
    secret_usage.record()
    for name in ("IDNGO_SECRETS", "IDENFY_SANDBOX_SECRETS"):
        monkeypatch.delenv(name)
    config.settings.cache_clear()
    secret_usage.record()  # It has none to record, and takes nothing away.
    told = [(one.vendor, one.environment, one.newest) for one in database.read(secret_usage.look)]
    assert told == [("idngo", "live", True), ("idngo", "live", False), ("idenfy", "sandbox", True)]
    assert [line.about for line in status.lines("sandbox") if line.says.startswith("nothing authentic")] == ["idenfy"]


def test_a_secret_that_was_taken_away_is_configured_no_more(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(monkeypatch, OLD)
    monkeypatch.setenv("IDNGO_SECRETS", "another one")
    config.settings.cache_clear()
    secret_usage.record()
    assert len(database.read(secret_usage.look)) == 1


def test_fingerprints_that_were_made_without_a_key_are_forgotten(kept: str) -> None:
    counts = Counts()
    for name in ("abcd0123", "abcd0123abcd0123"):
        counts.note(vendor="idngo", environment="live", answer="accepted", signed_with=name)
    delivery_counts.tell(counts, process="here:1", spool_bytes=0)
    delivery_counts.forget_old()
    assert set(database.read(delivery_counts.secret_uses)) == {("idngo", "abcd0123abcd0123")}


def test_every_host_with_the_same_keys_gives_a_secret_the_same_name(tmp_path: Path) -> None:
    def names(folder: str) -> list[Any]:
        environment = Environment({"VAR_DIR": str(tmp_path / folder), "ENCRYPTION_KEYS": KEY, "IDNGO_SECRETS": "one,another"})
        return [key.fingerprint for key in config.read(environment).senders["idngo"].keys]

    assert names("a") == names("b")
    assert len(set(names("a"))) == 2
