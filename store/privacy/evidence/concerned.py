"""What concerns an applicant: its events and changes, the acts about it, its holds and erasures. Each has a leaf in the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from sqlalchemy import Connection, and_, or_, select

from store.access import audit
from store.applicants import erased, feed, users, visibility
from store.applicants.table import Applicant
from store.applicants.visibility import Erased
from store.database import bulk
from store.database.log_tables import Leaf
from store.database.privacy_tables import Erasure
from store.database.tables import EventRow, MentionRow, TransitionRow
from store.privacy import holds
from store.privacy.acts import DataSubject
from store.proof.kinds import LeafKind
from store.proof.shown import rows
from store.proof.shown.rows import Sought
from store.text import safe_text
from store.text.states import ApplicantKey

#: Rows that are read at a time.
PAGE = 500


class Part(Struct, frozen=True, kw_only=True):
    """One row, or one stage of it: what one proof is about."""

    kind: LeafKind
    #: The number or the id by which its leaf is found; of an `emptied` leaf, the leaf's own number.
    key: int | str
    #: Its id as it is shown.
    id: int | str

    @property
    def name(self) -> str:
        """Return the name of its files."""
        return f"{self.kind}-{self.id}"

    def sought(self, connection: Connection) -> Sought:
        """Return the row that a proof is asked for."""
        if self.kind == LeafKind.EMPTIED:
            return Sought(kinds=(self.kind,), key=None, leaf=rows.by_number(connection, int(self.key)))
        return Sought(kinds=(self.kind,), key=self.key)


class Folder(Struct, frozen=True, kw_only=True):
    """What concerns one applicant, or names one user."""

    name: str
    #: What it is about, in words.
    about: str
    #: None: it is about a user, or an applicant that was erased.
    applicant: Applicant | None = None
    #: By kind.
    parts: list[Part]


def find(connection: Connection, subject: DataSubject, *, is_officer: bool) -> list[Folder]:
    """Return what concerns an applicant, or each applicant of a user; nothing if none is known. Raises Restricted, NoIndexKey and
    WrongIndexKey.

    Of an applicant that was erased the erasure is left. A user's restricted applicants are left out, as elsewhere."""
    if subject.external_user_id is not None:
        found = list(_applicants_of(connection, subject.external_user_id, subject.environment))
        folders = [_folder(connection, number, one, is_officer=is_officer) for number, one in enumerate(found, 1)]
        return [*folders, _of_user(connection, subject, is_officer=is_officer)] if found else []
    try:
        known = visibility.find(connection, subject.key, is_officer=is_officer)
    except Erased as gone:
        parts = list(_erasures(connection, [gone.erasure_id] if gone.erasure_id else []))
        return [Folder(name="erasure", about=f"an applicant: {gone}", parts=parts)]
    return [_folder(connection, 1, known, is_officer=is_officer)] if known else []


def check_visible(connection: Connection, folders: Sequence[Folder], *, is_officer: bool) -> None:
    """Check that the caller may still see each applicant. Raises Hidden."""
    for folder in folders:
        if folder.applicant is not None:
            visibility.find(connection, folder.applicant.key, is_officer=is_officer)


def without_leaf(connection: Connection, parts: Sequence[Part], *, size: int) -> list[Part]:
    """Return the parts that have no leaf in the tree of the first `size` leaves, or wait for one."""
    lacking = {
        kind: rows.without_leaf(connection, kind, [part.key for part in parts if part.kind == kind], size=size)
        for kind in {part.kind for part in parts} - {LeafKind.EMPTIED}
    }
    return [part for part in parts if part.key in lacking.get(part.kind, ()) or (part.kind == LeafKind.EMPTIED and int(part.key) >= size)]


def _applicants_of(connection: Connection, external_user_id: str, environment: str) -> Iterator[Applicant]:
    after = None
    while found := users.applicants_of(connection, external_user_id, environment=environment, after=after, limit=PAGE):
        yield from found
        after = (found[-1].vendor, found[-1].first_sequence or 0, found[-1].reference)


def _folder(connection: Connection, number: int, one: Applicant, *, is_officer: bool) -> Folder:
    key = one.key
    return Folder(
        name=f"{number}-{key.vendor}",
        about=f"{key.vendor} {safe_text.plain(key.reference)} ({key.environment})",
        applicant=one,
        parts=[
            *_events(connection, key),
            *_changes(connection, key),
            *(Part(kind=LeafKind.ACT, key=act, id=act) for act in _acts(connection, key, is_officer=is_officer)),
            *_holds(connection, key, one.external_user_id),
            *_erasures(connection, _erasure_ids(connection, key, one.external_user_id)),
        ],
    )


def _of_user(connection: Connection, subject: DataSubject, *, is_officer: bool) -> Folder:
    """Return the acts that name a user, and none of the applicants."""
    acts, after, user = list[int](), None, str(subject.external_user_id)
    while found := audit.listing(
        connection, about_user=user, environment=subject.environment, after=after, with_restricted=is_officer, limit=PAGE
    ):
        acts += [row.id for row in found if row.subject == audit.user_subject(user)]
        after = (found[-1].id,)
    about = f"user {safe_text.plain(user)}: acts that name the user alone"
    return Folder(name="user", about=about, parts=[Part(kind=LeafKind.ACT, key=act, id=act) for act in acts])


def _events(connection: Connection, key: ApplicantKey) -> Iterator[Part]:
    query = select(EventRow.sequence, EventRow.id).join(MentionRow, MentionRow.event_sequence == EventRow.sequence)
    for row in connection.execute(query.where(bulk.of_applicants(MentionRow, [key])).order_by(EventRow.sequence)):
        yield Part(kind=LeafKind.EVENT, key=row.sequence, id=row.id)


def _changes(connection: Connection, key: ApplicantKey) -> Iterator[Part]:
    mine = select(TransitionRow.number).filter_by(**key._asdict()).where(TransitionRow.to_status != feed.ERASED)
    for number in connection.execute(mine.order_by(TransitionRow.number)).scalars():
        yield Part(kind=LeafKind.CHANGE, key=number, id=number)


def _acts(connection: Connection, key: ApplicantKey, *, is_officer: bool) -> Iterator[int]:
    after = None
    while found := visibility.acts(connection, is_officer=is_officer, about=key, after=after, limit=PAGE):
        yield from (row.id for row in found)
        after = (found[-1].id,)


def _holds(connection: Connection, key: ApplicantKey, user: str | None) -> Iterator[Part]:
    for row in holds.about(connection, key.environment, [key], user):
        yield Part(kind=LeafKind.HOLD, key=row.id, id=row.id)
        if row.lifted_at is not None:
            yield Part(kind=LeafKind.HOLD_LIFTED, key=row.id, id=row.id)


def _erasure_ids(connection: Connection, key: ApplicantKey, user: str | None) -> list[str]:
    """Return the erasures that name an applicant or its user, and the one after which the applicant was readmitted."""
    of_user = Erasure.external_user_id == user if user is not None else Erasure.id.is_(None)
    named = or_(and_(Erasure.vendor == key.vendor, Erasure.reference == key.reference), of_user)
    open_ones = connection.execute(select(Erasure.id).where(Erasure.environment == key.environment, named)).scalars()
    return sorted({*open_ones, *(one.erasure_id for one in erased.among(connection, [key]).values())})


def _erasures(connection: Connection, ids: Sequence[str]) -> Iterator[Part]:
    """Yield each stage of erasures, and the leaves that name the leaves that each emptied."""
    query = select(Erasure.id, Erasure.decided_at, Erasure.done_at).where(Erasure.id.in_(ids)).order_by(Erasure.id)
    for row in connection.execute(query).all():
        stages = {LeafKind.ERASURE: True, LeafKind.ERASURE_DECIDED: row.decided_at, LeafKind.ERASURE_DONE: row.done_at}
        yield from (Part(kind=kind, key=row.id, id=row.id) for kind, is_there in stages.items() if is_there)
    emptied = select(Leaf.number).where(Leaf.kind == LeafKind.EMPTIED, Leaf.row_id.in_(ids)).order_by(Leaf.number)
    for number in connection.execute(emptied).scalars():
        yield Part(kind=LeafKind.EMPTIED, key=number, id=number)
