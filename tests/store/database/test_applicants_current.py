"""The view for analysts: live applicants that are known, in plain columns, for a role that may read nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url, text

from store import database
from store.applicants import table
from store.applicants.table import Applicant
from store.text.states import Status

PAGE = (Path(__file__).parent.parent.parent.parent / "docs" / "databases.md").read_text().partition("`applicants_current`")[2]

AT = datetime(2026, 3, 30, 12, 0, 0, 250_000, UTC)
EVENT = "01932f3e-5b6c-7d10-8c2a-0123456789ab"
VERDICT = {"status": "rejected", "level": "basic", "as_of": "2026-03-30T12:00:00.250Z"}


@pytest.fixture
def stocked(kept: str) -> str:
    """Applicants: one rejected, one of whom little is known, one of the sandbox, and one that is not known yet."""
    told: dict[str, Any] = {"reasons": ["SANCTIONS", "BLACKLIST"], "hits": ["sanctions"], "last_verdict": VERDICT, "last_event_id": EVENT}
    made = [
        Applicant(
            vendor="idenfy", environment="live", reference="rejected", external_user_id="12672", status=Status.REJECTED, final=True,
            checks={"document": "DOC_VALIDATED", "face": None, "additional_steps": None}, updated_at=AT, as_of=AT, version=4, **told,
        ),
        Applicant(vendor="idngo", environment="live", reference="created", updated_at=AT, version=1),
        Applicant(vendor="idngo", environment="sandbox", reference="played", updated_at=AT, version=1),
        Applicant(vendor="idngo", environment="live", reference="linked", updated_at=AT),
    ]  # fmt: skip
    with database.begin() as connection:
        table.save(connection, made)
    return kept


def rows() -> list[dict[str, Any]]:
    with database.reading() as connection:
        return [dict(row._mapping) for row in connection.execute(text("SELECT * FROM applicants_current ORDER BY reference"))]


def test_it_shows_the_live_applicants_that_are_known_in_plain_columns(stocked: str) -> None:
    created, rejected = rows()
    assert rejected["reasons"] == "SANCTIONS, BLACKLIST"
    assert (rejected["hits"], rejected["flags"], rejected["check_document"], rejected["check_face"]) == (
        "sanctions", None, "DOC_VALIDATED", None,
    )  # fmt: skip
    assert (rejected["last_verdict_status"], rejected["last_verdict_level"], rejected["last_event_id"]) == ("rejected", "basic", EVENT)
    assert str(rejected["last_verdict_as_of"]).startswith("2026-03-30 12:00:00.25")
    assert str(rejected["updated_at"]).startswith("2026-03-30 12:00:00.25")
    assert (rejected["status"], rejected["external_user_id"], bool(rejected["final"]), rejected["version"]) == (
        "rejected",
        "12672",
        True,
        4,
    )
    assert (created["reference"], created["reasons"], created["last_verdict_status"], created["last_event_id"]) == (
        "created",
        None,
        None,
        None,
    )


def test_its_columns_are_documented_and_none_is_the_rules_own(stocked: str) -> None:
    cells = re.findall(r"^\| (`.+?) \|", PAGE, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(cells))) == sorted(rows()[0])


def test_the_role_on_the_page_reads_it_and_nothing_else(stocked: str) -> None:
    url = make_url(stocked)
    if url.get_backend_name() != "postgresql":
        pytest.skip("SQLite has no roles")
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with a_role(plain) as name, closing(psycopg.connect(plain, user=name, password="choose-one", autocommit=True)) as analyst:
        assert analyst.execute("SELECT count(*) FROM applicants_current").fetchone() == (2,)
        for refused in ("SELECT * FROM applicants", "SELECT * FROM events", "DELETE FROM applicants_current", "CREATE TABLE own (id int)"):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
                analyst.execute(refused)


@contextmanager
def a_role(url: str) -> Iterator[str]:
    """The role that the page makes, under a name of its own: roles belong to the whole server."""
    [statements] = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    with closing(psycopg.connect(url, autocommit=True)) as owner:
        name = f"analyst_{owner.info.backend_pid}"
        owner.execute(re.sub(r"\banalyst\b", name, statements))
        try:
            yield name
        finally:
            owner.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_the_migration_can_be_undone(stocked: str) -> None:
    from alembic import command

    from store.database import migrations
    from store.database.engine import engine

    with engine().begin() as connection:
        configuration = migrations._configuration()
        configuration.attributes["connection"] = connection
        command.downgrade(configuration, "0010")
        command.upgrade(configuration, "head")
    assert len(rows()) == 2
