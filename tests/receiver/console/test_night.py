"""A night by mouse without scripts, and by keyboard alone: why somebody is blocked, a replay, a decision of two persons, an erasure."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.receiver.console.test_pages import opened
from tests.support import payloads
from tests.support.browser import consoles
from tests.support.browser.consoles import DAY, NIGHT, OFFICER, Console, Night
from tests.support.browser.hands import HANDS, Hands
from tests.support.browser.pages import Pages
from tests.support.privacy.calls import until_done
from tests.support.service import eventually


@pytest.fixture(params=HANDS)
def hands(request: pytest.FixtureRequest) -> Hands:
    return HANDS[request.param]


def says(page: Page, words: str) -> None:
    """Wait until a page says so."""
    expect(page.locator("main")).to_contain_text(words)


def fact(page: Page, name: str, value: str) -> None:
    """Wait until a page says what something is."""
    expect(page.locator(f"dt:text-is('{name}') + dd").first).to_have_text(value)


def until(page: Page, words: str) -> None:
    """Load a page again until it says so: a worker is about to do it."""

    def look() -> bool:
        page.reload()
        return words in page.locator("main").inner_text()

    eventually(look, f"the page to say: {words}")


def goes_on(page: Page, hands: Hands, words: str) -> None:
    """Wait until a page says so: automatically, if it runs scripts."""
    if hands.scripts:
        says(page, words)
    else:
        until(page, words)


def signed_in(pages: Pages, console: Console, hands: Hands, token: str) -> Page:
    """The first page, after signing in."""
    page = pages.open(console.url, javascript=hands.scripts)
    page.goto("/console/")
    hands.write(page.get_by_label("Token"), token)
    hands.press(page.get_by_role("button", name="Sign in"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Attention")
    return page


def search(page: Page, hands: Hands, reference: str) -> None:
    """Find an applicant, from whichever page."""
    if hands is HANDS["keyboard"]:
        page.locator("main").focus()
        page.keyboard.press("/")
        page.keyboard.type(f"{reference}\n")
    else:
        hands.write(page.get_by_label("Search an applicant by reference"), reference)
        hands.press(page.get_by_role("button", name="Search"))
    expect(page.get_by_role("heading", level=1)).to_contain_text(reference)


def test_why_a_customer_is_blocked(pages: Pages, console: Console, night: Night, hands: Hands) -> None:
    page = signed_in(pages, console, hands, NIGHT)
    search(page, hands, night.fallen)
    says(page, "rejected because of the newest verdict or progress: applicantReviewed completed, RED:FINAL (SANCTIONS)")
    fact(page, "Hits", "sanctions")
    hands.press(page.get_by_role("link", name=night.user))
    expect(page.get_by_role("heading", level=1)).to_contain_text(night.user)
    says(page, night.fallen)


def test_a_replay_is_previewed_and_run(pages: Pages, console: Console, night: Night, hands: Hands) -> None:
    who = payloads.new_applicant()
    console.told("idngo", payloads.idngo(who, answer="GREEN"))
    page = opened(pages, console, NIGHT, javascript=hands.scripts)
    page.goto("/console/")
    hands.press(page.get_by_role("link", name="Replays"))
    hands.press(page.get_by_role("link", name="Ask for a replay"))
    hands.choose(page.get_by_label("Vendor", exact=True), "idngo")
    hands.write(page.get_by_label("Names the applicant"), who)
    hands.write(page.get_by_label("Reason (needed"), "the mapping is repaired")
    hands.press(page.get_by_role("button", name="See what it would change"))
    says(page, "The replay is asked for.")
    goes_on(page, hands, "The forecast is ready")
    says(page, "1 event handled again would change 0 applicants")
    hands.press(page.get_by_role("button", name="Run it"))
    says(page, "A worker runs the replay.")
    goes_on(page, hands, "It is done.")
    fact(page, "Handled", "1")


def test_two_persons_decide_against_a_hit(pages: Pages, console: Console, night: Night, hands: Hands) -> None:
    who = consoles.blacklisted(console, "PEP")
    page = opened(pages, console, NIGHT, javascript=hands.scripts)
    page.goto("/console/reversals")
    hands.press(page.get_by_role("link", name=who))
    hands.press(page.locator("summary", has_text="Decide"))
    hands.choose(page.get_by_label("Decision", exact=True), "approve")
    hands.write(page.locator("#decide-reason"), "another of this name")
    hands.press(page.get_by_role("button", name="Decide"))
    says(page, "waits until a second operator confirms it")
    until(page, "You decided this yourself")
    other = opened(pages, console, DAY, javascript=hands.scripts)
    other.goto("/console/review")
    hands.press(other.locator("summary", has_text=who))
    hands.press(other.get_by_role("link", name="The applicant, with all that is known").locator("visible=true").last)
    hands.write(other.locator("form[action*='/confirm'] input[name=reason]"), "seen, too")
    hands.press(other.get_by_role("button", name="Confirm"))
    says(other, "is confirmed")
    other.goto(f"/console/applicants/idngo/{who}")
    until(other, "approved because of a person's decision")


def test_an_erasure_is_requested_and_another_person_approves_it(pages: Pages, console: Console, night: Night, hands: Hands) -> None:
    who = consoles.blacklisted(console)
    page = opened(pages, console, NIGHT, javascript=hands.scripts)
    page.goto(f"/console/applicants/idngo/{who}")
    hands.press(page.get_by_role("link", name="Request an erasure"))
    hands.write(page.get_by_label("Reason (needed)"), "asked by mail")
    hands.press(page.get_by_role("button", name="Request the erasure"))
    expect(page.get_by_role("status")).to_contain_text("request")
    officer = opened(pages, console, OFFICER, javascript=hands.scripts)
    officer.goto("/console/")
    hands.press(officer.get_by_role("link", name="Privacy"))
    hands.press(officer.locator("[data-row]", has_text=who).get_by_role("link").first)
    hands.write(officer.get_by_label("Reason (needed").first, "nothing keeps it")
    hands.press(officer.get_by_role("button", name="Approve the erasure"))
    fact(officer, "Decided by", "officer")
    # To its end: other tests of this console compare all that is kept.
    until_done(console, officer.url.partition("?")[0].rpartition("/")[2])
    assert console.get(f"/v1/applicants/idngo/{who}").status == 410
