"""The proof of each row in the console: one file, which the program of auditors verifies offline."""

from __future__ import annotations

import base64
import csv
import html
import json
import re
from pathlib import Path

from playwright.sync_api import expect

from tests.conftest import KEY
from tests.receiver.console.test_pages import opened
from tests.support import payloads
from tests.support.browser import keyboard
from tests.support.browser.consoles import NIGHT, OFFICER, READER, Console, Night, beside
from tests.support.browser.pages import Pages
from tests.support.browser.visitor import Page, Visitor
from tests.support.privacy import calls
from tests.support.proof import auditor
from tests.support.proof.auditor import content, opening
from tests.support.service import Service, eventually


def settings(database_url: str, redis_url: str) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}


def approved(service: Service) -> tuple[str, str]:
    """An applicant that is approved, and the event that said so."""
    who = payloads.new_applicant()
    return who, service.told("idngo", payloads.idngo(who, answer="GREEN"))["id"]


def proof(visitor: Visitor, address: str) -> Page:
    """The answer at the address of a proof, once it is logged."""

    def look() -> Page | None:
        page = visitor.get(address)
        return None if "retry-after" in page.headers else page

    return eventually(look, f"the proof at {address}")


def proofs(page: Page) -> list[str]:
    """The addresses of the proofs that a page leads to."""
    return [html.unescape(found) for found in re.findall(r'href="(/console/[^"]*/proof)"', page.content)]


def saved(folder: Path, page: Page) -> str:
    """The name of a file that a browser saves."""
    name = re.fullmatch(r'attachment; filename="([\w.-]+)"', page.headers["content-disposition"])
    assert name
    assert (page.status, page.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    (folder / name[1]).write_text(page.content, encoding="utf-8")
    return name[1]


def verified(folder: Path, keys: str, *names: str) -> tuple[int, str]:
    """What the auditor's program says of files that were saved, with the keys of one of them."""
    done = auditor.run(folder, (folder / keys).read_text().split(), names)
    return done.returncode, done.stdout + done.stderr


def test_every_event_change_act_erasure_and_hold_leads_to_its_proof_which_is_verified_offline(
    running: Service, operator: Visitor, officer: Visitor, tmp_path: Path
) -> None:
    who, event = approved(running)
    calls.send(running, "/v1/holds", token=NIGHT, vendor="idngo", reference=who, reason="a lawsuit", review_at="2030-01-01T00:00:00Z")
    erasure = calls.requested(running, vendor="idngo", reference=who)
    running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", at=payloads.after(days=7)))
    proof(operator, f"/console/events/{event}/proof")
    keys = saved(tmp_path, operator.get("/console/log/keys"))
    pages = {
        "event": (operator, f"/console/events/{event}"),
        "change": (operator, f"/console/applicants/idngo/{who}"),
        "change of a reversal": (operator, "/console/reversals/changes"),
        "act": (operator, f"/console/audit?vendor=idngo&reference={who}"),
        "erasure": (officer, f"/console/erasures/{erasure}"),
        "hold": (officer, "/console/holds"),
    }
    names = [saved(tmp_path, operator.get("/console/log/checkpoint"))]
    for kind, (visitor, path) in pages.items():
        addresses = proofs(visitor.get(path))
        assert addresses, kind
        names.append(saved(tmp_path, proof(visitor, addresses[0])))
        assert names[-1].startswith(f"{kind.partition(' ')[0]}-"), kind
        assert names[-1].endswith(".tlog-proof")
    names.append(saved(tmp_path, operator.get("/console/log/consistency", **{"from": names[0].removeprefix("log-").partition(".")[0]})))
    status, said = verified(tmp_path, keys, *names)
    assert status == 0, said
    altered = (tmp_path / names[1]).read_text().replace("extra e", "extra f", 1)
    (tmp_path / names[1]).write_text(altered)
    assert verified(tmp_path, keys, *names)[0] == 1


def test_each_change_of_the_timeline_and_of_the_list_has_its_own_proof(running: Service, operator: Visitor) -> None:
    who, _ = approved(running)
    running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", at=payloads.after(days=7)))
    wanted = [f"/console/changes/{change['number']}/proof" for change in running.history("idngo", who)]
    found = proofs(operator.get(f"/console/applicants/idngo/{who}"))
    assert sorted(found) == sorted(wanted * 2)
    assert content(proof(operator, wanted[1]).content)["applicant"]["status"] == "rejected"


def test_a_list_as_csv_has_each_id_once_and_no_column_of_proofs(running: Service, operator: Visitor, officer: Visitor) -> None:
    who, _ = approved(running)
    running.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", at=payloads.after(days=7)))
    calls.send(running, "/v1/holds", token=NIGHT, vendor="idngo", reference=who, reason="a lawsuit", review_at="2030-01-01T00:00:00Z")
    lists = {"id": [(officer, "/console/holds"), (operator, "/console/audit")], "cursor": [(operator, "/console/reversals/changes")]}
    for name, pages in lists.items():
        for visitor, path in pages:
            header, first, *_ = csv.reader(visitor.get(path, format="csv").content.splitlines())
            assert (header.count(name), len(set(header))) == (1, len(header)), path
            assert (header[-1], bool(first[-1]), "proof" in "".join(first)) == (name, True, False), path
            assert proofs(visitor.get(path)), path


def test_an_officers_proof_has_the_body_after_a_reason_alone_and_that_is_recorded(
    running: Service, officer: Visitor, operator: Visitor, tmp_path: Path
) -> None:
    who, event = approved(running)
    address = f"/console/events/{event}/proof"
    assert set(opening(proof(officer, address).content)) == {"leaf", "salt", "content"}
    assert officer.get(f"/console/events/{event}").has_form(address)
    assert not operator.get(f"/console/events/{event}").has_form(address)
    blank = officer.post(address, reason=" ")
    assert (blank.status, "Say why you read the body" in blank.says) == (400, True)
    read = {"action": "read a body", "order": "newest"}
    before = running.get("/v1/audit", token=NIGHT, **read).json["data"]
    whole = officer.post(address, reason="the auditor asks")
    assert json.loads(base64.b64decode(opening(whole.content)["body"]))["applicantId"] == who
    keys = saved(tmp_path, operator.get("/console/log/keys"))
    status, said = verified(tmp_path, keys, saved(tmp_path, whole))
    assert (status, "content and body verified" in said) == (0, True), said
    acts = running.get("/v1/audit", token=NIGHT, **read).json["data"]
    [new] = [act for act in acts if act not in before]
    assert (new["actor"], new["subject"], new["reason"]) == ("officer", f"event {event}", "the auditor asks")


def test_what_is_not_logged_yet_is_a_page_that_says_to_try_again(database_url: str, redis_url: str, tmp_path: Path) -> None:
    with Service(tmp_path, settings(database_url, redis_url), worker=False) as service, beside(service) as port:
        event = service.kept("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
        reader, officer = Visitor(port, READER), Visitor(port, OFFICER)
        waits = reader.get(f"/console/events/{event}/proof")
        assert (waits.status, waits.headers["retry-after"]) == (404, "5")
        assert "This is not logged yet. It is kept." in waits.says
        assert f'href="/console/events/{event}/proof"' in waits.content
        again = officer.post(f"/console/events/{event}/proof", reason="the auditor asks")
        assert (again.status, 'value="the auditor asks"' in again.content) == (404, True)
        log = reader.get("/console/log")
        assert (log.status, "Nothing was ever signed" in log.says, "Nothing is logged yet" in log.says) == (200, True, True)
        assert "No checkpoint is signed." in log.says
        assert "Nothing was compared with the log yet." in log.says
        assert [reader.get(f"/console/log/{name}").status for name in ("checkpoint", "keys")] == [404, 404]
        service.start_worker()
        assert proof(reader, f"/console/events/{event}/proof").status == 200


# in a browser ---------------------------------------------------------------------------------------------------


def test_files_are_had_by_keyboard_and_without_scripts(pages: Pages, console: Console, night: Night) -> None:
    page = opened(pages, console, READER, javascript=False)
    page.goto(f"/console/events/{night.applied}")
    with page.expect_download() as proof:
        page.get_by_role("link", name="Download the proof").click()
    assert proof.value.suggested_filename == f"event-{night.applied}.tlog-proof"
    assert proof.value.path().read_text().startswith("c2sp.org/tlog-proof@v1\n")
    page.get_by_role("link", name="Log", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log")
    expect(page.get_by_role("button", name=re.compile("Copy"))).to_have_count(0)
    size = page.get_by_label("Leaves of the older checkpoint")
    keyboard.tab_to(page, size)
    page.keyboard.type("1")
    with page.expect_download() as consistency:
        page.keyboard.press("Enter")
    assert consistency.value.suggested_filename == "log-from-1.consistency"
    assert consistency.value.path().read_text().startswith("old 1\n")
