"""The runbook, followed to the letter: each thing is broken, each command run as it stands there, and what it says must be seen."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from store import database
from store.database.count_tables import Tally
from store.system import clock
from tests import conftest
from tests.docs.printed import printed_line
from tests.support import payloads, signing
from tests.support.downstream import Downstream, Reply
from tests.support.outages.disks import fill, small_disk
from tests.support.service import PATIENCE_SECONDS, PROGRAMS, Service, end, eventually
from tests.support.vendors import starts
from tests.support.vendors.played import play, playing
from tests.support.vendors.vendor_calls import CREDENTIALS

ROOT = Path(__file__).parent.parent.parent
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()

#: Commands that only look.
LOOKS = ("status", "doctor", "secrets", "refusals", "review", "reversals")

BLOCK = re.compile(r"<!-- when: (.*?) -->\n```console\n(.*?)```", re.DOTALL)


@dataclass
class Trouble:
    """A service in trouble, and the names of what the trouble is about."""

    service: Service
    faults: Path
    names: dict[str, str] = field(default_factory=dict)
    #: Programs that the trouble needs beside the service.
    outside: ExitStack = field(default_factory=ExitStack)

    def run(self, command: str) -> str:
        """What a command prints, on both of its outputs."""
        words = [self.names.get(word, word) for word in shlex.split(command)]
        done = subprocess.run(
            [PROGRAMS / words[0], *words[1:]],
            env=self.service.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        assert "Traceback" not in done.stdout
        return done.stdout


@pytest.fixture
def trouble(redis_url: str, tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trouble]:
    (faults := tmp_path / "faults").mkdir()
    url = f"sqlite:///{tmp_path / 'standing.sqlite3'}"
    (tmp_path / "standing.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    settings = {
        "DATABASE_URL": url,
        "REDIS_URL": redis_url,
        "ENCRYPTION_KEYS": conftest.KEY,
        "FAULTS_DIR": str(faults),
        "ATTEMPTS_MAX": "1",
    }
    # Only one vendor, so that nothing but the trouble wants a look.
    only = {name: "" for name in signing_settings() if not name.startswith("IDNGO_SECRETS")}
    for name, value in (settings | {"VAR_DIR": str(tmp_path / "var")}).items():
        monkeypatch.setenv(name, value)
    conftest.forget()
    with Service(tmp_path, settings | only) as service:
        eventually(lambda: service.standing("status").returncode == 0, "everyone to be there")
        found = Trouble(service, faults)
        with found.outside:
            yield found
    conftest.forget()


def signing_settings() -> list[str]:
    return [f"{vendor}_{kind}" for vendor in ("IFCGATE", "IDNGO", "IDENFY") for kind in ("SECRETS", "SANDBOX_SECRETS")]


# the troubles -------------------------------------------------------------------------------------------------


def all_is_well(trouble: Trouble) -> None:
    trouble.service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    eventually(lambda: "last delivery" in trouble.run("standing status"), "the delivery to be counted")


def no_worker(trouble: Trouble) -> None:
    for process in trouble.service.processes[1:]:
        end(process)
    trouble.service.kept("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))


def database_away(trouble: Trouble) -> None:
    trouble.service.environment["DATABASE_URL"] = f"sqlite:///{trouble.faults / 'nowhere' / 'standing.sqlite3'}"


def queue_away(trouble: Trouble) -> None:
    trouble.service.environment["REDIS_URL"] = f"unix://{trouble.faults / 'nobody.sock'}"


def dead_letter(trouble: Trouble) -> None:
    who = payloads.new_applicant()
    poison = json.dumps(payloads.idngo(who, answer="GREEN")).encode()
    (trouble.faults / f"interpret.{hashlib.sha256(poison).hexdigest()}").write_text("raise")
    failed = trouble.service.told("idngo", poison)
    assert failed["status"] == "failed"
    trouble.names = {"ID": failed["id"], "REFERENCE": who}


def repaired(trouble: Trouble) -> None:
    dead_letter(trouble)
    for armed in trouble.faults.iterdir():
        armed.unlink()


def unreadable(trouble: Trouble) -> None:
    trouble.names = {"ID": trouble.service.told("idngo", {"applicantId": payloads.new_applicant()})["id"]}


def doubt(trouble: Trouble) -> None:
    restart(trouble, IDENFY_SECRETS=signing.IDENFY_SECRET)
    trouble.service.told("idenfy", payloads.idenfy(payloads.new_scan(), "SUSPECTED"))


def fallen(trouble: Trouble) -> None:
    who = payloads.new_applicant()
    trouble.service.told("idngo", payloads.idngo(who, answer="GREEN"))
    trouble.service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["SANCTIONS"], at=payloads.after(minutes=1)))
    trouble.names = {"REFERENCE": who}


def silent(trouble: Trouble) -> None:
    trouble.service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    eventually(lambda: once_matched(trouble) == 1, "the delivery to be counted")
    with database.begin() as connection:
        connection.execute(Tally.__table__.delete())
        for days in range(8):
            at = clock.now() - timedelta(days=days, hours=2 if days == 0 else 1)
            values = {"vendor": "idngo", "environment": "live", "answer": "accepted", "since": at, "last_at": at, "count": 50}
            connection.execute(database.insert(Tally).values(**values))
        first = {"vendor": "idngo", "environment": "live", "answer": "accepted", "since": clock.now() - timedelta(days=8), "count": 1}
        connection.execute(database.insert(Tally).values(**first, last_at=first["since"]))


def once_matched(trouble: Trouble) -> int:
    """How many secrets have matched once."""
    return [json.loads(line)["matches"] for line in trouble.run("standing secrets --json").splitlines()].count(1)


def refusals(trouble: Trouble) -> None:
    restart(trouble, IDENFY_SECRETS=signing.IDENFY_SECRET)
    for _ in range(12):
        assert trouble.service.deliver("idenfy", payloads.idenfy(payloads.new_scan(), "APPROVED"), secret="not theirs").status == 401
    eventually(lambda: "12 of 12" in trouble.run("standing status"), "the refusals to be counted")


def old_secret(trouble: Trouble) -> None:
    restart(trouble, IDNGO_SECRETS=f"{signing.IDNGO_SECRET},an older one")
    for secret in (signing.IDNGO_SECRET, "an older one"):
        trouble.service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"), secret=secret)
    eventually(lambda: once_matched(trouble) == 2, "both to be counted")


def refused_downstream(trouble: Trouble) -> None:
    with Downstream(lambda _: Reply(422, body=b"unknown applicant")) as downstream:
        secret = f"whsec_{base64.b64encode(b'a secret for our downstream').decode()}"
        told = {"NOTIFY_URLS": downstream.url(), "NOTIFY_SECRETS": secret, "NOTIFY_ON": "all"}
        restart(trouble, **told, NOTIFY_PRIVATE_HOSTS="127.0.0.1", NOTIFY_PLAIN_HTTP="yes", REACTION_ATTEMPTS_MAX="1")
        eventually(lambda: len(trouble.service.subscribers()) == 2, "it to be known")
        who = payloads.new_applicant()
        trouble.service.told("idngo", payloads.idngo(who, answer="GREEN"))
        eventually(lambda: trouble.service.get("/v1/reactions", status="failed").json["data"], "it to give up")
        trouble.names = {"REFERENCE": who}


def failing_downstream(trouble: Trouble) -> None:
    downstream = trouble.outside.enter_context(Downstream(lambda _: Reply(500)))
    secret = f"whsec_{base64.b64encode(b'a secret for our downstream').decode()}"
    told = {"NOTIFY_URLS": downstream.url(), "NOTIFY_SECRETS": secret, "NOTIFY_ON": "all"}
    restart(trouble, **told, NOTIFY_PRIVATE_HOSTS="127.0.0.1", NOTIFY_PLAIN_HTTP="yes")
    (endpoint,) = eventually(lambda: [name for name in trouble.service.subscribers() if "127.0.0.1" in name], "it to be known")
    fallen(trouble)
    eventually(lambda: "last answered" in trouble.run("standing status"), "the first attempt")
    trouble.names = {"ENDPOINT": endpoint}


def missing_key(trouble: Trouble) -> None:
    end(trouble.service.processes[-1])
    trouble.service.kept("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    trouble.service.environment |= {"ENCRYPTION_KEYS": base64.b64encode(b"another key of 32 bytes, newer!!").decode(), "ATTEMPTS_MAX": "9"}
    trouble.service.start_worker()
    eventually(lambda: "Unopenable" in trouble.run("standing status"), "the first attempt")


def full_disk(trouble: Trouble) -> None:
    """Move the database to a disk of its own, and fill that."""
    disk = trouble.outside.enter_context(small_disk(trouble.faults.parent / "disk"))
    stop(trouble)  # So that the copy lacks nothing that the log signed.
    names = (trouble.faults.parent / "standing.sqlite3", disk / "standing.sqlite3")
    with closing(sqlite3.connect(names[0])) as here, closing(sqlite3.connect(names[1])) as there:
        here.backup(there)
    restart(trouble, DATABASE_URL=f"sqlite:///{disk / 'standing.sqlite3'}")
    eventually(lambda: trouble.service.standing("status").returncode == 0, "everyone to be there")
    fill(disk)
    eventually(lambda: trouble.service.standing("status").returncode == 1, "it to be full")


def lost(trouble: Trouble) -> None:
    who = payloads.new_applicant()
    review = {
        "reviewStatus": "completed",
        "reviewDate": "2026-06-01 10:00:00+0000",
        "reviewResult": {"reviewAnswer": "RED", "reviewRejectType": "FINAL"},
    }
    answer = json.dumps({"id": who, "review": review}).encode()
    vendor = trouble.outside.enter_context(Downstream(lambda _: Reply(body=answer)))
    api = {"IDNGO_API_URL": vendor.url(""), "IDNGO_APP_TOKEN": "a-token", "IDNGO_APP_SECRET": "a secret of the API"}
    restart(trouble, **api, NOTIFY_PRIVATE_HOSTS="127.0.0.1", NOTIFY_PLAIN_HTTP="yes")
    trouble.service.told("idngo", payloads.idngo(who, answer="GREEN"))
    trouble.names = {"REFERENCE": who}


def went_back(trouble: Trouble) -> None:
    """Put the database back to what it was a moment ago, while everything runs, as the promotion of a standby that lags does."""
    lost(trouble)
    reference, path = trouble.names["REFERENCE"], trouble.faults.parent / "standing.sqlite3"
    began = clock.now()
    signed = eventually(lambda: signed_beyond(0, trouble.service), "the approval to be signed")
    with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(trouble.faults.parent / "standby.sqlite3")) as standby:
        live.backup(standby)
        trouble.service.told("idngo", payloads.idngo(reference, answer="RED", reject="FINAL", at=payloads.after(minutes=1)))
        eventually(lambda: signed_beyond(signed, trouble.service), "the fall to be signed")
        standby.backup(live)
    eventually(lambda: "lost commits" in trouble.run("standing status"), "the loss to be noticed")
    eventually(lambda: "log new-epoch" in trouble.run("standing status"), "the log to be stopped")
    trouble.names |= {"TIME": str(clock.rfc3339(began))}


def signed_beyond(size: int, service: Service) -> int:
    """How many leaves the log has, once all are signed, and they are more than so many; else 0."""
    log = service.get("/v1/log").json
    return int(log["size"]) if log["size"] == log["signed_size"] > size else 0


def unpaid(trouble: Trouble) -> None:
    vendors = trouble.outside.enter_context(playing(CREDENTIALS))
    restart(trouble, **CREDENTIALS, **vendors.settings())
    play(vendors, "idenfy", {"fault": "402", "times": 1})
    user = f"customer-{payloads.new_applicant()[:6]}"
    answer = starts.start(trouble.service, starts.wanted("idenfy", external_user_id=user), token="operate-me-if-you-may")
    starts.until(trouble.service, answer.json["id"], "failed", token="operate-me-if-you-may")
    trouble.names = {"ID": answer.json["id"], "USER": user}


def newer_key(trouble: Trouble) -> None:
    for _ in range(2):
        trouble.service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    newer = base64.b64encode(b"another key of 32 bytes, newer!!").decode()
    restart(trouble, ENCRYPTION_KEYS=f"{newer},{conftest.KEY}")


def stop(trouble: Trouble) -> None:
    for process in trouble.service.processes:
        end(process)


def restart(trouble: Trouble, **settings: str) -> None:
    stop(trouble)
    trouble.service.environment |= settings
    trouble.service.start_web()
    trouble.service.start_worker()


TROUBLES: dict[str, Callable[[Trouble], None]] = {
    "all is well": all_is_well,
    "no worker is running": no_worker,
    "the database is unavailable": database_away,
    "the queue is unavailable": queue_away,
    "there is a dead letter": dead_letter,
    "a dead letter could be handled now": repaired,
    "there is an unreadable event": unreadable,
    "an applicant is in doubt": doubt,
    "an approval fell": fallen,
    "a vendor is silent": silent,
    "a webhook got lost": lost,
    "a failover lost commits": went_back,
    "a hit is of somebody else": fallen,
    "many deliveries are refused": refusals,
    "a vendor still signs with an old secret": old_secret,
    "there is a newer key": newer_key,
    "a vendor is not paid": unpaid,
    "downstream refused": refused_downstream,
    "downstream fails": failing_downstream,
    "a key is missing": missing_key,
    "the disk is full": full_disk,
}


@pytest.mark.parametrize(("when", "told"), BLOCK.findall(RUNBOOK), ids=lambda text: str(text).partition("\n")[0])
def test_what_the_runbook_says_is_seen(trouble: Trouble, when: str, told: str) -> None:
    TROUBLES[when](trouble)
    follow(trouble, told)


def follow(trouble: Trouble, told: str) -> None:
    """Type what the runbook says, and see what it says."""
    for block in re.split(r"^\$ ", told, flags=re.MULTILINE)[1:]:
        command, *lines = block.splitlines()
        printed, deadline = trouble.run(command), time.monotonic() + PATIENCE_SECONDS
        # Processes write every few seconds how they are, and what they counted: a person looks again, too.
        while not_printed(lines, printed, trouble) and looks(command) and time.monotonic() < deadline:
            printed = trouble.run(command)
        missing = not_printed(lines, printed, trouble)
        assert not missing, f"{command!r} did not print {missing}, but:\n{printed}"


def not_printed(lines: list[str], printed: str, trouble: Trouble) -> list[str]:
    return [line for line in lines if not printed_line(line, printed, trouble.names)]


def looks(command: str) -> bool:
    """Whether a command changes nothing, however often it is typed."""
    words = command.split()
    return words[1] in LOOKS or words[2:3] == ["list"] or words[1:3] == ["applicants", "show"]


def test_every_alert_names_a_command_of_the_runbook() -> None:
    alerts = (ROOT / "deploy" / "alerts.yml").read_text()
    commands = set(re.findall(r"look: .*?standing ([a-z-]+)", alerts))
    assert [command for command in sorted(commands) if f"standing {command}" not in RUNBOOK] == []


def test_every_console_block_of_the_runbook_is_tried() -> None:
    assert len(BLOCK.findall(RUNBOOK)) == RUNBOOK.count("```console")
    assert {when for when, _ in BLOCK.findall(RUNBOOK)} == set(TROUBLES)
