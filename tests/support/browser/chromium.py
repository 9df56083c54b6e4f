"""The machine's own chromium, driven by Playwright. No browser is ever fetched, and none of its requests leaves this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")

#: The names of all hosts but this one are unknown to it.
THIS_HOST_ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"

FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    THIS_HOST_ALONE,
]


class NoBrowser(Exception):
    """No chromium can be had. The message says how to get one."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window, with an empty profile that is thrown away. Raises NoBrowser."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not program:
        raise NoBrowser("no chromium on this machine: apt install chromium, or say where one is in CHROMIUM")
    with sync_playwright() as playwright:
        # Its sandbox does not start as root.
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS, chromium_sandbox=os.geteuid() != 0)
        try:
            yield browser
        finally:
            browser.close()
