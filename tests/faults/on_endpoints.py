"""Faults of those who are told: of many endpoints some hang and some fail, and the rest must be told once all the same."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tests.downstream import Downstream, Message, Reply
from tests.faults import verdict
from tests.faults.fault import Amid, Beside, Fault
from tests.faults.ground import NotInflicted

ENDPOINTS, HANGING, FAILING = 50, 10, 10

#: Every healthy endpoint is told of all approvals that fell so soon after all is handled.
TOLD_SECONDS_MAX = 10.0

SECRET = "whsec_c2VjcmV0IG9mIGRvd25zdHJlYW0gaW4gYSByb3VuZA=="


class Endpoints(Beside):
    """Many endpoints on one server, of which some may hang and some fail."""

    def __init__(self) -> None:
        self._well = threading.Event()
        self._well.set()
        self._downstream = Downstream(self._answer)
        addresses = [self._downstream.url(f"/{number}") for number in range(ENDPOINTS)]
        self.settings = {
            "NOTIFY_URLS": ",".join(addresses), "NOTIFY_SECRETS": SECRET, "NOTIFY_PRIVATE_HOSTS": "127.0.0.1", "NOTIFY_PLAIN_HTTP": "yes",
        }  # fmt: skip

    def __enter__(self) -> Endpoints:
        self._downstream.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._well.set()
        self._downstream.__exit__(None, None, None)

    @contextmanager
    def broken(self) -> Iterator[None]:
        self._well.clear()
        try:
            yield
        finally:
            self._well.set()

    def healthy(self) -> list[Message]:
        return [message for message in list(self._downstream.came) if _number(message) >= HANGING + FAILING]

    def _answer(self, message: Message) -> Reply:
        if self._well.is_set() or _number(message) >= HANGING + FAILING:
            return Reply()
        if _number(message) < HANGING:
            self._well.wait()
        return Reply(503)


def _number(message: Message) -> int:
    return int(message.path.rpartition("/")[2])


@contextmanager
def hang_and_fail(amid: Amid) -> Iterator[None]:
    assert isinstance(amid.beside, Endpoints)
    before = len(amid.beside.healthy())
    with amid.beside.broken():
        yield
    if len(amid.beside.healthy()) == before:
        raise NotInflicted("no approval fell meanwhile")


def not_told_once(amid: Amid) -> list[str]:
    """What is wrong with what the healthy endpoints were told."""
    assert isinstance(amid.beside, Endpoints)
    changes = verdict.read(amid.traffic.service, "changes", "events").changes
    fallen = sum(change["reversal"] == "adverse" for change in changes)
    wanted, deadline = fallen * (ENDPOINTS - HANGING - FAILING), time.monotonic() + TOLD_SECONDS_MAX
    while len(amid.beside.healthy()) < wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    counts = Counter((message.path, message.headers["webhook-id"]) for message in amid.beside.healthy())
    wrong = [f"{len(counts)} of {wanted} messages came to healthy endpoints"] if len(counts) != wanted else []
    return wrong + [f"{path} was told {count} times of {which}" for (path, which), count in counts.items() if count > 1][:5]


FAULTS = (
    Fault(
        name="many-endpoints",
        description="of 50 endpoints 10 hang and 10 fail",
        deed=hang_and_fail,
        seconds=20,
        beside=Endpoints,
        wrong=not_told_once,
    ),
)
