"""Images of a verification: claimed, collected, passed on to its vendor, and answered. The same for the relay and for a command.

Of an image the row keeps its type, side, country, size, a digest and the vendor's word. The image itself is in memory alone.
"""

from __future__ import annotations

import hashlib
import mimetypes
import os
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Row

from handlers import config
from handlers.start import sender, steps
from handlers.start.outcomes import Again, Refused
from handlers.start.uploads.attached import collect
from handlers.start.uploads.incoming import IncomingFile, NotTaken
from handlers.start.uploads.passing import WAYS
from store import database
from store.access import audit
from store.inbox import wakeup
from store.privacy.restoring import gate
from store.starts import carrying, requests
from store.starts.asking import AlreadyOpen
from store.starts.carrying import Claimed, LeaseLost
from store.starts.linking import Erased
from store.starts.relay.protocol import AGAIN_SECONDS, CHUNK_BYTES_MAX, Answer, Order, unavailable
from store.starts.requests import FailureKind, StartMode, StartStatus
from store.system import clock
from store.system.logs import describe_error
from store.text import traces
from store.text.names import EVENT_ID

log = structlog.get_logger()

#: The states in which a verification takes images. IDnGO takes further ones; what iDenfy has cannot be changed.
_BEFORE = (StartStatus.REQUESTED, StartStatus.SENT, StartStatus.LINKED, StartStatus.WAITING_FOR_DOCUMENTS)
TAKES_IMAGES = {"idngo": (*_BEFORE, StartStatus.SUBMITTED), "idenfy": _BEFORE}

SEND_AGAIN = "The images were not kept; please send them again."


class VendorCarrier:
    """Carries uploads to the vendors of their verifications."""

    def __init__(self, name: str | None = None) -> None:
        #: A process that follows a crashed one has its name, and so its claims. One without a name has none to follow.
        self._holder = holder(name or os.urandom(16).hex())
        self._under_way: set[str] = set()
        self._lock = threading.Lock()
        self.lanes: Sequence[str] = [vendor for vendor in WAYS if vendor in config.settings().api_vendors] or list(WAYS)

    def begin(self) -> None:
        """Take back what a crashed process of the same name had claimed."""
        with suppress(*database.Failure):  # On purpose: a claim can be taken again by its holder.
            database.write(lambda connection: carrying.release_of_crashed(connection, self._holder))

    def lane(self, order: Order) -> str:
        """Return the vendor of an upload's verification. Raises NotTaken."""
        with _failures():
            row = database.read(lambda connection: _row(connection, order.verification_id))
        if row.vendor not in self.lanes:
            raise NotTaken(unavailable(f"This host has no access to the API of {row.vendor}. {SEND_AGAIN}"))
        return str(row.vendor)

    def carry(self, order: Order, files: Iterable[IncomingFile]) -> Answer:
        """Pass the files of an upload on. Raises NotTaken, Broken."""
        with self._alone(order.verification_id), _failures(), self._claimed(order) as one:
            attached = collect(order, files, vendor=one.row.vendor)
            answer = _passed_on(one, lambda: WAYS[one.row.vendor](one, attached, skip_analysis=order.skip_analysis))
        wakeup.notify()
        return answer

    @contextmanager
    def _alone(self, request_id: str) -> Iterator[None]:
        with self._lock:
            if request_id in self._under_way:
                raise NotTaken(_busy())
            self._under_way.add(request_id)
        try:
            yield
        finally:
            self._under_way.discard(request_id)

    @contextmanager
    def _claimed(self, order: Order) -> Iterator[Claimed]:
        one = database.write(lambda connection: _claim(connection, order, self._holder))
        try:
            with traces.following(traces.from_kept(one.row.trace)):
                yield one
        finally:
            with suppress(*database.Failure):  # On purpose: its holder can claim it again, and another one later.
                database.write(lambda connection: carrying.let_go(connection, one.id, self._holder))


def holder(name: str) -> str:
    """Return the name under which a process of this host claims verifications, which its successor has, too."""
    return f"relay:{hashlib.sha256(f'{socket.gethostname()}:{name}'.encode()).hexdigest()[:32]}"


def from_disk(paths: Mapping[str, Path]) -> Iterator[IncomingFile]:
    """Yield files of this host as those of an upload, by the names of their parts. Raises OSError."""
    for part, path in paths.items():
        with path.open("rb") as file:
            chunks = iter(lambda: file.read(CHUNK_BYTES_MAX), b"")
            yield IncomingFile(part=part, content_type=mimetypes.guess_type(path.name)[0] or "", chunks=chunks)


def _row(connection: Connection, request_id: str) -> Row[Any]:
    """Return the row of a verification that takes images. Raises NotTaken."""
    row = requests.find(connection, request_id) if EVENT_ID.fullmatch(request_id) else None
    if row is None:
        raise NotTaken(Answer(status=404, detail="No verification has this id."))
    if row.mode != StartMode.DOCUMENTS or row.status not in TAKES_IMAGES.get(row.vendor, ()):
        raise NotTaken(Answer(status=409, detail=f"This verification takes no images: it is {row.status}, at {row.vendor}, {row.mode}."))
    if row.environment != config.settings().api_environment:
        raise NotTaken(Answer(status=409, detail=f"The vendors' APIs that are configured here are not those of {row.environment}."))
    if gate.tell().is_closed:
        raise NotTaken(unavailable(f"Nothing is sent before erasures are done again. {SEND_AGAIN}"))
    return row


def _claim(connection: Connection, order: Order, holder: str) -> Claimed:
    """Claim a verification, and record who sends its images. Raises NotTaken."""
    row = _row(connection, order.verification_id)
    if carrying.claim(connection, row.id, holder) is None:
        raise NotTaken(_busy())
    subject, count = requests.audit_subject(row), len(order.documents)
    action = f"send images to {row.vendor}"
    audit.write(connection, actor=order.actor, action=action, subject=subject, reason=order.reason, touched=count)
    return carrying.held(connection, row.id, holder)


def _passed_on(one: Claimed, work: Any) -> Answer:
    """Do the work; return its answer. What went wrong is in the verification's row."""
    try:
        work()
    except Again as again:
        _wait(one, again.says)
        rest = int((again.again_at - clock.now()).total_seconds()) if again.again_at else AGAIN_SECONDS
        return Answer(status=503, detail=f"The vendor could not be reached: {again.says}. {SEND_AGAIN}", retry_after=max(rest, 1))
    except steps.NotConfigured as missing:
        return unavailable(f"{missing}. {SEND_AGAIN}")
    except Refused as refused:
        if refused.fault != FailureKind.CALLER:
            return _failed(one, refused.fault, refused.says)
        _wait(one, refused.says, missing=refused.missing)
        return Answer(status=422, detail=f"The vendor refuses the images: {refused.says}.")
    except AlreadyOpen as other:
        return Answer(status=409, detail=f"Another {other}.")
    except Erased as erased:
        return _failed(one, FailureKind.PERSON, str(erased))
    return Answer(status=202)


def _wait(one: Claimed, says: str, *, missing: Sequence[str] = ()) -> None:
    database.write(lambda connection: carrying.waits_for_images(connection, one, says, missing=missing))


def _failed(one: Claimed, kind: FailureKind, says: str) -> Answer:
    sender.give_up(one, kind, says)
    return Answer(status=409, detail=f"The verification failed: {says}.")


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what keeps the row from being read or written into an answer."""
    try:
        yield
    except LeaseLost as lost:
        raise NotTaken(Answer(status=409, detail="The verification was changed while its images were sent. Look at it again.")) from lost
    except database.Failure as error:
        log.error("the database cannot be reached", error=describe_error(error))
        raise NotTaken(unavailable(f"The database cannot be reached. {SEND_AGAIN}")) from error


def _busy() -> Answer:
    return unavailable(f"This verification is being carried on. {SEND_AGAIN}")
