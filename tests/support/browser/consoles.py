"""A service with a console beside it, and what happened at it in one night."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, Executable, NullPool, create_engine, text

from tests.support import payloads
from tests.support.browser.visitor import Visitor
from tests.support.payloads import after
from tests.support.privacy import calls
from tests.support.service import Service, end, eventually, free_port

#: The token of each person. The first one's right is to read, the second's and third's to operate, the others' to protect persons.
READER, NIGHT, DAY = "read-me-if-you-may", calls.OPERATOR, "confirm-me-if-you-may"
OFFICER, DEPUTY = calls.OFFICER, calls.DEPUTY

#: Tables that change automatically: no person changes them.
AUTOMATIC = (
    *("workers", "leases", "web_processes", "configured_secrets", "secret_uses", "tallies", "subscribers", "reactions", "bearing"),
    *("log_leaves", "log_tiles", "log_queue", "log_state", "log_checkpoints", "log_publications", "log_epochs", "log_stops"),
    "privacy_state",  # A worker takes the lease of the erasures some time after its start.
    *("daily_counts", "times_to_visible"),  # Processes write what they counted later.
)


def start(service: Service, port: int, **settings: str | None) -> subprocess.Popen[bytes]:
    """Start a console at a port, with other settings than the service has; None: without it."""
    before, wanted = dict(service.environment), service.environment | {"CONSOLE_PORT": str(port)} | settings
    service.environment = {name: value for name, value in wanted.items() if value is not None}
    try:
        process = service.run("gunicorn", "--config", "python:receiver.console.gunicorn_config")
    finally:
        service.environment = before
    eventually(lambda: _is_up(port), "the console to answer")
    return process


@contextmanager
def beside(service: Service, **settings: str | None) -> Iterator[int]:
    """Run a console beside a service, with other settings than the service has; give its port."""
    process = start(service, port := free_port(), **settings)
    try:
        yield port
    finally:
        end(process)


class Console(Service):
    """A service, and a console beside it."""

    def __enter__(self) -> Console:
        super().__enter__()
        self.console_port, self._sessions = free_port(), dict[str, str]()
        start(self, self.console_port)
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.console_port}"

    def visitor(self, token: str | None = None) -> Visitor:
        """A person at the console."""
        return Visitor(self.console_port, token)

    def session(self, token: str) -> str:
        """The secret of a session of a person, who signs in once."""
        if token not in self._sessions:
            self._sessions[token] = self.visitor(token).cookies["__Host-standing"]
        return self._sessions[token]

    def change(self, statement: Executable) -> None:
        """Change the database without the service."""
        with self.engine().begin() as connection:
            assert connection.execute(statement).rowcount

    def all_rows(self) -> dict[str, list[Any]]:
        """All that is in the database, but for the tables that change automatically, and SQLite's own."""
        with self.engine().begin() as connection:
            tables = text("SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) != 'sqlite_'")
            names = connection.execute(tables).scalars().all()
            rows = {name: connection.execute(text(f"SELECT * FROM {name}")).all() for name in names if name not in AUTOMATIC}
        return {name: sorted(map(repr, found)) for name, found in rows.items()}

    def engine(self) -> Engine:
        return create_engine(self.environment["DATABASE_URL"], poolclass=NullPool)

    def api(self, path: str, token: str, **fields: Any) -> Any:
        """Have the API do something."""
        answer = calls.send(self, f"/v1/{path}", token=token, **fields)
        assert answer.status < 300, (path, answer.status, answer.body)
        return answer.json


@dataclass(frozen=True)
class Night:
    """What happened: ids and references of what pages are about."""

    #: Of IDnGO, approved and then found on a sanctions list; and the customer's own id.
    fallen: str
    user: str
    #: Of iDenfy, in the review queue.
    suspected: str
    #: Of IFCGATE, approved.
    case: str
    #: Of IDnGO's sandbox.
    tried_out: str
    #: An event that was applied, one of an unknown type, and one that is not even JSON.
    applied: str
    unknown: str
    unreadable: str
    #: A decision that waits for another person, and the applicant that it is about.
    decision: str
    decided: str
    #: A replay with its forecast, an erasure that waits for approval, one that is done, a hold, and a reaction that gave up.
    replay: str
    erasure: str
    erased: str
    hold: str
    reaction: str
    #: The subscriber of the reaction.
    subscriber: str
    #: A change and an act.
    change: str
    act: str

    @property
    def path(self) -> dict[str, str]:
        """An existing value for each name in the routes' paths."""
        return {
            "vendor": "idngo", "reference": self.fallen, "external_user_id": self.user, "event_id": self.applied,
            "replay_id": self.replay, "erasure_id": self.erasure, "hold_id": self.hold, "reaction_id": self.reaction,
            "key": self.subscriber, "change": self.change, "act_id": self.act, "filename": "console.css",
            "session_id": "00000000-0000-4000-8000-000000000000",
        }  # fmt: skip


def blacklisted(service: Service, label: str = "SANCTIONS", **more: Any) -> str:
    """An applicant of IDnGO that was approved, and refused a minute later."""
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, answer="GREEN", at=after(minutes=1), **more))
    service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=[label], at=after(minutes=2), **more))
    return who


def suspected(console: Service) -> str:
    """A verification of iDenfy that waits for a person."""
    who = payloads.new_scan()
    console.told("idenfy", payloads.idenfy(who, "SUSPECTED"))
    return who


def decided(console: Console, who: str) -> str:
    """An approval against a hit, by one person: it waits for another."""
    event_id: str = console.api(f"applicants/idngo/{who}/decisions", NIGHT, decision="approve", reason="another of this name")["event_id"]
    console.settled(event_id)
    return event_id


def spend_a_night(console: Console) -> Night:
    """Have all happen that pages are about."""
    eventually(console.subscribers, "the dispatcher: it notifies no subscriber of earlier changes")
    fallen, who, case = blacklisted(console, externalUserId="person-7"), blacklisted(console, "PEP"), payloads.new_case()
    tried_out, kept = payloads.new_applicant(), blacklisted(console, "FORGERY")
    sandbox = {"secret": console.environment["IDNGO_SANDBOX_SECRETS"]}
    applied = console.kept("ifcgate", payloads.ifcgate(case))
    console.kept("idngo", payloads.idngo(tried_out, answer="GREEN", sandboxMode=True), **sandbox)
    waiting = [suspected(console) for _ in range(2)]
    unknown = console.told("idngo", payloads.idngo(payloads.new_applicant(), kind="applicantTeleported"))["id"]
    unreadable = console.told("idenfy", b'{"scanRef": ')["id"]
    replay = console.api("replays", NIGHT, reason="the mapping is repaired", vendor="idngo", outcome="applied")["id"]
    eventually(lambda: console.get(f"/v1/replays/{replay}", token=NIGHT).json["status"] == "proposed", "the forecast")
    failed = eventually(lambda: console.get("/v1/reactions", status="failed").json["data"], "a reaction to give up")
    night = Night(
        fallen=fallen, user="person-7", suspected=waiting[0], case=case, tried_out=tried_out, applied=applied, unknown=unknown,
        unreadable=unreadable, decision=decided(console, who), decided=who, replay=replay,
        erasure=calls.requested(console, vendor="idngo", reference=kept),
        erased=calls.erased(console, vendor="idngo", reference=blacklisted(console)),
        hold=console.api("holds", NIGHT, vendor="ifcgate", reference=case, reason="a lawsuit", review_at="2030-01-01T00:00:00Z")["id"],
        reaction=str(failed[0]["id"]), subscriber=console.get("/v1/subscribers").json["data"][0]["key"],
        change=console.get("/v1/changes").json["data"][0]["cursor"], act=str(console.get("/v1/audit", token=NIGHT).json["data"][0]["id"]),
    )  # fmt: skip
    eventually(lambda: _is_signed(console), "all that happened to be logged and signed")
    return night


def address(path: str) -> str:
    """A value in a path, as it is written there."""
    return quote(path, safe="")


def notifying(url: str) -> dict[str, str]:
    """The settings of a service that notifies a downstream of everything, once."""
    return {
        "NOTIFY_URLS": f"accounts={url}", "NOTIFY_ON": "all", "NOTIFY_PLAIN_HTTP": "yes", "NOTIFY_PRIVATE_HOSTS": "127.0.0.1",
        "NOTIFY_SECRETS": f"whsec_{base64.b64encode(b'a secret for downstream, 24+').decode()}", "REACTION_ATTEMPTS_MAX": "1",
    }  # fmt: skip


def of(folder: Path, *, database_url: str, redis_url: str, keys: str, downstream: str) -> Console:
    """A console and its service, which counts a visitor's address by X-Forwarded-For."""
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": keys, "TRUSTED_PROXIES": "127.0.0.1"}
    return Console(folder, settings | notifying(downstream))


def _is_signed(console: Console) -> bool:
    log = console.get("/v1/log").json
    return not log["unlogged"] and log["signed_size"] == log["size"]


def _is_up(port: int) -> bool:
    with suppress(OSError):
        return Visitor(port) is not None
    return False
