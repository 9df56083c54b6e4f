"""Every page of the console in a real browser: in both themes, on narrow windows, with large text, without a mouse, without scripts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.receiver.console.test_routes import GETS, RIGHTS
from tests.support.browser import keyboard, looks
from tests.support.browser.consoles import NIGHT, OFFICER, READER, Console, Night
from tests.support.browser.pages import Pages
from tests.support.browser.routes import Route
from tests.support.service import eventually

#: Pages that are files to be kept.
FILES = (
    *("erasure.certificate", "log.checkpoint", "log.keys"),
    *("proofs.of_event", "proofs.of_change", "proofs.of_act", "proofs.of_erasure", "proofs.of_hold"),
)

every_page = pytest.mark.parametrize("route", [one for one in GETS if one.endpoint not in FILES], ids=str)


def opened(pages: Pages, console: Console, token: str, **options: Any) -> Page:
    """A page of a person who is signed in."""
    page = pages.open(console.url, **options)
    cookie = {"name": "__Host-standing", "value": console.session(token), "secure": True, "httpOnly": True}
    page.context.add_cookies([cookie | {"url": console.url.replace("http:", "https:"), "sameSite": "Lax"}])  # type: ignore[list-item]
    return page


def whose(route: Route) -> str:
    """Who sees most on a page: an operator if there is one who may."""
    return NIGHT if route.right in RIGHTS[NIGHT] else OFFICER


@every_page
def test_every_page_can_be_read_in_each_theme_and_size(pages: Pages, console: Console, night: Night, route: Route) -> None:
    page = opened(pages, console, whose(route))
    answer = page.goto(route.of(night))
    assert answer is not None
    assert answer.status == 200, page.locator("main").inner_text()
    assert looks.axe(page) == []
    looks.dark(page)
    assert looks.axe(page, colours=True) == []
    looks.narrow(page)
    assert (looks.sideways(page), looks.cut_off(page)) == ([], [])
    looks.wide(page)
    looks.reduced_motion(page)
    assert looks.moving(page) == []
    assert looks.of_fixed_size(page) == []
    assert (looks.sideways(page), looks.cut_off(page)) == ([], [])


def test_without_scripts_nothing_is_shown_that_needs_them(pages: Pages, console: Console, night: Night) -> None:
    page = opened(pages, console, NIGHT, javascript=False)
    page.goto(f"/console/applicants/idngo/{night.fallen}")
    hidden = page.locator("[hidden]")
    assert hidden.count() > 1
    for number in range(hidden.count()):
        assert not hidden.nth(number).is_visible(), hidden.nth(number)
    page.get_by_label("Search an applicant by reference").fill(night.suspected)
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(night.suspected)


def test_signing_in_is_a_page_like_the_others(pages: Pages, console: Console) -> None:
    page = pages.open(console.url)
    page.goto("/console/sign-in")
    expect(page.get_by_label("Token")).to_be_focused()
    for theme in (looks.light, looks.dark):
        theme(page)
        assert looks.axe(page) == []
    looks.narrow(page)
    assert (looks.sideways(page), looks.cut_off(page)) == ([], [])


# by keyboard ----------------------------------------------------------------------------------------------------


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.closest('[data-row]')?.querySelector('a')?.textContent ?? document.activeElement.id"))


def test_keys_search_walk_through_rows_and_open_one(pages: Pages, console: Console, night: Night) -> None:
    page = opened(pages, console, READER)
    page.goto("/console/applicants")
    rows = page.locator("[data-row] td:first-child a").all_inner_texts()
    assert len(rows) > 2
    walked = []
    for key in ("j", "j", "k", "k", "k", "j"):
        page.keyboard.press(key)
        walked.append(focused(page))
    assert walked == [rows[number] for number in (0, 1, 0, 0, 0, 1)]
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{rows[1]}")
    page.keyboard.press("/")
    assert focused(page) == "search"
    page.keyboard.type(f"j?k/{rows[0]}")
    assert page.get_by_label("Search an applicant by reference").input_value() == f"j?k/{rows[0]}"


def test_the_keys_are_listed_and_can_be_switched_off(pages: Pages, console: Console, night: Night) -> None:
    page = opened(pages, console, READER)
    page.goto("/console/applicants")
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_be_visible()
    assert looks.axe(page) == []
    page.keyboard.press("j")
    expect(page.locator(".chosen")).to_have_count(0)
    off = keys.get_by_label("Switch single keys off")
    keyboard.tab_to(page, off)
    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    page.reload()
    for key in ("?", "j", "/"):
        page.keyboard.press(key)
    expect(keys).to_be_hidden()
    expect(page.locator(".chosen")).to_have_count(0)


def test_tab_comes_first_to_the_content(pages: Pages, console: Console) -> None:
    page = opened(pages, console, READER)
    page.goto("/console/sessions")
    skip = page.get_by_role("link", name="Skip to the content")
    assert keyboard.tab_to(page, skip) == ["a Skip to the content"]
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


# comforts -------------------------------------------------------------------------------------------------------


def test_times_are_utc_and_show_the_own_zone_when_pointed_at(pages: Pages, console: Console, night: Night) -> None:
    page = opened(pages, console, READER, timezone_id="Asia/Tokyo", locale="en-GB")
    page.goto("/console/applicants")
    time = page.locator("td time").first
    expect(time).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$"))
    assert re.search(r"GMT\+9|JST", time.get_attribute("title") or "")


def test_a_command_is_copied(pages: Pages, console: Console) -> None:
    page = opened(pages, console, READER, permissions=["clipboard-read", "clipboard-write"])
    page.goto("/console/applicants")
    page.get_by_role("button", name="Copy standing applicants list").click()
    eventually(lambda: page.evaluate("navigator.clipboard.readText()") == "standing applicants list", "the command to be copied")


def test_filters_are_in_the_address_and_the_list_is_had_as_csv(pages: Pages, console: Console, night: Night) -> None:
    page = opened(pages, console, READER)
    page.goto("/console/applicants")
    page.get_by_label("Vendor", exact=True).select_option("idenfy")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**vendor=idenfy**")
    assert set(page.locator("[data-row] td:nth-child(2)").all_inner_texts()) == {"idenfy"}
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0].startswith("reference,vendor,")
    assert len(lines) > 2
    assert all(",idenfy," in line for line in lines[1:])


def test_a_shared_link_shows_another_person_the_same(pages: Pages, console: Console, night: Night) -> None:
    page = opened(pages, console, OFFICER)
    page.goto("/console/applicants?vendor=idngo&status=rejected")
    expect(page.get_by_label("Vendor", exact=True)).to_have_value("idngo")
    expect(page.get_by_label("Status")).to_have_value("rejected")
    expect(page.get_by_role("link", name=night.fallen)).to_be_visible()


def test_what_goes_on_is_read_again_while_a_page_is_open(pages: Pages, console: Console, night: Night) -> None:
    page = opened(pages, console, READER)
    page.clock.install()
    page.goto("/console/")
    live = page.locator("[data-live]")
    expect(live).to_have_count(1)
    page.evaluate("document.querySelector('[data-live]').firstElementChild.textContent = 'stale'")
    with page.expect_request(lambda sent: sent.headers.get("standing-again") == "yes"):
        page.clock.run_for(11_000)
    expect(live.locator("p").first).not_to_have_text("stale")
