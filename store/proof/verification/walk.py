"""The walk: every leaf in its order, compared with the tree, with its row, and with the leaves before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from store.database.log_tables import Leaf
from store.inbox.sealing.encryption import Unopenable
from store.proof import contents, tree
from store.proof.kinds import LeafKind
from store.proof.leaves import time_of
from store.proof.verification import causes, emptied, pages
from store.proof.verification.faults import LEAF, Fault, Faults, id_of
from store.proof.verification.growth import Growth
from store.proof.verification.pages import Emptied, KeptLeaf, Key
from store.proof.verification.times import Times
from store.proof.verify import leaf_hash, leaf_line


class Suspect(NamedTuple):
    """A leaf that did not open. Its row may have been erased while it was read."""

    number: int
    kind: LeafKind
    key: Key


class Walk:
    """What is known of the leaves up to one of them."""

    def __init__(self, connection: Connection, faults: Faults, *, start: int = 0) -> None:
        """`start`: the leaves before it are taken for right."""
        self.growth = Growth.of(tree.beginning(connection, start))
        self.suspects: list[Suspect] = []
        #: Rows that were compared.
        self.rows = 0
        self._faults = faults
        self._times = Times(connection, start=start)
        self._at = connection.execute(select(Leaf.at).where(Leaf.number == start - 1)).scalar_one_or_none()
        #: The time of the leaves before those of the newest pass.
        self._at_before = self._at
        newest = select(func.coalesce(func.max(Leaf.row), 0)).where(Leaf.kind == LeafKind.CHANGE, Leaf.number < start)
        self._last_change = connection.execute(newest).scalar_one() or 0
        #: For each leaf of a stop: the time of the leaves before it.
        self._before_stops: dict[int, datetime | None] = {}
        self._logged_events = causes.LoggedEvents()

    @property
    def size(self) -> int:
        return self.growth.size

    def go_on(self, connection: Connection, end: int, roots: Mapping[int, Any]) -> dict[int, bytes]:
        """Go on to the leaf before `end`; return the roots at those of the sizes that were passed."""
        page, found = pages.leaves(connection, self.size, end), {}
        at, shown = None, ""
        for leaf in self._without_gaps(page, end):
            if leaf.at != at:  # Those of one pass have the same time.
                at, shown = leaf.at, time_of(leaf.at)
            self.growth.add(leaf_hash(leaf_line(leaf.kind, shown, leaf.commitment)))
            if self.size in roots:
                found[self.size] = self.growth.root()
            self._check_time(leaf)
        self._add_all(self._named(page, self.growth.compare(connection)))
        self._add_all(emptied.check_named(connection, page))
        opened = pages.by_kind(page)
        for kind in filter(opened.get, LeafKind):  # Events before the changes that they caused.
            some = opened[kind]
            if kind == LeafKind.EMPTIED:
                for leaf in some:
                    self._add_all(emptied.check_list(connection, leaf))
            else:
                self._open(connection, kind, some)
        for leaf in page:
            if leaf.kind not in opened:
                self._faults.add(LEAF, leaf.number, "its kind is unknown")
        return found

    def settle(self, connection: Connection) -> list[Suspect]:
        """Look again at the leaves that did not open; return those whose rows wait in the queue. The rest are faults."""
        waiting = []
        for suspect in self.suspects:
            row = pages.rows(connection, suspect.kind, [suspect.key]).get(suspect.key)
            # The queue before the leaf: what is taken from the queue empties the leaf.
            if emptied.is_queued(connection, suspect.kind, suspect.key):
                waiting.append(suspect)
                continue
            found = pages.leaves(connection, suspect.number, suspect.number + 1)
            if not found or found[0].emptied_by is not None:
                continue
            if row is None or not contents.holds(suspect.kind, row, found[0].commitment, found[0].secret):
                self._faults.add(suspect.kind, id_of(suspect.kind, suspect.key, row), _wrong(suspect, row))
        return waiting

    # each leaf --------------------------------------------------------------------------------------------------

    def _without_gaps(self, page: Sequence[KeptLeaf], end: int) -> Iterator[KeptLeaf]:
        """Yield the leaves. One that is missing is a fault, and the hash that the tree has in its place stands for it."""
        expected = self.size
        for leaf in page:
            for missing in range(expected, leaf.number):
                self._miss(missing)
            expected = leaf.number + 1
            yield leaf
        for missing in range(expected, end):
            self._miss(missing)

    def _miss(self, number: int) -> None:
        self._faults.add(LEAF, number, "it is missing")
        self.growth.add(b"")

    def _check_time(self, leaf: KeptLeaf) -> None:
        if self._at is not None and leaf.at < self._at:
            self._faults.add(LEAF, leaf.number, "its time is earlier than that of the leaf before")
        elif leaf.at != self._at:
            self._at_before, self._at = self._at, leaf.at
        if leaf.kind == LeafKind.STOP:
            self._before_stops[leaf.number] = self._at_before

    def _named(self, page: Sequence[KeptLeaf], faults: Iterator[Fault]) -> Iterator[Fault]:
        """Yield faults, those about leaves with the rows that the leaves lead to. Of a leaf that is missing that is said already."""
        by_number = {leaf.number: leaf for leaf in page}
        for fault in faults:
            leaf = by_number.get(int(fault.id)) if fault.kind == LEAF else None
            if leaf is not None:
                yield Fault(LEAF, fault.id, f"{fault.what} ({leaf.kind} {leaf.key})")
            elif fault.kind != LEAF:
                yield fault

    def _add_all(self, faults: Iterator[Fault]) -> None:
        self._faults.extend(faults)

    # rows -------------------------------------------------------------------------------------------------------

    def _open(self, connection: Connection, kind: LeafKind, some: Sequence[KeptLeaf]) -> None:
        """Compare leaves of a kind with their rows."""
        keys = {leaf.key for leaf in some}
        rows = pages.rows(connection, kind, keys)
        emptied_before = pages.emptied_leaves(connection, kind, keys)
        for leaf in some:
            # Where its row is erased after it was read, this leaf itself may be among them.
            row, before = rows.get(leaf.key), [one for one in emptied_before.get(leaf.key, ()) if one.number < leaf.number]
            if before and before[-1].emptied_at != leaf.at:  # One pass empties the leaf of a row and logs what is left of it.
                what = f"leaf {leaf.number} about it was not appended when its leaf {before[-1].number} was emptied"
                self._faults.add(kind, id_of(kind, leaf.key, row), what)
            if leaf.emptied_by is None:
                self._compare(connection, kind, leaf, row, before)
            elif row is None and kind != LeafKind.ACT:  # A rule of RETENTION removes acts whole, and nothing else is.
                self._faults.add(kind, id_of(kind, leaf.key, None), f"it is missing, and leaf {leaf.number} is about it")
        if kind == LeafKind.EVENT:
            self._logged_events.add({row["id"]: leaf.number for leaf in some if (row := rows.get(leaf.key)) is not None})
        if kind == LeafKind.CHANGE:
            self._check_order(some)
            self._check_causes(connection, [leaf for leaf in some if leaf.key not in emptied_before], rows)

    def _compare(
        self, connection: Connection, kind: LeafKind, leaf: KeptLeaf, row: Mapping[Any, Any] | None, before: Sequence[Emptied]
    ) -> None:
        """Compare a leaf with its row. `before`: the leaves that the row had, and that are emptied."""
        self.rows += 1
        if row is None or not contents.holds(kind, row, leaf.commitment, leaf.secret):
            self.suspects.append(Suspect(leaf.number, kind, leaf.key))
            return
        name = id_of(kind, leaf.key, row)
        if before and not emptied.is_erased(connection, kind, row, leaf, before[-1]):
            self._faults.add(kind, name, f"it was logged again by leaf {leaf.number}, and is not erased")
        if self._times.is_back_dated(kind, row, before[0].at if before else leaf.at):
            self._faults.add(kind, name, f"it is back-dated: its own time is earlier than that of leaf {leaf.number}")
        logged_at = self._before_stops.get(leaf.number)
        if logged_at is not None and self._times.is_false_stop(row, logged_at):
            self._faults.add(kind, name, "leaves were appended in the time in which nothing is said to have been logged")

    def _check_order(self, some: Sequence[KeptLeaf]) -> None:
        """Check that changes are logged in the order of the feed, each once, without a gap."""
        for leaf in some:
            number = leaf.row or 0
            if number > self._last_change + 1:
                self._faults.add(
                    LeafKind.CHANGE, number, f"leaf {leaf.number} is about it, and no leaf is about change {self._last_change + 1}"
                )
            self._last_change = max(self._last_change, number)

    def _check_causes(self, connection: Connection, some: Sequence[KeptLeaf], rows: Mapping[Key, Mapping[Any, Any]]) -> None:
        """Check that the event of each change is logged before it."""
        caused = [(leaf, row["event_id"]) for leaf in some if (row := rows.get(leaf.key)) is not None and row["event_id"]]
        doubtful = [(leaf, event_id) for leaf, event_id in caused if not self._logged_events.has(event_id, before=leaf.number)]
        logged = causes.leaves_of_events(connection, {event_id for _, event_id in doubtful}) if doubtful else {}
        for leaf, event_id in doubtful:
            if logged.get(event_id, leaf.number) >= leaf.number:
                self._faults.add(LeafKind.CHANGE, leaf.key, f"event {event_id}, which caused it, is not logged before it")


def _wrong(suspect: Suspect, row: Mapping[Any, Any] | None) -> str:
    """Return what is wrong with a row to which its leaf does not open."""
    if row is None:
        return f"it is missing, or cannot be read, and leaf {suspect.number} is about it"
    if suspect.kind == LeafKind.EVENT and row["sealed_body"]:
        try:
            contents.open_body(row)
        except Unopenable as error:
            return f"its body cannot be opened: {error}"
    return f"it is not what leaf {suspect.number} commits to"
