"""The pages about the service: events and dead letters, replays, reactions, reconciliations and vendors."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.journeys.downstream.test_reacting import Telling, telling
from tests.journeys.oncall.test_replaying import Mishap, mishap
from tests.support import payloads
from tests.support.browser import consoles
from tests.support.browser.consoles import NIGHT, READER
from tests.support.browser.visitor import Page, Visitor
from tests.support.downstream import Downstream, Reply
from tests.support.service import Service, free_port

__all__ = ["mishap"]

pytestmark = pytest.mark.one_database


def opened(service: Service, token: str = NIGHT) -> Visitor:
    """A person at a console beside the service, which is started if there is none."""
    if "CONSOLE_PORT" not in service.environment:
        service.environment["CONSOLE_PORT"] = str(port := free_port())
        consoles.start(service, port)
    return Visitor(int(service.environment["CONSOLE_PORT"]), token)


def links(page: Page, beginning: str) -> list[str]:
    """The addresses that a page leads to, of those that begin so."""
    return [html.unescape(found) for found in re.findall(rf'href="({re.escape(beginning)}[^"]*)"', page.content)]


def acts(service: Service) -> list[tuple[str, str, str | None]]:
    listed = service.get("/v1/audit", token=NIGHT).json["data"]
    return [(act["actor"], act["action"], act["reason"]) for act in listed if act["action"] not in ("sign in", "look up")]


def test_a_group_of_dead_letters_leads_to_a_replay_that_forecasts_before_it_changes_anything(mishap: Mishap) -> None:
    whose = mishap.fail(2)
    mishap.repair()
    night = opened(mishap.service)
    groups = night.get("/console/events/failed")
    assert "Replay these" in groups.says
    [of_group] = links(groups, "/console/events?status=failed")
    assert "2 shown" in night.get(of_group).says
    [prefilled] = links(groups, "/console/replays/new?")
    form = night.get(prefilled)
    assert ('<option value="failed" selected>' in form.content, 'value="100"' in form.content) == (True, True)
    blank = night.post("/console/replays", outcome="failed", max_changes="1", reason=" ")
    assert (blank.status, 'value="1"' in blank.content) == (400, True)
    asked = night.post("/console/replays", outcome="failed", max_changes="1", reason="the mapping is repaired")
    proposed = night.until(asked.leads_to, "The forecast is ready")
    assert "2 events handled again would change 2 applicants: 0 approvals fall, and 2 rise." in proposed.says
    assert "2 applicants would change, and 1 may" in proposed.says
    assert ("data-live" in proposed.content, mishap.standing(whose)) == (False, [None, None])
    night.post(f"{asked.leads_to}/run", max_changes="1")
    night.until(asked.leads_to, "It stopped: more applicants would change than are allowed to.")
    night.follow(f"{asked.leads_to}/run", max_changes="2")
    done = night.until(asked.leads_to, "It is done.")
    assert ("Of those repaired 2" in done.says, done.has_form("/cancel")) == (True, False)
    assert mishap.standing(whose) == ["approved", "approved"]
    late = night.post(f"{asked.leads_to}/cancel")
    assert (late.status, "This replay has ended." in late.says) == (409, True)


def test_a_dead_letter_is_dismissed_with_a_reason_from_the_list_or_from_its_page(mishap: Mishap) -> None:
    mishap.fail(2)
    night = opened(mishap.service)
    listed = night.get("/console/events", status="failed")
    first, second = (address.rpartition("/")[2] for address in links(listed, "/console/events/0"))
    assert listed.content.count('type="checkbox" name="event_id"') == 2
    assert "1 event dismissed." in night.follow("/console/events/dismiss", event_id=first, reason="a rehearsal").says
    again = night.follow("/console/events/dismiss", event_id="nothing", reason="a rehearsal")
    assert "0 events dismissed. 1 event could not be" in again.says
    page = night.follow(f"/console/events/{second}/dismiss", reason="a rehearsal, too")
    assert (page.status, "The event is dismissed." in page.says, page.has_form("/dismiss")) == (200, True, False)
    assert "No dead letter" in night.get("/console/events/failed").says
    assert acts(mishap.service) == [("night", "dismiss", "a rehearsal"), ("night", "dismiss", "a rehearsal, too")]


def test_a_body_is_masked_until_it_is_revealed_with_a_reason_and_is_shown_as_text(service: Service) -> None:
    who = payloads.new_applicant()
    hostile = "<script>alert(1)</script>\u202e"
    event = service.told("idngo", payloads.idngo(who, answer="GREEN", clientComment=hostile))
    night, path = opened(service), f"/console/events/{event['id']}"
    assert "•••" not in night.get(path).says
    masked = night.get(path, body="masked")
    assert ('"reviewAnswer": "GREEN"' in masked.says, "alert" in masked.content) == (True, False)
    assert links(masked, f"/console/events/{event['id']}?") == []
    assert night.post(f"{path}/body", reason="").status == 400
    revealed = night.post(f"{path}/body", reason="ticket 7")
    assert '"clientComment": "<script>alert(1)</script>·"' in revealed.says
    assert "<script>alert" not in revealed.content
    assert acts(service) == [("night", "read a body, masked", None), ("night", "read a body", "ticket 7")]


def test_who_may_only_read_sees_what_was_sent_and_can_change_nothing(service: Service) -> None:
    event = service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    reader, path = opened(service, READER), f"/console/events/{event['id']}"
    page = reader.get(path)
    assert (page.status, 'action="/console/events' in page.content) == (200, False)
    assert "Ask a vendor" not in reader.get("/console/reconcile").says
    tried = [f"{path}/{act}" for act in ("body", "replay", "dismiss")] + [
        "/console/replays",
        "/console/reactions/run",
        "/console/reconcile",
    ]
    assert [reader.post(one, reason="x").status for one in tried] == [403] * len(tried)
    assert [reader.get(one).status for one in ("/console/replays", "/console/replays/new")] == [403, 403]


def test_an_event_is_handled_again_from_its_page(service: Service) -> None:
    event = service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    path = f"/console/events/{event['id']}"
    page = opened(service).follow(f"{path}/replay")
    assert (page.status, "A worker handles the event again." in page.says) == (200, True)
    assert f"{event['reference']} ✓ approved applicantReviewed" in page.says
    assert opened(service).get(path, environment="sandbox").leads_to == f"{path}?environment=live"
    assert acts(service) == [("night", "replay", None)]


@pytest.fixture
def told(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Telling]:
    with ExitStack() as stack:
        downstream = stack.enter_context(Downstream())
        yield stack.enter_context(telling(database_url, redis_url, tmp_path, downstream, f"accounts={downstream.url()}"))


def test_a_subscriber_that_answered_410_is_resumed_and_each_answer_is_shown(told: Telling) -> None:
    told.downstream.answer = lambda _: Reply(410)
    who = payloads.new_applicant()
    told.approve(who)
    told.reject(who)
    night = opened(told.service)
    stopped = night.until("/console/reactions", "It answered 410, so nothing is sent to it. 2 reactions wait.")
    [resume] = re.findall(r'action="(/console/subscribers/[^"]*/resume)"', stopped.content)
    reaction = night.get("/console/reactions", subscriber="accounts", status="pending")
    pages = [night.get(address) for address in links(reaction, "/console/reactions/")]
    assert [("410" in page.says, "data-live" in page.content) for page in pages] == [(False, True), (True, True)]
    told.downstream.answer = lambda _: Reply()
    night.follow(resume, reason="downstream is repaired")
    night.until("/console/reactions", "accounts ✓ ok It was notified of every change.")
    done = night.get(links(reaction, "/console/reactions/")[0])
    assert ("The subscriber was notified of this change." in done.says, done.has_form("/run")) == (True, False)
    assert night.post(f"{links(reaction, '/console/reactions/')[0]}/run").status == 409
    assert "0 reactions are run again." in night.follow("/console/reactions/run", reason="x").says


def test_a_vendor_is_asked_once_at_a_time_and_what_was_typed_is_kept(service: Service) -> None:
    night = opened(service)
    assert night.get("/console/reconcile").says.count("It was never asked.") == 3
    wrong = night.post("/console/reconcile", vendor="idngo", reason=" ", references="one two", max_changes="7", act="repair")
    assert (wrong.status, ">one two</textarea>" in wrong.content, 'value="7"' in wrong.content) == (400, True, True)
    requested = night.follow("/console/reconcile", vendor="idngo", reason="a lost webhook", max_changes="7", act="ask")
    assert "A worker is about to ask." in requested.says
    assert ("night asked for it" in requested.says, 'data-live="2"' in requested.content) == (True, True)
    second = night.post("/console/reconcile", vendor="idngo", reason="a lost webhook", max_changes="7", act="ask")
    assert (second.status, "somebody has asked for it already" in second.says) == (409, True)
    assert "nothing that drifts" in night.get("/console/reconcile/idngo").says
    assert acts(service) == [("night", "ask for a reconciliation", "a lost webhook")]


def test_a_vendors_card_says_how_its_deliveries_arrive_and_what_was_refused(service: Service) -> None:
    service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    service.deliver("idngo", payloads.idngo(payloads.new_applicant()), secret="another")
    night = opened(service)
    page = night.until("/console/vendors", "1 × forged")
    assert "idngo ✓ ok Deliveries arrive. 1 delivery in the last hour." in page.says
    assert "idenfy ! look No authentic delivery in the last days." in page.says
    assert "(newest): in use; last matched" in page.says
    sandbox = night.get("/console/vendors", environment="sandbox")
    assert "idenfy" not in sandbox.says or "It has no signing secret in this environment" in sandbox.says
