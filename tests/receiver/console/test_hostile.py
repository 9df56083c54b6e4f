"""Whatever vendors write, pages show it as text: a page's own script in every field of every body, one body for each."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.receiver.console.conftest import beside_a_service
from tests.receiver.console.test_pages import opened
from tests.receiver.console.test_routes import GETS, RIGHTS
from tests.support import payloads
from tests.support.browser import looks
from tests.support.browser.consoles import NIGHT, OFFICER, Console
from tests.support.browser.pages import Pages
from tests.support.browser.visitor import Visitor
from tests.support.service import eventually

#: What would run, were it no text: out of a text, an attribute, a script.
MARKUP = ('<script>fetch("/x")</script>', "<img src=x onerror=alert(1)>", "<svg onload=alert(2)>")

#: What a sheet takes for the beginning of a formula.
FORMULAS = ("=", "+", "-", "@", "\t")

#: Fields that pages show.
SHOWN = {
    "verdict.applicantId", "verdict.externalUserId", "verdict.levelName", "verdict.type", "verdict.reviewStatus",
    "verdict.reviewResult.reviewAnswer", "verdict.reviewResult.rejectLabels.0", "verdict.reviewResult.moderationComment",
    "verification.scanRef", "verification.clientId", "verification.status.overall", "verification.status.fraudTags.0",
    "monitoring.status", "monitoring.scanRefList.0", "document.scanRef", "document.expirationThreshold", "case.case_id", "case.event",
    "case.status", "case.workflow",
}  # fmt: skip

#: Links to what is looked at otherwise: another moment, another environment, a file, a form.
SAME = r"[?&](at|environment|format)=|/new[?]|/proof$"

#: Pages that are looked at, as far as links lead to them.
PAGES_MAX = 500


def attack(name: str) -> str:
    """What a vendor writes into a field."""
    return (
        f"""{name}'"></textarea></title></script><script>fetch("/x")</script><img src=x onerror=alert(1)><svg onload=alert(2)>{{{{7*7}}}}"""
    )


BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "verdict": ("idngo", payloads.idngo("applicant", answer="RED", reject="RETRY", labels=["FORGERY"])),
    "verification": ("idenfy", payloads.idenfy("scan", "SUSPECTED", tags=["FACE"])),
    "approval": ("idenfy", payloads.idenfy("scan", externalRef="", clientLocation="", companyId="", beneficiaryId="")),
    "monitoring": ("idenfy", payloads.idenfy_monitoring(["scan"])),
    "document": ("idenfy", payloads.idenfy_document("scan")),
    "case": ("ifcgate", payloads.ifcgate("case")),
}  # fmt: skip


def attacked_bodies() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each body once for each of its texts, with an attack in it: the field's name, the vendor, the body."""
    for kind, (vendor, body) in BODIES.items():
        for place in places(body):
            name = ".".join((kind, *map(str, place)))
            yield name, vendor, put(fresh(body), place, attack(name))


def places(value: Any, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*before, key))
    elif value is None or isinstance(value, str):
        yield before


def put(value: Any, place: tuple[str | int, ...], text: str) -> Any:
    if not place:
        return text
    changed = value.copy()
    changed[place[0]] = put(value[place[0]], place[1:], text)
    return changed


def fresh(body: dict[str, Any]) -> dict[str, Any]:
    """A body about an applicant of its own, that no other body names."""
    own = {"applicantId": payloads.new_applicant(), "scanRef": payloads.new_scan(), "case_id": payloads.new_case()}
    scans = {"scanRefList": [own["scanRef"]], "monitoringId": own["scanRef"]} if "scanRefList" in body else {}
    return body | {name: value for name, value in own.items() if name in body} | scans


@dataclass
class Attacked:
    """A console after the attack."""

    console: Console
    names: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def attacked(migrated_sqlite: Path, valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    with beside_a_service(tmp_path_factory.mktemp("attacked"), migrated_sqlite, valkey_url) as console:
        found = Attacked(console)
        for name, vendor, body in attacked_bodies():
            console.kept(vendor, body)
            found.names.append(name)
        console.kept("idenfy", payloads.idenfy(payloads.new_scan()), event_type=attack("header"))
        for first in FORMULAS:
            console.kept("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN", externalUserId=f"{first}HYPERLINK(1)"))
        console.kept("ifcgate", payloads.ifcgate(payloads.new_case()) | {attack("a key of the vendor"): 1})
        eventually(lambda: not console.get("/v1/events", status="pending").json["data"], "all to be handled", seconds=60)
        yield found


def links(page: str) -> set[str]:
    """The pages of ours that a page links to."""
    found = {html.unescape(address) for address in re.findall(r'<a [^>]*href="([^"]*)"', page)}
    return {address for address in found if address.startswith("/console/") and not re.search(SAME, address)}


def kept_as_text(content: str, path: str) -> None:
    """Whether a page has no markup but its own."""
    assert not [raw for raw in MARKUP if raw in content], path
    assert "49}" not in content


def test_every_text_of_a_vendor_is_text_on_every_page_that_links_lead_to(attacked: Attacked) -> None:
    visitor = attacked.console.visitor(NIGHT)
    seen: set[str] = set()
    ahead, shown = {"/console/"}, ""
    while ahead and len(seen) < PAGES_MAX:
        path = ahead.pop()
        seen.add(path)
        page = visitor.get(path)
        assert page.status in (200, 302, 303, 404, 410), (path, page.status)
        kept_as_text(page.content, path)
        shown += html.unescape(page.content)
        ahead |= ({page.leads_to} if page.leads_to else links(page.content)) - seen
    assert not ahead, f"{len(ahead)} pages are left"
    shown_names = {name for name in attacked.names if f"{name}'" in shown}
    assert shown_names >= SHOWN


def test_revealed_bodies_and_lists_as_files_hold_no_markup_either(attacked: Attacked) -> None:
    visitor, shown = attacked.console.visitor(NIGHT), ""
    for event in attacked.console.get("/v1/events", limit=500).json["data"]:
        path = f"/console/events/{event['id']}"
        revealed = visitor.post(f"{path}/body", reason=attack("reason"))
        for page in (revealed, visitor.get(path, body="masked")):
            assert page.status == 200
            kept_as_text(page.content, path)
        shown += html.unescape(revealed.content)
    assert [name for name in [*attacked.names, "a key of the vendor"] if f"{name}'" not in shown] == []
    for path in ("/console/events", "/console/applicants", "/console/review"):
        page = visitor.get(path, format="csv")
        cells = [cell for row in csv.reader(io.StringIO(page.content)) for cell in row]
        assert [cell for cell in cells if cell[:1] in FORMULAS] == []
        assert path != "/console/applicants" or sum("HYPERLINK" in cell for cell in cells) == len(FORMULAS)
        kind = page.headers["content-type"], page.headers["x-content-type-options"]
        assert (page.status, kind) == (200, ("text/csv; charset=utf-8", "nosniff"))
        assert page.headers["content-disposition"].startswith("attachment;")


def test_what_a_visitor_writes_is_text_too(attacked: Attacked) -> None:
    for token, rights in RIGHTS.items():
        visitor = attacked.console.visitor(token)
        for route in GETS:
            if route.right in rights:
                path = route.path({name: attack(name) for name in re.findall(r":(\w+)>", route.rule)})
                page = visitor.get(path, **{name: attack(name) for name in parameters(visitor, urlsplit(path).path)})
                assert page.status in (200, 302, 303, 400, 404, 409, 410), (path, page.status)
                kept_as_text(page.content, path)


def parameters(visitor: Visitor, path: str) -> set[str]:
    """The names that a page's forms send with the address, and some that views read."""
    return {*re.findall(r'name="(\w+)"', visitor.get(path).content), "cursor", "environment", "next", "at", "body", "from", "reason"} - {
        "csrf"
    }


def test_no_script_of_a_vendor_runs_in_a_browser(pages: Pages, attacked: Attacked) -> None:
    page = opened(pages, attacked.console, NIGHT)
    first = next(body["applicantId"] for name, _, body in attacked_bodies() if name == "verdict.applicantId")
    for path in ("", "applicants", "events", "events/failed", "review", "reversals", "reactions", "vendors", "overview", "audit"):
        page.goto(f"/console/{path}")
        assert page.title().endswith("Standing")
    with pages.expected("status of 4|^$"):
        page.goto("/console/events/nothing")
    page.goto("/console/applicants")
    page.get_by_label("Search an applicant by reference").fill(first)
    page.get_by_role("button", name="Search").click()
    assert first.split("'")[0] in page.locator("main").inner_text()
    looks.narrow(page)
    assert looks.sideways(page) == []
    page.goto("/console/applicants")
    looks.narrow(page)
    assert looks.sideways(page) == []
    officer = opened(pages, attacked.console, OFFICER)
    officer.goto("/console/erasures/new")
    officer.get_by_label("Reason (needed)").fill(attack("reason"))
    officer.get_by_label("Reference", exact=True).fill(first)
    officer.get_by_label("Vendor", exact=True).select_option("idngo")
    officer.get_by_role("button", name="Request the erasure").click()
    officer.goto("/console/erasures")
    assert "reason" in officer.locator("main").inner_text().lower()
