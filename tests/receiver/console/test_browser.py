"""The browser of the tests finds what it is there to find: each fault, put into a page that has none."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask import Flask, Response
from playwright.sync_api import Browser, Error, Page
from werkzeug.serving import make_server

from tests.support.browser import keyboard, looks
from tests.support.browser.pages import Pages, watched
from tests.support.service import free_port

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

FLAWLESS = """
<h1>Applicants</h1>
<form action=/flawless><label>Search <input name=q></label> <button>Find</button></form>
<p class=grey>3 applicants</p> <p class=small>in 2 ms</p> <a href=/flawless>again</a>
"""

CSS = """
:root { color-scheme: light dark } body { background: #fff; color: #111 }
button, input, a { min-height: 24px; max-width: 100%; font: inherit }
@media (prefers-color-scheme: dark) { body { background: #111; color: #eee } a { color: #9cf } .grey-at-night { color: #333 } }
.wide { width: 400px } .moves { transition: color 2s } .fixed { font-size: 12px } .bare:focus { outline: none }
.cut { height: 1.2em; width: 20em; overflow: hidden } .tiny { min-height: 0; height: 9px; width: 9px; padding: 0; border: 0; margin: 0 }
.stops { transition: color 2s } @media (prefers-reduced-motion: reduce) { .stops { transition: none } }
"""

SCRIPTS = {
    "print": "console.error('out of order')",
    "throw": "throw new Error('thrown')",
    "reject": "Promise.reject(new Error('rejected'))",
    "late": "setTimeout(() => { throw new Error('late') })",
    "alert": "alert('stolen')",
    "fetch": "fetch('/broken')",
    "socket": "new WebSocket('ws://127.0.0.1:9/')",
    "popup": "window.open('/print')",
    "quiet": "console.warn('only a warning')",
}

PIXEL = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"

#: What else the server has. A browser asks for the icon of each page.
FILES = {
    "css": (CSS, 200, "text/css"),
    "pixel": (PIXEL, 200, "image/svg+xml"),
    "favicon.ico": (PIXEL, 200, "image/svg+xml"),
    "broken": ("broken", 500, "text/plain"),
    "print": ("<!doctype html><script src=/js/print></script>", 200, "text/html"),
    **{f"js/{name}": (script, 200, "text/javascript") for name, script in SCRIPTS.items()},
}

#: What is put into a page with a policy, and what is found.
WITH_A_POLICY = {
    "<script>document.title = 'mine'</script>": "policy violated: script-src-elem blocks inline",
    "<img alt='' src=/pixel onload='stolen()'>": "policy violated: script-src-attr blocks inline",
    "<p style='color: red'>red</p>": "policy violated: style-src-attr blocks inline",
    "<img alt='' src=http://elsewhere.test/pixel>": "policy violated: img-src blocks http://elsewhere.test/pixel",
    "<link rel=stylesheet href=//elsewhere.test/css>": "policy violated: style-src-elem blocks http://elsewhere.test/css",
    "<script src=/js/print></script>": "console error: out of order",
    "<script src=/js/throw></script>": "uncaught error: thrown",
    "<script src=/js/reject></script>": "uncaught error: rejected",
    "<script src=/js/late></script>": "uncaught error: late",
    "<script src=/js/alert></script>": r"native dialog \(alert\): stolen",
    "<script src=/js/fetch></script>": "console error: Failed to load resource: .* status of 500",
    "<script src=/js/missing></script>": "console error: Failed to load resource: .* status of 404",
}

#: What is put into a page without a policy, and what is found.
WITHOUT = {
    "<img alt='' src=http://elsewhere.test/pixel>": "request to another host: http://elsewhere.test/pixel",
    "<link rel=stylesheet href=//elsewhere.test/css>": "request to another host: http://elsewhere.test/css",
    "<img alt='' src=http://127.0.0.1:9/pixel>": "request to another host: http://127.0.0.1:9/pixel",
    "<script src=/js/socket></script>": "request to another host: ws://127.0.0.1:9/",
    "<iframe title=ad src=http://elsewhere.test/ad></iframe>": "request to another host: http://elsewhere.test/ad",
    "<iframe title=ad src=/print></iframe>": "console error: out of order",
    "<meta http-equiv=refresh content='0; url=http://elsewhere.test/next'>": "request to another host: http://elsewhere.test/next",
}

AXE = {
    "<input name=reference>": "label: <input name=.?reference",
    "<img src=/pixel>": "image-alt: <img src=.?/pixel",
    "<button class=tiny aria-label=a></button><button class=tiny aria-label=b></button>": "target-size: <button class=.?tiny",
    "<p id=twice>a</p><button aria-labelledby=nothing></button>": "button-name: <button",
}


@dataclass(frozen=True)
class Site:
    """A server of one page, and what is put into it."""

    url: str
    put: dict[str, str]


@pytest.fixture(scope="module")
def server() -> Iterator[Site]:
    site = Site(f"http://127.0.0.1:{(port := free_port())}", {})
    listening = make_server("127.0.0.1", port, application(site.put), threaded=True)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield site
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.fixture
def site(server: Site) -> Iterator[Site]:
    yield server
    server.put.clear()


def application(put: dict[str, str]) -> Flask:
    app = Flask(__name__)

    @app.get("/<path:path>")
    def answer(path: str) -> Response:
        if path in ("flawless", "faulty"):
            return shown(FLAWLESS + put.get("body", ""), put.get("policy", POLICY))
        body, status, kind = FILES.get(path, ("missing", 404, "text/plain"))
        return Response(body, status, mimetype=kind)

    return app


def shown(body: str, policy: str) -> Response:
    html = f"<!doctype html><html lang=en><title>Applicants</title><link rel=stylesheet href=/css><main>{body}</main>"
    return Response(html, headers={"Content-Security-Policy": policy} if policy else {})


def faulty(pages: Pages, site: Site, body: str, *, policy: str = POLICY) -> Page:
    """A page with something put into it, opened."""
    site.put.update({"body": body, "policy": policy})
    page = pages.open(site.url)
    page.goto("/faulty")
    return page


# what goes wrong in a page --------------------------------------------------------------------------------------


def test_a_page_without_a_fault_passes_every_check_in_each_theme_and_size(pages: Pages, site: Site) -> None:
    page = pages.open(site.url)
    page.goto("/flawless")
    for change in (looks.light, looks.dark, looks.reduced_motion, looks.narrow, looks.large_text):
        change(page)
        found = [looks.axe(page), looks.sideways(page), looks.cut_off(page), looks.moving(page)]
        assert found == [[], [], [], []], change.__name__


@pytest.mark.parametrize(
    ("body", "policy", "found"),
    [*((body, POLICY, found) for body, found in WITH_A_POLICY.items()), *((body, "", found) for body, found in WITHOUT.items())],
)
def test_what_goes_wrong_in_a_page_fails_the_test_at_its_end(browser: Browser, site: Site, body: str, policy: str, found: str) -> None:
    with pytest.raises(AssertionError, match=f"(?s)in the browser:.*{found}"), watched(browser) as pages:
        faulty(pages, site, body, policy=policy)


def test_what_goes_wrong_in_a_window_that_a_page_opens_fails_the_test(browser: Browser, site: Site) -> None:
    with pytest.raises(AssertionError, match="console error: out of order"), watched(browser) as pages:
        page = pages.open(site.url)
        with page.expect_popup():
            site.put["body"] = "<script src=/js/popup></script>"
            page.goto("/faulty")


def test_a_fault_of_a_page_that_was_left_fails_the_test(browser: Browser, site: Site) -> None:
    with pytest.raises(AssertionError, match="console error: out of order"), watched(browser) as pages:
        faulty(pages, site, "<script src=/js/print></script>").goto("/flawless")


def test_a_link_to_another_host_fails_the_test_when_it_is_followed(browser: Browser, site: Site) -> None:
    with pytest.raises(AssertionError, match=r"request to another host: http://elsewhere\.test/"), watched(browser) as pages:
        page = faulty(pages, site, "<a href=http://elsewhere.test/>docs</a>")
        with page.expect_event("requestfailed"):
            page.get_by_text("docs").click(no_wait_after=True)


def test_a_page_that_crashes_fails_the_test(browser: Browser, site: Site) -> None:
    with pytest.raises(AssertionError, match="page crashed"), watched(browser) as pages, pytest.raises(Error):
        pages.open(site.url).goto("chrome://crash")


def test_warnings_fail_no_test(pages: Pages, site: Site) -> None:
    faulty(pages, site, "<script src=/js/quiet></script>")


def test_an_expected_fault_fails_no_test_and_a_missing_one_does(pages: Pages, site: Site) -> None:
    page = pages.open(site.url)
    with pages.expected("status of 404"):
        page.goto("/nowhere")
    with pytest.raises(AssertionError, match="nothing in the page matches"), pages.expected("status of 404"):
        page.goto("/flawless")


def test_what_is_not_expected_fails_the_test_beside_what_is(browser: Browser, site: Site) -> None:
    with pytest.raises(AssertionError, match="out of order") as failed, watched(browser) as pages:
        page = pages.open(site.url)
        with pages.expected("status of 404"):
            site.put["body"] = "<script src=/js/print></script><script src=/js/missing></script>"
            page.goto("/faulty")
    assert "404" not in str(failed.value)


def test_two_pages_have_cookies_of_their_own_and_a_second_tab_has_those_of_the_first(pages: Pages, site: Site) -> None:
    first, second = pages.open(site.url), pages.open(site.url)
    first.context.add_cookies([{"name": "session", "value": "mine", "url": site.url}])
    told = "() => document.cookie"
    tab = first.context.new_page()
    for page in (first, second, tab):
        page.goto("/flawless")
    assert [page.evaluate(told) for page in (first, second, tab)] == ["session=mine", "", "session=mine"]


def test_a_page_without_javascript_runs_no_script_and_its_forms_work(pages: Pages, site: Site) -> None:
    site.put["body"] = "<script src=/js/print></script>"
    page = pages.open(site.url, javascript=False)
    page.goto("/faulty")
    page.get_by_role("button", name="Find").click()
    page.wait_for_url("/flawless?q=")


# how it looks to people -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("body", "found"), AXE.items())
def test_axe_finds_what_is_inaccessible(pages: Pages, site: Site, body: str, found: str) -> None:
    violations = looks.axe(faulty(pages, site, body))
    assert any(re.search(found, violation) for violation in violations), violations


def test_axe_finds_what_cannot_be_read_in_one_theme(pages: Pages, site: Site) -> None:
    page = faulty(pages, site, "<p class=grey-at-night>hardly there</p>")
    looks.light(page)
    assert looks.axe(page) == []
    looks.dark(page)
    assert [violation.partition(":")[0] for violation in looks.axe(page)] == ["color-contrast"]


def test_what_is_too_wide_for_a_narrow_window_is_found(pages: Pages, site: Site) -> None:
    page = faulty(pages, site, "<div><p class=wide id=table>400 px</p></div>")
    assert looks.sideways(page) == []
    looks.narrow(page)
    assert looks.sideways(page)[1:] == ["p#table 400 px"]


def test_text_that_is_cut_off_or_does_not_grow_is_found_when_text_is_large(pages: Pages, site: Site) -> None:
    page = faulty(pages, site, "<p class=fixed>12 px</p><p class=wide>grows</p>")
    assert looks.of_fixed_size(page) == ["p 12 px"]
    page = faulty(pages, site, "<p class=cut>a line<br>and another, which is hidden</p>")
    assert looks.cut_off(page) == ["p a lineand another, which is hidden"]


def test_what_moves_although_people_want_no_motion_is_found(pages: Pages, site: Site) -> None:
    page = faulty(pages, site, "<p class=moves>moves</p><p class=stops>stops</p>")
    assert looks.moving(page) == ["p moves", "p stops"]
    looks.reduced_motion(page)
    assert looks.moving(page) == ["p moves"]


# by keyboard ----------------------------------------------------------------------------------------------------


def test_tab_reaches_what_can_be_reached_and_nothing_else(pages: Pages, site: Site) -> None:
    page = faulty(pages, site, "<button tabindex=-1>never</button>")
    assert keyboard.tab_to(page, page.get_by_role("button", name="Find")) == ["input q", "button Find"]
    with pytest.raises(AssertionError, match="do not reach"):
        keyboard.tab_to(page, page.get_by_role("button", name="never"), presses_max=5)


def test_a_focus_that_cannot_be_seen_is_found(pages: Pages, site: Site) -> None:
    page = faulty(pages, site, "<button class=bare>Run</button>")
    with pytest.raises(AssertionError, match="the focus cannot be seen on 'button Run'"):
        keyboard.tab_to(page, page.get_by_role("button", name="Run"))
