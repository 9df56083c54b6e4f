"""Pages that a test opens, and what goes wrong in them: errors, violations of the policy, requests to other hosts, native dialogs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Error, Page, Request, expect

#: As long as `eventually` waits, also for what a test expects of a page: Playwright itself would wait for five seconds.
MILLISECONDS_MAX = 60_000
expect.set_options(timeout=MILLISECONDS_MAX)

#: Runs before any script of a page. Playwright adds it beside the page's policy, which therefore stays as it was sent.
REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", violation => reportViolation(
    `${violation.effectiveDirective} blocks ${violation.blockedURI} ${violation.sample} (line ${violation.lineNumber})`), true)
"""

#: Requests that stay open as long as their page does.
ENDLESS = ("eventsource", "websocket")

#: Two turns of the page's event loop: what was queued has then been reported.
SETTLE = "() => new Promise(settled => setTimeout(() => setTimeout(settled)))"


class Pages:
    """The pages of a test, each with cookies of its own. `faults` lists what went wrong in them, and in those that they opened."""

    def __init__(self, browser: Browser) -> None:
        self.faults: list[str] = []
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._without_scripts: set[BrowserContext] = set()
        self._unanswered: dict[Page, list[Request]] = {}

    def open(self, base_url: str, *, javascript: bool = True, **options: Any) -> Page:
        """Open a page as another person would: with no cookies. Its requests go to the base URL's origin only.

        The options are those of Playwright's `new_context`. For a second tab of the same person: `page.context.new_page()`.
        """
        context = self._browser.new_context(base_url=base_url, java_script_enabled=javascript, **options)
        context.set_default_timeout(MILLISECONDS_MAX)
        self._contexts.append(context)
        if not javascript:
            self._without_scripts.add(context)
        self._watch(context, _origin(base_url))
        return context.new_page()

    @contextmanager
    def expected(self, pattern: str) -> Iterator[None]:
        """Within this, faults that a regular expression finds are what the test wants. There must be one."""
        self.settle()
        before = len(self.faults)
        yield
        self.settle()
        wanted = [fault for fault in self.faults[before:] if re.search(pattern, fault)]
        self.faults[before:] = [fault for fault in self.faults[before:] if fault not in wanted]
        assert wanted, f"nothing in the page matches {pattern!r}; {self.faults[before:] or 'nothing went wrong'}"

    def settle(self) -> None:
        """Wait until each page is loaded, its requests are answered, and it has reported what went wrong so far."""
        for page in [page for context in self._contexts for page in context.pages]:
            script = SETTLE if page.context not in self._without_scripts else "() => null"
            _settle(page, self._unanswered.get(page, []), script)

    def close(self) -> None:
        """Close all pages and forget their cookies."""
        while self._contexts:
            self._contexts.pop().close()

    def _watch(self, context: BrowserContext, origin: str) -> None:
        def request(url: str) -> None:
            if urlsplit(url).scheme in ("http", "https", "ws", "wss") and _origin(url) != origin:
                self.faults.append(f"request to another host: {url}")

        def page(opened: Page) -> None:
            unanswered = self._unanswered.setdefault(opened, [])
            opened.on("request", lambda sent: unanswered.append(sent) if sent.resource_type not in ENDLESS else None)
            opened.on("requestfinished", lambda sent: sent in unanswered and unanswered.remove(sent))
            opened.on("requestfailed", lambda sent: sent in unanswered and unanswered.remove(sent))
            opened.on("websocket", lambda socket: request(socket.url))
            opened.on("crash", lambda crashed: self.faults.append(f"page crashed: {crashed.url}"))

        context.on("request", lambda sent: request(sent.url))
        context.on("page", page)
        context.on("console", self._printed)
        context.on("weberror", lambda uncaught: self.faults.append(f"uncaught error: {uncaught.error}"))
        context.on("dialog", self._dialog)
        context.expose_binding("reportViolation", lambda _source, report: self.faults.append(f"policy violated: {report}"))
        context.add_init_script(REPORT_VIOLATIONS)

    def _printed(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "assert"):
            self.faults.append(f"console {message.type}: {message.text} ({message.location.get('url', '')})")

    def _dialog(self, dialog: Dialog) -> None:
        self.faults.append(f"native dialog ({dialog.type}): {dialog.message}")
        dialog.dismiss()


@contextmanager
def watched(browser: Browser) -> Iterator[Pages]:
    """Give what opens pages; at the end, close them. Raises AssertionError if anything went wrong in them."""
    pages = Pages(browser)
    try:
        yield pages
        pages.settle()
    finally:
        pages.close()
    assert not pages.faults, "in the browser:\n" + "\n".join(pages.faults)


def _settle(page: Page, unanswered: list[Request], script: str) -> None:
    """Let a page load and run a script; again if it sends requests or is left for another page meanwhile."""
    deadline = time.monotonic() + MILLISECONDS_MAX / 1000
    while not page.is_closed():
        try:
            page.wait_for_load_state()
            page.evaluate(script)
        except Error as error:
            if "crashed" in str(error):
                return  # It was reported when it crashed.
            if time.monotonic() > deadline:
                raise
            continue
        if not unanswered:
            return
        assert time.monotonic() < deadline, f"no answer in time: {[request.url for request in unanswered]}"
        page.wait_for_timeout(10)


def _origin(url: str) -> str:
    """Return an URL's host and port. A WebSocket has those of its page."""
    return urlsplit(url).netloc
