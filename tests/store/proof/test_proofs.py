"""Proofs, on real databases: what the log gives of each row is verified by the program that an auditor runs, and by nothing of ours."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, select, update

from store import database
from store.access import audit
from store.applicants import feed
from store.applicants.visibility import Erased, Restricted
from store.database.log_tables import Leaf
from store.database.operations_tables import Act
from store.database.tables import ApplicantRow, EventRow, TransitionRow
from store.inbox.sealing.encryption import Unopenable
from store.privacy.acts import DataSubject
from store.proof import checkpoints, queue
from store.proof.kinds import LeafKind
from store.proof.shown import proofs, rows
from store.proof.shown.proofs import Altered, LargerThanSigned, NotSigned, Proof
from store.proof.shown.rows import About, NotLogged
from store.text.states import ApplicantKey
from tests.support.privacy.erasing import erase_now
from tests.support.proof import auditor
from tests.support.proof.auditor import content, opening
from tests.support.proof.log import OTHER_KEY, configure, happen, kept_leaves, log_all, log_and_sign

pytestmark = pytest.mark.usefixtures("signing")

#: An id that nothing has.
NO_ID = "01a1fbd7-3d85-709d-910b-a2b8e8a84b6e"


def read(work: Callable[[Any], Any]) -> Any:
    return database.read(work)


def one(column: Any) -> Any:
    return read(lambda connection: connection.execute(select(column)).scalars().all())[-1]


def prove(about: About, name: object, *, is_officer: bool = False, with_body: bool = False) -> Proof:
    def work(connection: Any) -> Proof:
        sought = rows.find(connection, about, str(name))
        assert sought is not None, f"no {about} {name}"
        rows.check_visible(connection, sought, is_officer=is_officer, with_body=with_body)
        return proofs.prove(connection, sought, with_body=with_body)

    found: Proof = read(work)
    return found


def act() -> int:
    database.write(lambda connection: audit.write(connection, actor="night", action="link", subject="idngo live x", reason="asked"))
    made: int = one(Act.id)
    return made


def verified(folder: Path, **files: str) -> tuple[int, str]:
    """What the auditor's program says of files, with the keys that the log gives."""
    return auditor.verified(folder, read(checkpoints.vkeys), files)


def remove_acts(connection: Connection) -> None:
    """Remove the acts, as a rule of RETENTION does."""
    numbers = list(connection.execute(select(Act.id)).scalars())
    connection.execute(delete(Act))
    queue.add_erased(connection, LeafKind.ACT, numbers, erasure_id=None)


def checkpoint() -> str:
    return str(read(proofs.newest).note)


def export() -> str:
    newest = read(proofs.newest)
    some = [read(lambda connection, at=at: proofs.lines(connection, at, min(at + 2, newest.size))) for at in range(0, newest.size, 2)]
    return (proofs.EXPORT_TITLE + b"".join(some)).decode() + "\n" + newest.note


def test_each_kind_of_row_is_proved_as_it_is(tmp_path: Path) -> None:
    happen()
    made = act()
    assert log_and_sign()
    change = one(TransitionRow.number)
    cursor = read(lambda connection: feed.cursor_of(feed.position(connection, None)[0], change))
    found = {
        "event": prove(About.EVENT, one(EventRow.id)),
        "change": prove(About.CHANGE, cursor),
        "the-same": prove(About.CHANGE, change),
        "act": prove(About.ACT, made),
        "leaf": prove(About.LEAF, 0),
    }
    status, said = verified(tmp_path, **{name: proof.text for name, proof in found.items()}, checkpoint=checkpoint(), export=export())
    assert (status, said.count("ok ")) == (0, 7), said
    assert content(found["event"].text)["id"] == one(EventRow.id)
    assert content(found["change"].text)["applicant"]["status"] == "approved"
    assert found["change"].text == found["the-same"].text
    assert (content(found["act"].text)["actor"], content(found["act"].text)["reason"]) == ("night", "asked")


def test_every_leaf_is_proved_and_the_whole_extends_what_was_signed_before(tmp_path: Path) -> None:
    happen(3)
    database.write(lambda connection: audit.write(connection, actor="ночь", action="link", subject="idngo live x"))
    log_and_sign()
    old, size = checkpoint(), read(proofs.newest).size
    happen(2)
    database.write(remove_acts)
    log_and_sign()
    shown = {f"{leaf.number}.tlog-proof": prove(About.LEAF, leaf.number, with_body=True).text for leaf in kept_leaves()}
    consistency = read(lambda connection: proofs.consistency(connection, size))
    status, said = verified(tmp_path, **shown, old=old, consistency=consistency, export=export())
    lines = said.splitlines()
    assert (status, [line for line in lines if not line.startswith("ok ")]) == (0, []), said
    assert sum("content and body verified" in line for line in lines) == 5
    assert [line.split(": ")[1].split()[0] for line in lines if "emptied by leaf" in line] == ["act"]


def test_a_body_is_shown_only_where_it_is_asked_for(tmp_path: Path) -> None:
    happen()
    log_and_sign()
    plain, whole = (prove(About.EVENT, one(EventRow.id), with_body=with_body) for with_body in (False, True))
    assert (plain.has_body, whole.has_body) == (False, True)
    assert set(opening(plain.text)) == {"leaf", "salt", "content"}
    body = json.loads(base64.b64decode(opening(whole.text)["body"]))
    assert body["reviewResult"]["reviewAnswer"] == "GREEN"
    assert verified(tmp_path, plain=plain.text, whole=whole.text)[0] == 0
    other = opening(whole.text) | {"body": base64.b64encode(b"{}").decode()}
    forged = whole.text.replace(whole.text.splitlines()[1], f"extra {base64.b64encode(json.dumps(other).encode()).decode()}")
    assert verified(tmp_path, forged=forged)[0] == 1


def test_what_is_not_signed_yet_is_not_proved() -> None:
    happen()
    event_id = one(EventRow.id)
    for step in (lambda: None, log_all):
        step()
        with pytest.raises(NotLogged):
            prove(About.EVENT, event_id)
    log_and_sign()
    happen()
    log_all()
    assert prove(About.EVENT, event_id)
    with pytest.raises(NotLogged):
        prove(About.EVENT, one(EventRow.id))


@pytest.mark.parametrize(
    ("about", "name"),
    [
        (About.EVENT, "x"), (About.EVENT, NO_ID), (About.CHANGE, "99"), (About.ACT, "99"),
        (About.ACT, "-1"), (About.ACT, "9" * 30), (About.HOLD, NO_ID), (About.ERASURE, ""), (About.LEAF, "99"),
    ],
)  # fmt: skip
def test_what_never_was_is_unknown(about: About, name: str) -> None:
    happen()
    log_and_sign()
    assert read(lambda connection: rows.find(connection, about, name)) is None


@pytest.mark.parametrize("cursor", ["x", "latest", "0.1", "9f86d081.1"])
def test_a_cursor_that_the_feed_did_not_give_is_refused(cursor: str) -> None:
    with pytest.raises(feed.OutOfPlace):
        read(lambda connection: rows.find(connection, About.CHANGE, cursor))


def test_a_row_that_was_altered_is_not_proved() -> None:
    happen()
    made = act()
    log_and_sign()
    database.write(lambda connection: connection.execute(update(Act).values(reason="another")))
    database.write(lambda connection: connection.execute(update(EventRow).values(headers={"x": "y"})))
    for about, name in ((About.ACT, made), (About.EVENT, one(EventRow.id))):
        with pytest.raises(Altered, match="not as it was logged"):
            prove(about, name)
    database.write(lambda connection: connection.execute(delete(Act)))
    with pytest.raises(Altered):
        prove(About.ACT, made)


def test_an_event_that_no_configured_key_opens_is_not_taken_for_altered(monkeypatch: pytest.MonkeyPatch) -> None:
    happen()
    log_and_sign()
    configure(monkeypatch, ENCRYPTION_KEYS=OTHER_KEY)
    with pytest.raises(Unopenable):
        prove(About.EVENT, one(EventRow.id))


def test_an_act_that_a_rule_removed_is_proved_to_be_emptied(tmp_path: Path) -> None:
    made = act()
    log_and_sign()
    database.write(remove_acts)
    with pytest.raises(NotLogged):
        prove(About.ACT, made)
    log_and_sign()
    found = prove(About.ACT, made)
    status, said = verified(tmp_path, act=found.text)
    assert (status, "emptied by leaf" in said) == (0, True), said
    assert "content" not in opening(found.text)


def test_an_older_proof_is_followed_by_the_number_of_its_leaf(tmp_path: Path) -> None:
    made = act()
    log_and_sign()
    before, old = prove(About.ACT, made), checkpoint()
    number = before.text.splitlines()[2].removeprefix("index ")
    database.write(lambda connection: connection.execute(update(Act).values(subject="erased")))
    database.write(lambda connection: queue.add_erased(connection, LeafKind.ACT, [made], erasure_id=NO_ID))
    log_and_sign()
    now, then = prove(About.ACT, made), prove(About.LEAF, number)
    assert (content(now.text)["subject"], content(before.text)["subject"]) == ("erased", "idngo live x")
    size = old.splitlines()[1]
    consistency = read(lambda connection: proofs.consistency(connection, int(size)))
    status, said = verified(tmp_path, before=before.text, now=now.text, then=then.text, old=old, new=checkpoint(), grown=consistency)
    assert (status, said.count("ok "), said.count("emptied by leaf")) == (0, 6, 1), said
    emptying = prove(About.LEAF, opening(then.text)["emptied_by"])
    assert content(emptying.text) == {"erasure_id": NO_ID, "numbers": [int(number)]}


def test_every_older_size_is_shown_to_be_the_beginning(tmp_path: Path) -> None:
    happen()
    log_and_sign()
    old, size = checkpoint(), read(proofs.newest).size
    happen(3)
    log_and_sign()
    files = {"old": old, "new": checkpoint()}
    found = read(lambda connection: proofs.consistency(connection, size))
    assert verified(tmp_path, **files, grown=found)[0] == 0
    newest = read(proofs.newest).size
    for other in (0, 1, newest):
        assert read(lambda connection, other=other: proofs.consistency(connection, other)).startswith(f"old {other}\n")
    with pytest.raises(LargerThanSigned, match=f"{newest} leaves, and {newest + 1}"):
        read(lambda connection: proofs.consistency(connection, newest + 1))


def test_a_leaf_that_was_changed_behind_the_logs_back_is_found_offline(tmp_path: Path) -> None:
    happen(2)
    log_and_sign()
    old, size = checkpoint(), read(proofs.newest).size
    number = next(leaf.number for leaf in kept_leaves() if leaf.kind == LeafKind.CHANGE)
    database.write(lambda connection: connection.execute(update(Leaf).where(Leaf.number == number).values(commitment=bytes(32))))
    consistency = read(lambda connection: proofs.consistency(connection, size))
    status, said = verified(tmp_path, old=old, export=export(), consistency=consistency)
    assert status == 1
    assert "FAILED  export: its 5 leaves are not, or do not begin with, the 5 leaves of old" in said


def test_nothing_is_given_while_nothing_is_signed() -> None:
    happen()
    log_all()
    for work in (proofs.newest, lambda connection: proofs.consistency(connection, 0)):
        with pytest.raises(NotSigned):
            read(work)
    assert read(lambda connection: proofs.entries(connection, 0, 10)) == []


def test_only_signed_leaves_are_listed() -> None:
    happen()
    log_and_sign()
    happen()
    log_all()
    signed = read(proofs.newest).size
    found = [proofs.describe_entry(row) for row in read(lambda connection: proofs.entries(connection, 1, 100))]
    assert [one["number"] for one in found] == list(range(1, signed))
    line = "{version} {kind} {at} {commitment}\n".format(**found[0])
    assert line.encode() == read(lambda connection: proofs.lines(connection, 1, 2))
    assert [row.number for row in read(lambda connection: proofs.entries(connection, 0, 1))] == [0]


def test_restricted_applicants_are_proved_to_privacy_officers_alone() -> None:
    happen()
    reference = one(TransitionRow.reference)
    database.write(lambda connection: audit.write(connection, actor="night", action="look up", subject=f"idngo live {reference}"))
    log_and_sign()
    names = {About.EVENT: one(EventRow.id), About.CHANGE: one(TransitionRow.number), About.ACT: one(Act.id)}
    database.write(lambda connection: connection.execute(update(ApplicantRow).values(restricted=True)))
    for about, name in names.items():
        with pytest.raises(Restricted):
            prove(about, name)
        assert prove(about, name, is_officer=True)


def test_an_erasure_and_what_is_left_of_its_event_are_proved(tmp_path: Path) -> None:
    happen()
    log_and_sign()
    event_id, reference = one(EventRow.id), one(TransitionRow.reference)
    before = prove(About.EVENT, event_id, with_body=True)
    made = erase_now(DataSubject(environment="live", vendor="idngo", reference=reference))
    log_and_sign()
    left, done = prove(About.EVENT, event_id), prove(About.ERASURE, made)
    assert (content(left.text)["body"], content(left.text)["erased_at"] is None) == (None, False)
    assert content(done.text)["done_at"]
    with pytest.raises(Erased):
        prove(About.EVENT, event_id, with_body=True)
    then = prove(About.LEAF, before.text.splitlines()[2].removeprefix("index "))
    assert reference not in (left.text + done.text + then.text)
    status, said = verified(tmp_path, before=before.text, left=left.text, done=done.text, then=then.text, new=checkpoint())
    assert (status, "emptied by leaf" in said) == (0, True), said
    subject = read(lambda connection: rows.subject(connection, rows.find(connection, About.EVENT, event_id)))
    assert subject == audit.event_subject(event_id)


def test_who_was_looked_at_is_named_as_elsewhere() -> None:
    happen()
    made = act()
    key = ApplicantKey("idngo", "live", one(TransitionRow.reference))

    def subject(about: About, name: object) -> str | None:
        found: str | None = read(lambda connection: rows.subject(connection, rows.find(connection, about, str(name))))
        return found

    assert subject(About.CHANGE, one(TransitionRow.number)) == audit.applicant_subject(key)
    assert subject(About.EVENT, one(EventRow.id)) == audit.event_subject(one(EventRow.id))
    assert subject(About.ACT, made) is None
