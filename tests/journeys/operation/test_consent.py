"""Every command is declared: it reads, or changes, or runs a part of the service. Those that change say so, ask, and are recorded."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import quote

import click
import pytest
from sqlalchemy import create_engine, insert, update
from sqlalchemy.pool import NullPool

from store.cli.terminal import consent
from store.cli.terminal.consent import Effect
from store.database.operations_tables import ConsoleSession, Subscriber
from store.database.tables import ApplicantRow, EventRow
from store.database.vendor_tables import VerificationRequest
from store.inbox.sealing.encryption import key_id
from store.system import clock
from tests.conftest import KEY
from tests.docs.test_pages import page
from tests.receiver.connections.test_strangers import OPERATOR, OTHER_OPERATOR
from tests.support import payloads
from tests.support.service import Service, end, eventually
from tests.support.vendors import asking, played, starts
from tests.support.vendors.asking import CREDENTIALS

NEW_KEY = base64.b64encode(b"another key of 32 bytes, for us!").decode()

#: A privacy officer, who acts, and another one.
OFFICER, DEPUTY = "protect-me-if-you-may", "approve-me-if-you-may"

#: A verification of iDenfy, which does not delete it: its token is valid.
UNDELETED = payloads.new_scan()

#: The commands that a privacy officer is asked for.
OF_OFFICERS = ("erasures", "holds", "relationship", "retention")

#: An endpoint that nobody listens at: an example is sent, and not taken.
ENDPOINT = {
    "NOTIFY_URLS": "https://127.0.0.1:9/x",
    "NOTIFY_PRIVATE_HOSTS": "127.0.0.1",
    "NOTIFY_SECRETS": "whsec_" + base64.b64encode(bytes(32)).decode(),
}


def leaves(commands: Iterator[click.Command], before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that can be run, by its words."""
    for command in commands:
        words = f"{before} {command.name}".strip()
        if isinstance(command, click.Group) and not command.invoke_without_command:
            yield from leaves(iter(command.commands.values()), words)
        elif isinstance(command, click.Group):
            yield words, command
            yield from leaves(iter(command.commands.values()), words)
        else:
            yield words, command


COMMANDS = dict(leaves(command for entry in entry_points(group="standing.commands") for command in entry.load()))


def of(effect: Effect) -> set[str]:
    return {words for words, command in COMMANDS.items() if consent.effect_of(command) == effect}


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_is_declared_and_asks_only_if_it_changes_something(words: str) -> None:
    command = COMMANDS[words]
    asks = any("--yes" in parameter.opts for parameter in command.params)
    assert asks == (consent.effect_of(command) == Effect.CHANGES)


def test_the_page_names_the_commands_that_change_and_those_that_run_a_part_of_the_service() -> None:
    named = {
        effect: set(re.findall(r"`standing ([a-z -]+)`", line))
        for effect, start in ((Effect.CHANGES, "They change something, ask"), (Effect.RUNS, "They run a part of the service"))
        for line in page("commands").splitlines()
        if line.startswith(start)
    }
    assert named == {effect: of(effect) for effect in named}
    assert len(named) == 2


@pytest.fixture
def service(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Service]:
    """A service whose vendor can be asked."""
    with ExitStack() as stack:
        vendors = stack.enter_context(played.playing(CREDENTIALS))
        service = stack.enter_context(asking.service(vendors, database_url, redis_url, tmp_path))
        drifted = payloads.new_applicant()
        service.told("idngo", payloads.idngo(drifted, answer="GREEN"))
        played.play(vendors, f"idngo/{drifted}", {"status": "RED:FINAL", "at": "2026-06-01T00:00:00Z"})
        played.play(vendors, f"idenfy/{UNDELETED}", {"status": "APPROVED", "token_lives": True})
        yield service


def refused(service: Service) -> str:
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["PEP"]))
    return who


def in_doubt(service: Service) -> str:
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, answer="YELLOW"))
    return who


def waits_for_a_second_operator(service: Service) -> str:
    who, body = refused(service), json.dumps({"decision": "approve", "reason": "x"}).encode()
    event_id: str = service.request("POST", f"/v1/applicants/idngo/{who}/decisions", body, token=OPERATOR).json["event_id"]
    service.settled(event_id)
    return event_id


def proposed_replay(service: Service) -> str:
    body = json.dumps({"reason": "x", "outcome": "applied"}).encode()
    replay: str = service.request("POST", "/v1/replays", body, token=OPERATOR).json["id"]
    eventually(lambda: service.get(f"/v1/replays/{replay}", token=OPERATOR).json["status"] == "proposed", "the forecast")
    return replay


def wrongly_shown(service: Service) -> None:
    who = refused(service)
    engine = create_engine(service.environment["DATABASE_URL"], poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(update(ApplicantRow).where(ApplicantRow.reference == who).values(status="approved"))


def taken_out(service: Service) -> str:
    """The name of an endpoint that no process serves any more."""
    engine, name = create_engine(service.environment["DATABASE_URL"], poolclass=NullPool), "gone.example 12345678"
    with engine.begin() as connection:
        connection.execute(insert(Subscriber).values(name=name, seen=0, failures=0, retired_at=clock.now()))
    return name


def by_another(service: Service, *arguments: str, token: str = OPERATOR) -> str:
    """What another person did on the command line: its id."""
    mine = service.environment["STANDING_TOKEN"]
    service.environment["STANDING_TOKEN"] = token
    try:
        done = service.standing(*arguments, "--reason", "x", "--yes", "--json")
    finally:
        service.environment["STANDING_TOKEN"] = mine
    assert done.returncode == 0, done.stderr
    made: str = json.loads(done.stdout)["id"]
    return made


def erased(service: Service) -> str:
    """An erasure that is done."""
    made = by_another(service, "erasures", "request", "idngo", in_doubt(service))
    return by_another(service, "erasures", "approve", made, token=DEPUTY)


def waits_for_its_vendor(service: Service) -> str:
    """An erasure of a verification that iDenfy does not delete."""
    service.told("idenfy", payloads.idenfy(UNDELETED, "APPROVED"))
    made = by_another(service, "erasures", "request", "idenfy", UNDELETED)
    return by_another(service, "erasures", "approve", made, "--with-vendor", token=DEPUTY)


def due(service: Service) -> None:
    """An applicant whose last event was received long ago."""
    who = in_doubt(service)
    engine = create_engine(service.environment["DATABASE_URL"], poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(update(EventRow).where(EventRow.reference == who).values(received_at=clock.parse_date("2020-02-29")))


def image(folder: Path) -> list[str]:
    """The options that name one document."""
    (folder / "front.jpg").write_bytes(b"\xff\xd8\xff\xe0 a picture")
    return ["--document", f"PASSPORT:KZ={folder}/front.jpg"]


def signed_in(service: Service) -> str:
    """A session of the console."""
    engine, made, now = create_engine(service.environment["DATABASE_URL"], poolclass=NullPool), str(uuid.uuid4()), clock.now()
    how, times = {"right": "read", "proved_by": "token"}, {"began_at": now, "seen_at": now, "proved_at": now}
    with engine.begin() as connection:
        connection.execute(insert(ConsoleSession).values(id=made, secret_digest=made.encode(), person="reader", **how, **times))
    return made


def begun(service: Service) -> str:
    """A verification that waits for images, and is due to be tried again."""
    wanted = starts.wanted("idngo", mode="documents", documents=[{"type": "PASSPORT", "country": "KZ", "part": "front"}])
    made: str = starts.start(service, wanted, token=OPERATOR).json["id"]
    starts.until(service, made, "waiting_for_documents", token=OPERATOR)
    engine = create_engine(service.environment["DATABASE_URL"], poolclass=NullPool)
    with engine.begin() as connection:
        later = clock.now() + timedelta(days=1)
        connection.execute(update(VerificationRequest).where(VerificationRequest.id == made).values(due_at=later))
    return made


def prepared(service: Service, words: str, folder: Path) -> list[str]:
    """What has to be, for a command to have something to do; gives its arguments."""
    event_id = service.get("/v1/events").json["data"][0]["id"]
    known = folder / "known.csv"
    known.write_text(f"vendor,reference,status,at,source\nidngo,{payloads.new_applicant()},approved,2025-01-01T00:00:00Z,old\n")
    match words:
        case "decide":
            return ["idngo", refused(service), "reject", "--reason", "x"]
        case "decisions confirm" | "decisions withdraw":
            return [waits_for_a_second_operator(service), "--reason", "x"]
        case "replay":
            return [event_id, "--reason", "x"]
        case "replays resume" | "replays cancel":
            return [proposed_replay(service)]
        case "rebuild":
            wrongly_shown(service)
            return ["--apply"]
        case "reactions run":
            return ["--failed"]
        case "review claim":
            return [f"idngo/{in_doubt(service)}"]
        case "review unclaim":
            name = f"idngo/{in_doubt(service)}"
            assert service.request("PUT", f"/v1/review/{quote(name, safe='')}/claim", token=OPERATOR).status == 200
            return [name]
        case "events dismiss":
            return [service.told("idngo", {"applicantId": payloads.new_applicant()})["id"], "--reason", "x"]
        case "notify forget":
            return [taken_out(service)]
        case "notify resume":
            eventually(lambda: "log" in service.subscribers(), "the log to follow the feed")
            return ["log"]
        case "reconcile":
            return ["idngo", "--all", "--repair", "--reason", "x"]
        case "import":
            return [str(known)]
        case "relationship end" | "relationship reopen":
            return ["user-1", "--basis", "x"]
        case "holds place":
            return ["--user", "user-1", "--reason", "x", "--review-at", "2099-01-01"]
        case "holds lift":
            return [by_another(service, "holds", "place", "--user", "user-1", "--review-at", "2099-01-01"), "--reason", "x"]
        case "erasures request":
            return ["--user", "user-2", "--reason", "x"]
        case "erasures approve":
            return [by_another(service, "erasures", "request", "idngo", in_doubt(service)), "--reason", "x"]
        case "erasures refuse":
            made = by_another(service, "erasures", "request", "idngo", in_doubt(service))
            return [made, "--reason", "x", "--basis", "law", "--until", "2099-01-01"]
        case "erasures vendor-done":
            return [waits_for_its_vendor(service), "--reason", "x"]
        case "erasures readmit":
            return [erased(service), "--reason", "x"]
        case "retention run":
            due(service)
            service.environment["RETENTION"] = "other:1y"
            return ["--max", "1", "--reason", "x"]
        case "log new-epoch":
            return ["--reason", "x"]
        case "sessions end":
            return [signed_in(service)]
        case "start hosted":
            return ["idngo", uuid.uuid4().hex, "--level", "basic-kyc-level"]
        case "start documents":
            return ["idngo", uuid.uuid4().hex, "--level", "basic-kyc-level", *image(folder)]
        case "start send":
            return [begun(service), *image(folder)]
        case "start retry" | "start submit" | "start cancel":
            return [begun(service)]
        case "ifcgate extract":
            return ["passport", "https://files.example.com/passport", "--reason", "x"]
        case "ifcgate route":
            return ["case_1", "--queue", "manual", "--reason", "x"]
        case _:
            return []


def acts(service: Service) -> list[str]:
    return [json.loads(line)["action"] for line in service.standing("audit", "list", "--limit", "500", "--json").stdout.splitlines()]


def holds_good(service: Service, words: str, arguments: list[str]) -> None:
    """Asked and not answered, it says what it would do, and nothing is recorded; with consent it is done, and one act is recorded."""
    before = acts(service)
    unasked = service.standing(*words.split(), *arguments)
    assert (unasked.returncode, "[y/N]" in unasked.stderr, "Aborted!" in unasked.stderr) == (1, True, True), (words, unasked.stderr)
    assert len(unasked.stderr.splitlines()) > 1, f"{words} does not say what it will do"
    assert acts(service) == before, words
    done = service.standing(*words.split(), *arguments, "--yes")
    assert acts(service) != before, (words, done.stdout, done.stderr)


def test_every_command_that_changes_something_asks_and_is_recorded(service: Service, tmp_path: Path) -> None:
    service.environment |= {"STANDING_TOKEN": OTHER_OPERATOR} | ENDPOINT
    for words in sorted(of(Effect.CHANGES) - {"restore", "keys rotate", "keys destroyed", "erasures accept-ledger"}):
        service.environment["STANDING_TOKEN"] = OFFICER if words.startswith(OF_OFFICERS) else OTHER_OPERATOR
        holds_good(service, words, prepared(service, words, tmp_path))
    Path(service.environment["VAR_DIR"], "erasures.ledger").unlink()
    holds_good(service, "erasures accept-ledger", ["--reason", "x"])
    # Only now: the workers could not read what a command encrypts with a key that they do not have.
    service.environment["ENCRYPTION_KEYS"] = f"{NEW_KEY},{KEY}"
    holds_good(service, "keys rotate", [])
    service.environment["ENCRYPTION_KEYS"] = NEW_KEY
    holds_good(service, "keys destroyed", [key_id(base64.b64decode(KEY))])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_restoring_asks_and_is_recorded(service: Service, tmp_path: Path) -> None:
    assert service.standing("backup", str(tmp_path / "b.sqlite3")).returncode == 0
    end(*service.processes)
    holds_good(service, "restore", [str(tmp_path / "b.sqlite3")])
