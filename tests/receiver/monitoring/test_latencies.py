"""The histograms of a service that really runs: how long vendors wait for answers, and events until they are visible."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from receiver.monitoring.health import REMEMBERED_SECONDS
from tests.conftest import KEY, next_part
from tests.support import payloads, signing
from tests.support.privacy.calls import send
from tests.support.service import Service, end, eventually

ACKNOWLEDGEMENT, VISIBLE = "standing_acknowledgement_seconds", "standing_time_to_visible_seconds"

PAUSE_SECONDS, IDLE_SECONDS = 0.4, 4.0


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory, valkey_url: str, migrated_sqlite: Path) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("timed")
    (folder / "standing.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    settings = {"DATABASE_URL": f"sqlite:///{folder / 'standing.sqlite3'}", "REDIS_URL": f"{valkey_url}?db={next_part()}"}
    with Service(folder, settings | {"ENCRYPTION_KEYS": KEY}, worker=False) as service:
        yield service


def value(service: Service, sample: str, **labels: str) -> float:
    """One number of the metrics."""
    told = eventually(lambda: found if (found := service.get("/metrics", token=None)).status == 200 else None, "the metrics")
    for family in text_string_to_metric_families(told.body.decode()):
        for one in family.samples:
            if (one.name, one.labels) == (sample, labels):
                return one.value
    raise AssertionError(f"no {sample} of {labels}")


def counted(service: Service, sample: str, count: int, **labels: str) -> None:
    """Wait until so many are counted, and then until no process remembers fewer."""
    eventually(lambda: value(service, sample, **labels) == count, f"{count} of {sample}")
    time.sleep(REMEMBERED_SECONDS + 0.1)
    assert value(service, sample, **labels) == count


def test_every_answer_to_a_vendor_is_measured_by_its_class(timed: Service) -> None:
    assert [value(timed, f"{ACKNOWLEDGEMENT}_count", vendor="idenfy", status=status) for status in ("2xx", "4xx", "5xx")] == [0, 0, 0]
    body = payloads.idenfy(payloads.new_scan(), "APPROVED")
    assert timed.kept("idenfy", body) == timed.kept("idenfy", body)
    assert timed.deliver("idenfy", body, secret="not theirs").status == 401
    assert timed.request("POST", "/webhooks/nobody", b"{}").status == 404
    counted(timed, f"{ACKNOWLEDGEMENT}_count", 2, vendor="idenfy", status="2xx")
    counted(timed, f"{ACKNOWLEDGEMENT}_count", 1, vendor="idenfy", status="4xx")
    assert value(timed, f"{ACKNOWLEDGEMENT}_bucket", vendor="idenfy", status="2xx", le="+Inf") == 2


def test_an_answer_is_measured_from_the_first_byte_of_its_own_request(timed: Service) -> None:
    with socket.create_connection(("127.0.0.1", timed.port), timeout=20) as connection:
        for pause, idle in ((PAUSE_SECONDS, IDLE_SECONDS), (0.0, 0.0)):
            first, rest, body = request(payloads.idngo(payloads.new_applicant()))
            for part in (first, rest, body):
                connection.sendall(part)
                time.sleep(pause if part is not body else idle)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    counted(timed, f"{ACKNOWLEDGEMENT}_count", 2, vendor="idngo", status="2xx")
    # A head and a body that come slowly are part of it; the time between two requests is not.
    assert 2 * PAUSE_SECONDS <= value(timed, f"{ACKNOWLEDGEMENT}_sum", vendor="idngo", status="2xx") < IDLE_SECONDS
    assert value(timed, f"{ACKNOWLEDGEMENT}_bucket", vendor="idngo", status="2xx", le="0.5") <= 1


def request(payload: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    """The first line of a signed request, the rest of its head, and its body."""
    body = json.dumps(payload).encode()
    headers = {"Host": "standing", "Content-Length": str(len(body))} | signing.headers("idngo", body)
    rest = "".join(f"{name}: {said}\r\n" for name, said in headers.items())
    return b"POST /webhooks/idngo HTTP/1.1\r\n", f"{rest}\r\n".encode(), body


def test_an_event_is_timed_from_its_receipt_until_it_is_settled_and_not_again_at_a_replay(timed: Service) -> None:
    event = timed.kept("ifcgate", payloads.ifcgate(payloads.new_case(), "approved"))
    time.sleep(1.0)
    worker = timed.start_worker()
    timed.settled(event)
    end(worker)  # It writes what it counted before it ends.
    counted(timed, f"{VISIBLE}_count", 1, vendor="ifcgate", environment="live")
    assert value(timed, f"{VISIBLE}_sum", vendor="ifcgate", environment="live") >= 1.0
    assert value(timed, f"{VISIBLE}_bucket", vendor="ifcgate", environment="live", le="0.5") == 0
    assert value(timed, f"{VISIBLE}_count", vendor="ifcgate", environment="sandbox") == 0
    assert send(timed, f"/v1/events/{event}/replay", token="operate-me-if-you-may").status == 202
    worker = timed.start_worker()
    timed.settled(event)
    end(worker)
    counted(timed, f"{VISIBLE}_count", 1, vendor="ifcgate", environment="live")


def test_changes_and_reversals_are_counted(timed: Service) -> None:
    who, of_idngo = payloads.new_applicant(), {"vendor": "idngo", "environment": "live"}
    worker = timed.start_worker()
    timed.told("idngo", payloads.idngo(who, answer="GREEN"))
    timed.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", at=payloads.after(minutes=1)))
    end(worker)
    counted(timed, "standing_changes_total", 1, status="rejected", **of_idngo)
    assert value(timed, "standing_changes_total", status="approved", **of_idngo) == 1
    assert value(timed, "standing_reversals_total", reversal="adverse", **of_idngo) == 1
    assert value(timed, "standing_reversals_total", reversal="reinstated", **of_idngo) == 0
