"""Evidence pack: a zip of what concerns applicants, with a proof of each row against one checkpoint, and what verifies them offline.

The lists are made of what the proofs hold, row by row, so that they cannot differ. One page of rows is in memory at a time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from msgspec import Struct
from sqlalchemy import Connection, Row

from store import database
from store.access import audit
from store.access.operators import Actor
from store.applicants import explanations
from store.applicants.table import Applicant
from store.database import bulk
from store.inbox.sealing.encryption import Unopenable
from store.privacy import shown
from store.privacy.evidence import check, concerned, readme
from store.privacy.evidence.concerned import Folder, Part
from store.privacy.evidence.readme import LeftOut
from store.proof import checkpoints, tree, verify
from store.proof.kinds import LeafKind
from store.proof.shown import proofs
from store.proof.shown.proofs import Altered, Proof, Signed
from store.proof.shown.rows import NotLogged
from store.system import clock
from store.text import safe_text

#: Rows that are proved in one transaction: of events with their bodies fewer, because a body has up to MAX_BODY_BYTES.
ROWS_AT_ONCE, BODIES_AT_ONCE = 200, 5

#: What is held in memory of a list; more of it lies beside the pack, in a file without a name.
IN_MEMORY = 16 * 2**20

#: Why a row is left out.
NOT_LOGGED = "not logged and signed yet"


class Order(Struct, frozen=True, kw_only=True):
    """A pack that is asked for."""

    folders: list[Folder]
    #: The checkpoint of all proofs.
    checkpoint: Row[Any]
    by: Actor
    with_body: bool
    reason: str | None


def write(out: BinaryIO, order: Order, *, beside: Path, on_parts: Callable[[int], None]) -> list[LeftOut]:
    """Write a pack; return what is left out of it. `beside`: the folder for what does not fit into memory. `on_parts` gets the number of
    rows of each page.

    The audit log records each body that is read, before it is written. Raises Hidden if an applicant was erased or restricted meanwhile."""
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        made = _Pack(archive, order, beside=str(beside), on_parts=on_parts)
        made.add("checkpoint", order.checkpoint.note.encode())
        made.add("keys.txt", "".join(f"{vkey}\n" for vkey in database.read(checkpoints.vkeys)).encode())
        for program in (Path(verify.__file__), Path(check.__file__)):
            made.add(program.name, program.read_bytes())
        for folder in order.folders:
            made.add_folder(folder)
        text = readme.text(order.folders, order.checkpoint, made.left_out, at=made.at, has_bodies=order.with_body)
        made.add("README.txt", text.encode())
    database.read(lambda connection: concerned.check_visible(connection, order.folders, is_officer=order.by.is_officer))
    return made.left_out


class _Pack:
    """A pack that is being written."""

    def __init__(self, archive: ZipFile, order: Order, *, beside: str, on_parts: Callable[[int], None]) -> None:
        self._archive, self._order, self._beside, self._on_parts = archive, order, beside, on_parts
        self.left_out: list[LeftOut] = []
        self.at: datetime = clock.now()

    def add(self, name: str, content: bytes) -> None:
        self._archive.writestr(self._entry(name), content)

    def add_folder(self, folder: Folder) -> None:
        proved = dict[str, str]()
        for name, kinds in check.LISTS.items():
            if parts := [part for part in folder.parts if part.kind in kinds]:
                self._add_lines(f"{folder.name}/{name}", "[", self._proved(folder, parts, proved), "]")
        if folder.applicant is not None:
            of_events = {str(part.id): proved.get(part.name) for part in folder.parts if part.kind == LeafKind.EVENT}
            grounds = database.read(partial(shown.explain, found=folder.applicant, at=None))
            head = safe_text.as_json(grounds).removesuffix("}")
            self._add_lines(f"{folder.name}/explanation.json", f'{head},"data":[', _explained(folder.applicant, of_events), "]}")

    def _proved(self, folder: Folder, parts: Sequence[Part], proved: dict[str, str]) -> Iterator[str]:
        """Add the proofs of rows, and yield what each holds; add to `proved` the file of each."""
        has_bodies = self._order.with_body and parts[0].kind == LeafKind.EVENT
        for some in bulk.parts(parts, BODIES_AT_ONCE if has_bodies else ROWS_AT_ONCE):
            for part, found in self._prove(some, with_body=has_bodies):
                if isinstance(found, str):
                    self.left_out.append(LeftOut(folder=folder.name, name=part.name, why=found))
                    continue
                proof = proved[part.name] = f"proofs/{part.name}.tlog-proof"
                self.add(f"{folder.name}/{proof}", found.text.encode())
                if found.has_body:
                    self.add(f"{folder.name}/events/{part.name}.body", found.body)
                if found.content is not None:
                    yield safe_text.as_json({"proof": proof} | found.content)
            self._on_parts(len(some))

    def _prove(self, parts: Sequence[Part], *, with_body: bool) -> list[tuple[Part, Proof | str]]:
        """Return the proof of each row, or why there is none. It is recorded which bodies are read."""
        order = self._order

        def work(connection: Connection) -> list[tuple[Part, Proof | str]]:
            signed = Signed(order.checkpoint, tree.tree(connection))
            found = [(part, _prove(connection, part, signed, with_body=with_body)) for part in parts]
            for part, proof in found:
                if isinstance(proof, Proof) and proof.has_body:
                    _record_body(connection, part, order)
            return found

        return (database.write if with_body else database.read)(work)

    def _add_lines(self, name: str, head: str, lines: Iterator[str], tail: str) -> None:
        """Add a file of JSON, an element a line, while the proofs of its elements are added."""
        with SpooledTemporaryFile(IN_MEMORY, dir=self._beside) as spool:
            spool.write(head.encode())
            for number, line in enumerate(lines):
                spool.write(f"{',' if number else ''}\n{line}".encode())
            spool.write(f"\n{tail}\n".encode())
            entry = self._entry(name)
            entry.file_size = spool.tell()
            spool.seek(0)
            with self._archive.open(entry, "w") as file:
                shutil.copyfileobj(spool, file)

    def _entry(self, name: str) -> ZipInfo:
        entry = ZipInfo(name, self.at.timetuple()[:6])
        entry.compress_type, entry.create_system, entry.external_attr = ZIP_DEFLATED, 3, 0o100600 << 16
        return entry


def _prove(connection: Connection, part: Part, signed: Signed, *, with_body: bool) -> Proof | str:
    try:
        return proofs.prove_in(signed, connection, part.sought(connection), with_body=with_body)
    except NotLogged:
        return NOT_LOGGED
    except (Altered, Unopenable) as error:
        return str(error)


def _record_body(connection: Connection, part: Part, order: Order) -> None:
    subject = audit.event_subject(str(part.id))
    by, reason = order.by, order.reason
    audit.write(connection, actor=by.name, action="read a body", subject=subject, reason=reason, touched=1, os_user=by.os_user)


def _explained(applicant: Applicant, proved: dict[str, str | None]) -> Iterator[str]:
    """Yield each of some events as it explains an applicant, in the vendor's order, with the file of its proof."""
    after: explanations.Place | None = None
    while found := database.read(partial(explanations.events, key=applicant.key, after=after, limit=ROWS_AT_ONCE)):
        yield from (
            safe_text.as_json({"proof": proved[event["event_id"]]} | explanations.describe(event))
            for event in found
            if event["event_id"] in proved
        )
        after = found[-1]["place"]
