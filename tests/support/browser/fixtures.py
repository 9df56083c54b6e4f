"""The fixtures of tests in a browser: one chromium for each process of a run, and pages for each test. A conftest imports them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser.chromium import NoBrowser, chromium
from tests.support.browser.pages import Pages, watched


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser for all tests of this process. Without chromium they are skipped; in CI they fail.

    From then on, Playwright's event loop counts as running in this thread: `asyncio.run` of another test fails.
    """
    try:
        with chromium() as started:
            yield started
    except NoBrowser as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


@pytest.fixture
def pages(browser: Browser) -> Iterator[Pages]:
    """What opens pages. The test fails at its end if anything went wrong in one of them."""
    with watched(browser) as opened:
        yield opened
