"""`./dev screenshots`: pictures of six pages for the documentation, of a service with made-up applicants."""

from __future__ import annotations

import io
import random
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page
from sqlalchemy import insert, select, update

from store.database.count_tables import DailyCount
from store.database.tables import ApplicantRow
from store.system import clock
from tests.support import servers
from tests.support.browser import consoles
from tests.support.browser.chromium import chromium
from tests.support.browser.consoles import DAY, NIGHT, Console, Night
from tests.support.downstream import Downstream, Reply
from tests.support.service import eventually

FOLDER = Path(__file__).parents[3] / "docs" / "screenshots"

WIDTH, HEIGHT, BYTES_MAX = 1280, 800, 150_000

KEYS = "b25seSBmb3Igc2NyZWVuc2hvdHMsIDMyIGJ5dGVzLi4="

#: How many of each are counted on an ordinary day.
USUAL = {
    "ifcgate": {"accepted": 40, "approved": 24, "rejected": 5, "needs_review": 4},
    "idngo": {"accepted": 110, "approved": 61, "rejected": 14, "needs_review": 9, "resubmission_requested": 12, "adverse": 1},
    "idenfy": {"accepted": 75, "approved": 44, "rejected": 9, "needs_review": 7, "reinstated": 1},
}  # fmt: skip

#: How many applicants a wrong mapping left approved, in the forecast of the replay.
WRONG = 14


def main() -> None:
    """Write the pictures. Raises AssertionError if one is too large."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="standing-") as folder, played(Path(folder)) as (console, night), chromium() as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", base_url=console.url, locale="en-GB")
        sign_in(page)
        take(page, "attention", "/console/")
        take(page, "applicant", f"/console/applicants/idngo/{night.fallen}")
        take(page, "review", "/console/review")
        take(page, "overview", "/console/overview")
        take(page, "log", "/console/log")
        take(page, "replay", f"/console/replays/{forecast(console)}")


@contextmanager
def played(folder: Path) -> Iterator[tuple[Console, Night]]:
    """A console and its service, with what happened there, in a folder that is thrown away."""
    url = f"sqlite:///{folder / 'standing.sqlite3'}"
    servers.migrate(url)
    with ExitStack() as stack:
        queue, downstream = stack.enter_context(servers.valkey(folder)), stack.enter_context(Downstream(lambda _: Reply(422)))
        settings = {"database_url": url, "redis_url": queue.url, "keys": KEYS, "downstream": downstream.url()}
        console = stack.enter_context(consoles.of(folder, **settings))
        night = consoles.spend_a_night(console)
        downstream.answer = lambda _: Reply()
        simulated(console)
        yield console, night


def simulated(console: Console) -> None:
    """Play the vendors; and count what a month of them is like."""
    done = console.standing("simulate", "--live", "--count", "60", "--seed", "19", "--timeout", "120")
    assert done.returncode == 0, done.stdout + done.stderr
    with console.engine().begin() as connection:
        connection.execute(insert(DailyCount), list(month()))


def month() -> Iterator[dict[str, Any]]:
    """Counts of the days before today, fewer on Saturdays and Sundays."""
    drawn, today = random.Random(19), clock.now().astimezone(UTC).date()
    for day in (today - timedelta(days=ago) for ago in range(1, 30)):
        share = 0.4 if day.weekday() >= 5 else 1.0
        for vendor, words in USUAL.items():
            for word, usual in words.items():
                count = round(usual * share * drawn.uniform(0.7, 1.3))
                yield {"environment": "live", "day": day.isoformat(), "vendor": vendor, "word": word, "count": count}


def forecast(console: Console) -> str:
    """A replay that would repair what a wrong mapping did to some applicants."""
    rejected = select(ApplicantRow.reference).where(ApplicantRow.status == "rejected", ApplicantRow.vendor == "idngo").limit(WRONG)
    console.change(update(ApplicantRow).where(ApplicantRow.reference.in_(rejected)).values(status="approved"))
    replay: str = console.api("replays", NIGHT, vendor="idngo", outcome="applied", reason="RED:FINAL is mapped again")["id"]
    eventually(lambda: console.get(f"/v1/replays/{replay}", token=NIGHT).json["status"] == "proposed", "the forecast")
    return replay


def sign_in(page: Page) -> None:
    page.goto("/console/")
    page.get_by_label("Token").fill(DAY)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/console/")


def take(page: Page, name: str, path: str) -> None:
    """Write a picture of a page."""
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == 200, f"{path} answers {answer.status}"
    page.wait_for_load_state("networkidle")
    file = FOLDER / f"{name}.png"
    picture = Image.open(io.BytesIO(page.screenshot(animations="disabled", caret="hide"))).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(file, optimize=True)
    size = file.stat().st_size
    assert size < BYTES_MAX, f"{file.name} has {size} bytes"
    print(f"{file.relative_to(FOLDER.parents[1])}: {size:,} bytes")


if __name__ == "__main__":
    main()
