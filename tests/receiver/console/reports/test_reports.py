"""The audit log and the overview."""

from __future__ import annotations

import re

from tests.support import payloads
from tests.support.browser.consoles import NIGHT
from tests.support.browser.visitor import Page, Visitor
from tests.support.privacy import calls
from tests.support.service import Service, eventually


def rows(page: Page) -> list[list[str]]:
    """The cells of each row of the page's first table."""
    table = page.content.partition("<tbody>")[2].partition("</tbody>")[0]
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in table.split("</tr>")[:-1]]
    return [[re.sub(r"<[^>]+>", "", cell).strip() for cell in row] for row in cells]


def test_the_audit_log_is_shown_newest_first_and_as_csv(running: Service, operator: Visitor) -> None:
    who = payloads.new_applicant()
    for reason in ("first", "second"):
        hold = {"vendor": "idngo", "reference": who, "reason": reason, "review_at": "2030-01-01T00:00:00Z"}
        assert calls.send(running, "/v1/holds", token=NIGHT, **hold).status == 201
    found = operator.get("/console/audit", vendor="idngo", reference=who)
    assert [(row[2], row[4]) for row in rows(found)] == [("place a hold", "second"), ("place a hold", "first")]
    assert rows(operator.get("/console/audit", action="sign in", since="2020-01-01T00:00"))
    assert "Nothing matches" in operator.get("/console/audit", since="2999-01-01T00:00").says
    csv = operator.get("/console/audit", vendor="idngo", reference=who, format="csv")
    assert csv.content.splitlines()[1].split(",")[1:3] == ["night", "place a hold"]


def test_half_an_applicant_is_refused_on_the_page(operator: Visitor) -> None:
    said = operator.get("/console/audit", vendor="idngo")
    assert (said.status, 'role="alert"' in said.content) == (400, True)


def test_an_officer_has_no_page_for_the_audit_log(officer: Visitor) -> None:
    assert officer.get("/console/audit").status == 403
    assert 'href="/console/audit"' not in officer.get("/console/sessions").content


def test_the_overview_counts_by_day_and_by_vendor_or_kind(running: Service, operator: Visitor) -> None:
    body = payloads.idngo(payloads.new_applicant(), answer="GREEN")

    def counted() -> list[int]:
        """How many deliveries of IDnGO were kept today, and how many were duplicates."""
        return [int(cell) for cell in rows(operator.get("/console/overview", vendor="idngo"))[0][1:]]

    before = counted()
    for _ in range(2):
        running.kept("idngo", body)
    eventually(lambda: all(now > then for now, then in zip(counted(), before, strict=True)), "the deliveries to be counted")
    found = operator.get("/console/overview", vendor="idngo")
    assert len(rows(found)) == 30
    assert found.content.count('<svg class="chart" viewBox="0 0 720') == 3
    by_vendor = operator.get("/console/overview")
    assert "idngo" in by_vendor.content.partition('<ul class="legend">')[2].partition("</ul>")[0]
    assert "kept" in operator.get("/console/overview", by="kind").content.partition('<ul class="legend">')[2].partition("</ul>")[0]


def test_the_overview_says_what_waits(running: Service, operator: Visitor) -> None:
    who = payloads.new_scan()
    running.told("idenfy", payloads.idenfy(who, "SUSPECTED"))
    eventually(lambda: re.search(r"Applicants in doubt [1-9]", operator.get("/console/overview").says), "it to be counted")
