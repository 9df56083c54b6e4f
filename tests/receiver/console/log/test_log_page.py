"""The page about the log: how far it is signed, what is wrong with it, and what an auditor takes."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, update

from store.database.operations_tables import Act
from tests.receiver.console.log.test_proofs import approved, proof, proofs, settings
from tests.receiver.console.test_pages import opened
from tests.support.browser.consoles import NIGHT, READER, Console, Night, beside
from tests.support.browser.pages import Pages
from tests.support.browser.visitor import Visitor
from tests.support.service import LOG_ORIGIN, Service, eventually


def test_the_page_shows_the_newest_checkpoint_and_the_keys(running: Service, operator: Visitor) -> None:
    _, event = approved(running)
    proof(operator, f"/console/events/{event}/proof")
    page = operator.until("/console/log", "Not signed yet 0")
    note = html.unescape(re.findall(r'aria-label="Newest checkpoint">(.*?)</pre>', page.content, re.DOTALL)[0])
    assert note.startswith(f"{LOG_ORIGIN}/1\n")
    assert f'data-copy="{html.escape(note)}"' in page.content.replace("&#39;", "&#x27;")
    assert running.get("/v1/log/keys").body.decode().strip() in html.unescape(page.content)
    assert f"Origin, with the epoch {LOG_ORIGIN}/1" in page.says
    assert "LOG_PUBLISH names no place" in page.says
    assert 'data-live="10"' in page.content
    for command in ("checkpoint", "keys", "consistency FROM -o FILE", "verify", "verifier -o verify.py"):
        assert f'class="command">By command: <span class="copied"><code>standing log {command}<' in page.content


def test_the_page_says_where_checkpoints_were_published_and_where_not(database_url: str, redis_url: str, tmp_path: Path) -> None:
    elsewhere, missing = tmp_path / "elsewhere", tmp_path / "missing"
    elsewhere.mkdir()
    places = {"LOG_PUBLISH": f"{elsewhere},{missing}"}
    with Service(tmp_path, settings(database_url, redis_url) | places) as service, beside(service) as port:
        reader = Visitor(port, READER)
        eventually(lambda: all(one["published_at"] or one["failed_at"] for one in publications(service)), "both places to be tried")
        [failed] = [one["error"] for one in publications(service) if one["error"]]
        page = reader.until("/console/log", "What needs a look")
        assert re.search(rf"{re.escape(str(elsewhere))} \d+ 1 20\d\d-", page.says)
        assert f"{missing} 20" in page.says
        assert page.says.count(failed) == 2
        assert reader.until("/console/", f"{missing} gets none").status == 200


def test_a_row_that_was_altered_is_counted_on_the_page_and_not_proved(database_url: str, redis_url: str, tmp_path: Path) -> None:
    with Service(tmp_path, settings(database_url, redis_url)) as service, beside(service) as port:
        night = Visitor(port, NIGHT)
        [address, *_] = proofs(night.get("/console/audit"))
        proof(night, address)
        assert service.standing("log", "verify").returncode == 0
        assert "leaves: no fault." in night.get("/console/log").says
        engine = create_engine(database_url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(update(Act).where(Act.id == int(address.split("/")[3])).values(actor="somebody else"))
        assert service.standing("log", "verify").returncode == 1
        page = night.get("/console/log")
        assert re.search(r"! look What was new was compared with the log at [\d: -]+ UTC , up to \d+ leaves: 1 fault\.", page.says)
        assert 'data-copy="standing log verify"' in page.content
        assert "1 fault found when the tables were compared with it" in page.says
        refused = night.get(address)
        assert (refused.status, "is not as it was logged" in refused.says) == (409, True)


def publications(service: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.get("/v1/log").json["publications"]
    return found


@pytest.mark.one_database
def test_the_page_says_why_nothing_is_signed_and_what_a_new_epoch_means(
    database_url: str, migrated_sqlite: Path, redis_url: str, tmp_path: Path
) -> None:
    with Service(tmp_path, settings(database_url, redis_url)) as service:
        eventually(lambda: service.get("/v1/log").json["signed_size"], "the log to be signed")
    other = tmp_path / "restored.sqlite3"
    other.write_bytes(migrated_sqlite.read_bytes())
    with Service(tmp_path, settings(f"sqlite:///{other}", redis_url)) as service, beside(service) as port:
        reader = Visitor(port, READER)
        page = reader.until("/console/log", "Why nothing is signed")
        assert f"LOG_STATE has a checkpoint of {LOG_ORIGIN}/1, and this database has no log." in page.says
        assert "✕ wrong" in page.says
        assert "Give auditors the new key" in page.says
        assert 'data-copy="standing log new-epoch --reason WHY"' in page.content
        line = reader.until("/console/", "nothing is signed until a new epoch begins")
        assert '<a href="/console/log">log</a>' in line.content
        assert service.standing("log", "new-epoch", "--yes", "--reason", "restored").returncode == 0
        assert "Why nothing is signed" not in reader.until("/console/log", f"{LOG_ORIGIN}/2").says


def test_a_consistency_file_from_more_leaves_than_are_signed_is_refused_on_the_page(running: Service, operator: Visitor) -> None:
    _, event = approved(running)
    proof(operator, f"/console/events/{event}/proof")
    for size, status in (("99999999", 409), ("x", 400), ("-1", 400)):
        page = operator.get("/console/log/consistency", **{"from": size})
        assert (page.status, 'role="alert"' in page.content, f'value="{size}"' in page.content) == (status, True, True)
    assert operator.get("/console/log/consistency").status == 200


def test_the_checkpoint_is_copied(pages: Pages, console: Console, night: Night) -> None:
    page = opened(pages, console, READER, permissions=["clipboard-read", "clipboard-write"])
    page.goto("/console/log")
    shown = page.get_by_label("Newest checkpoint", exact=True).inner_text()
    page.get_by_role("button", name="Copy: Newest checkpoint").click()
    assert page.evaluate("navigator.clipboard.readText()").strip() == shown.strip()
    assert f"{LOG_ORIGIN}/1" in shown
