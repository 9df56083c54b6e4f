"""The pages about applicants: why somebody has a status, what a person decides, and whose approval fell."""

from __future__ import annotations

import json
import re
from urllib.parse import quote, unquote
from uuid import uuid4

import pytest

from tests.support import payloads
from tests.support.browser.consoles import DAY, NIGHT, READER, blacklisted
from tests.support.browser.visitor import Visitor
from tests.support.privacy import calls
from tests.support.service import Service, eventually


@pytest.fixture(scope="module")
def day(port: int) -> Visitor:
    return Visitor(port, DAY)


def address(who: str, vendor: str = "idngo") -> str:
    return f"/console/applicants/{vendor}/{quote(who, safe='')}"


def test_an_applicants_page_says_why_it_has_its_status(running: Service, operator: Visitor) -> None:
    who = blacklisted(running, "SANCTIONS")
    page = operator.get(address(who))
    assert page.status == 200
    assert "rejected because of the newest verdict or progress: applicantReviewed completed, RED:FINAL (SANCTIONS)" in page.says
    assert "Hits sanctions" in page.says
    assert "approved → ✕ rejected ✕ adverse" in page.says
    assert f"standing applicants explain idngo {who}" in page.content


def test_the_search_leads_to_the_only_applicant_of_a_reference(running: Service, operator: Visitor) -> None:
    who = blacklisted(running, "PEP")
    assert operator.get("/console/applicants", reference=who).leads_to == address(who)
    nothing = operator.get("/console/applicants", reference="nothing of the kind")
    assert (nothing.status, "Look for the person" in nothing.says) == (200, True)


def test_a_reference_that_is_unknown_gets_a_list_of_what_to_check(operator: Visitor) -> None:
    page = operator.get(address("nothing"))
    assert page.status == 404
    assert "Is it of the other environment?" in page.says


def test_the_past_is_shown_as_it_was_known_and_nothing_is_decided_there(running: Service, operator: Visitor) -> None:
    who = blacklisted(running, "PEP")
    now = operator.get(address(who))
    moments = [unquote(one) for one in re.findall(r"[?]at=([^&\"]+)", now.content)]
    assert len(moments) == 2
    assert json.loads(re.findall(r'data-times="([^"]*)"', now.content)[0].replace("&#34;", '"')) == moments
    past = operator.get(address(who), at=moments[0])
    assert "✓ approved at that moment" in past.says
    assert "The past: this is what was known" in past.says
    assert (now.has_form("/decide"), past.has_form("/decide")) == (True, False)
    assert "Nothing was known of this applicant" in operator.get(address(who), at="2020-01-01T00:00").says
    assert operator.get(address(who), at="yesterday").status == 400


def test_a_decision_belongs_to_the_trace_of_the_form_and_the_events_page_shows_it(running: Service, operator: Visitor) -> None:
    who, trace_id = blacklisted(running, "PEP"), uuid4().hex
    form = {"csrf": operator.csrf, "decision": "reject", "reason": "ticket 8"}
    sent = operator.ask("POST", f"{address(who)}/decide", form, traceparent=f"00-{trace_id}-00f067aa0ba902b7-01")
    assert (sent.status, sent.headers["traceparent"][3:35]) == (303, trace_id)
    explained = f"/v1/applicants/idngo/{who}/explanation"
    decided = eventually(lambda: [one for one in running.get(explained).json["data"] if one["trace_id"] == trace_id], "the decision")
    assert [one["event_type"] for one in decided] == ["standing.decision"]
    assert f"Trace {trace_id}" in operator.get(f"/console/events/{decided[0]['event_id']}").says


def test_an_approval_against_a_hit_takes_two_persons_and_says_so(running: Service, operator: Visitor, day: Visitor) -> None:
    who = blacklisted(running, "PEP")
    assert (
        "waits until a second operator confirms it" in operator.follow(f"{address(who)}/decide", decision="approve", reason="ticket 7").says
    )
    own = operator.until(address(who), "waits for confirmation")
    event_id = re.findall(r"/decisions/([0-9a-f-]+)/withdraw", own.content)[0]
    confirm = f"{address(who)}/decisions/{event_id}/confirm"
    assert (own.has_form("/confirm"), "You decided this yourself" in own.says) == (False, True)
    refused = operator.post(confirm, reason="seen")
    assert (refused.status, "Who decided cannot confirm it" in refused.says, 'value="seen"' in refused.content) == (409, True, True)
    queue = day.get("/console/review")
    assert queue.has_form(confirm)
    assert "is confirmed" in day.follow(confirm, reason="seen, too", **{"from": "review"}).says
    assert "✓ approved because of a person's decision" in operator.until(address(who), "Confirmed by day").says
    assert not day.get("/console/review").has_form(confirm)
    assert day.post(f"{address(who)}/decisions/{event_id}/withdraw", reason="late").status == 409


def test_a_decision_that_the_api_refuses_keeps_what_was_typed(running: Service, operator: Visitor) -> None:
    who = blacklisted(running, "PEP")
    page = operator.post(f"{address(who)}/decide", decision="perhaps", reason="ticket 8")
    assert (page.status, "Invalid value for 'decision'" in page.says, 'value="ticket 8"' in page.content) == (400, True, True)


def test_a_reader_sees_no_form_and_can_send_none(running: Service, port: int) -> None:
    reader, who = Visitor(port, READER), blacklisted(running, "PEP")
    page = reader.get(address(who))
    assert (page.status, page.has_form("/decide"), "Personal data" in page.says) == (200, False, False)
    assert reader.post(f"{address(who)}/decide", decision="reject", reason="no").status == 403
    assert reader.post("/console/review/claim", name=f"idngo/{who}").status == 403


def test_a_name_with_the_letters_of_addresses_and_pages_is_only_a_name(running: Service, operator: Visitor) -> None:
    who = f'{payloads.new_case()}/a?b#c%20é"><script>alert(1)</script>'
    running.told("ifcgate", payloads.ifcgate(who, "rejected"))
    page = operator.get(operator.get("/console/applicants", reference=who).leads_to)
    assert (page.status, "<script>alert" in page.content) == (200, False)
    assert f"ifcgate {who}" in page.says
    decide = re.findall(r'action="([^"]*/decide)"', page.content)[0]
    assert "The decision is kept" in operator.follow(decide, decision="reject", reason="ticket 9").says
    operator.until(decide.removesuffix("/decide"), "By night")


def test_an_entry_of_the_queue_is_claimed_and_given_back(running: Service, operator: Visitor, day: Visitor) -> None:
    who = payloads.new_scan()
    running.told("idenfy", payloads.idenfy(who, "SUSPECTED"))
    name = f"idenfy/{who}"
    assert "The entry is claimed." in operator.follow("/console/review/claim", name=name).says
    assert "Another person has claimed it" in day.follow("/console/review/claim", name=name).says
    assert "given back" in day.follow("/console/review/unclaim", name=name).says
    assert "does not wait" in day.follow("/console/review/claim", name="idenfy/nothing").says


def test_the_reversals_show_who_fell_and_why_and_every_change(running: Service, operator: Visitor) -> None:
    who = blacklisted(running, "SANCTIONS")
    assert re.search(rf"{who} idngo ✕ rejected on a sanctions list", operator.get("/console/reversals").says)
    changes = operator.get("/console/reversals/changes", kind="adverse")
    assert f"{who} idngo" in changes.says
    assert f",{who},idngo,rejected,on a sanctions list," in operator.get("/console/reversals", format="csv").content


def test_a_person_is_shown_across_vendors_and_exported_by_an_officer(running: Service, port: int, officer: Visitor) -> None:
    user = f"person-{payloads.new_applicant()}"
    running.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN", externalUserId=user))
    page = officer.get(f"/console/persons/{user}")
    assert (page.status, "approved by idngo" in page.says) == (200, True)
    export = officer.post(f"/console/persons/{user}/access-export", reason="asked by mail", withhold="none")
    assert (export.status, json.loads(export.content)["external_user_id"]) == (200, user)
    assert officer.post(f"/console/persons/{user}/access-export", reason="").status == 400
    assert officer.get("/console/persons/unknown").status == 404
    reader = Visitor(port, READER)
    assert not reader.get(f"/console/persons/{user}").has_form("/access-export")
    assert reader.post(f"/console/persons/{user}/access-export", reason="curious").status == 403


def test_an_officer_sees_open_erasures_and_holds_and_an_operator_does_not(running: Service, operator: Visitor, officer: Visitor) -> None:
    who, other = blacklisted(running, "PEP"), blacklisted(running, "PEP")
    named = {"vendor": "idngo", "reference": who}
    held = calls.send(running, "/v1/holds", token=NIGHT, reason="a lawsuit about it", review_at="2030-01-01T00:00:00Z", **named)
    assert held.status == 201
    calls.requested(running, **named)
    page = officer.get(address(who)).says
    assert ("a lawsuit about it" in page, "requested by night" in page, "A hold keeps it" in page) == (True, True, True)
    assert "No erasure is open, and no hold is in force." in officer.get(address(other)).says
    assert "a lawsuit" not in operator.get(address(who)).says


def test_an_erased_applicant_says_when_and_how_to_learn_more(running: Service, operator: Visitor) -> None:
    who = blacklisted(running, "PEP")
    made = calls.erased(running, vendor="idngo", reference=who)
    page = operator.until(address(who), "This applicant was erased at")
    assert (page.status, made in page.content) == (410, True)
    assert operator.get("/console/applicants", reference=who).leads_to == address(who)
