"""Records: what a played vendor knows of its applicants, and what was bought, sent and asked."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from receiver.simulator.played.faults import Fault
from store.system import clock

#: The level or workflow of an applicant that was not started here.
LEVEL = "basic-kyc-level"

#: A vendor that is played for days forgets the oldest requests.
REQUESTS_MAX = 10_000

#: Before all times.
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """An applicant's status at its vendor, in the vendor's words, and its earlier statuses."""

    #: IDnGO's is a verdict (GREEN, RED:FINAL, RED:RETRY) or a review's status.
    status: str
    at: datetime
    #: Your id of the person.
    user: str
    #: What an answer says beside or instead of its usual fields.
    says: dict[str, Any]
    #: iDenfy: whether the token of the verification is valid, so that it cannot be deleted.
    token_lives: bool = False
    earlier: tuple[tuple[str, datetime], ...] = ()
    level: str = LEVEL
    #: The labels of a rejection at IDnGO, the fraud tags at iDenfy.
    labels: tuple[str, ...] = ()

    @property
    def began_at(self) -> datetime:
        return self.earlier[0][1] if self.earlier else self.at


@dataclass(kw_only=True)
class Image:
    """An image that arrived: what is kept of it."""

    number: int
    reference: str
    type: str
    side: str | None
    country: str | None
    content_type: str | None
    size: int
    sha256: str
    #: IDnGO: an image with an error, or with a better one in its place, is inactive.
    active: bool = True
    #: The verdict of a review about it.
    review: str | None = None


@dataclass(kw_only=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    fault: str | None
    #: The status of the answer; None: there was none.
    status: int | None = None
    #: Its header of W3C Trace Context, if it has one.
    traceparent: str | None = None


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that the vendor sends webhooks about."""

    reference: str
    #: `created`, `submitted` to a review, or `changed` by the play.
    what: str
    #: The applicant as it was then. The play may have changed it since.
    standing: Standing


@dataclass
class Verdicts:
    """Which verdicts come next."""

    #: For every user, and for some of them. A text is for all that follow, a list for one verification each.
    general: str | list[str] | None = None
    of_users: dict[str, str | list[str] | None] = field(default_factory=dict)
    #: iDenfy: those that a token's `dummyStatus` asked for.
    of_references: dict[str, str] = field(default_factory=dict)

    def take(self, reference: str, user: str) -> str | None:
        """Return the verdict of one review; None: the vendor's usual one."""
        found = self.of_references.get(reference) or self.of_users.get(user) or self.general
        if isinstance(found, list):
            return found.pop(0) if found else None
        return found


@dataclass
class Played:
    """A vendor as it is now."""

    table: dict[str, Standing] = field(default_factory=dict)
    fault: Fault = field(default_factory=Fault)
    verdicts: Verdicts = field(default_factory=Verdicts)
    #: IDnGO: the steps or images that a RED:RETRY asks for again, such as SELFIE or IDENTITY/BACK_SIDE.
    failed: tuple[str, ...] = ()
    #: IFCGATE: the document types of a workflow. IDnGO: the steps of a level.
    requires: tuple[str, ...] = ()
    #: How exactly the vendor tells times.
    resolution: timedelta = timedelta(milliseconds=1)
    #: iDenfy: see `PUT /play/idenfy`.
    token_field: str = "token"  # noqa: S105
    development: bool = True
    one_session: bool = False
    #: The verifications that cost a credit, in their order.
    bought: list[str] = field(default_factory=list)
    #: The reviews that were asked for, in their order.
    submitted: list[str] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    requests: deque[Asked] = field(default_factory=lambda: deque(maxlen=REQUESTS_MAX))
    #: What webhooks are sent about, and those that were sent.
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=REQUESTS_MAX))
    webhooks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def asked(self) -> list[str]:
        """The paths that were asked for."""
        return [one.path for one in self.requests]

    def of_user(self, user: str) -> str | None:
        """Return the reference of the latest applicant with your id; None if there is none."""
        return next((name for name in reversed(self.table) if self.table[name].user == user), None)

    def create(self, reference: str, *, user: str, status: str, level: str = LEVEL, says: dict[str, Any] | None = None) -> Standing:
        """Record an applicant who was started here, which costs a credit."""
        self.table[reference] = Standing(
            status=status, at=self._moment(), user=user, says=says or {}, level=level, token_lives=status == "ACTIVE"
        )
        self.bought.append(reference)
        self.events.append(Event(reference=reference, what="created", standing=self.table[reference]))
        return self.table[reference]

    def move(self, reference: str, status: str, *, labels: tuple[str, ...] = (), **changed: Any) -> None:
        """Give an applicant another status, at a later time than its former one."""
        before = self.table[reference]
        earlier = (*before.earlier, (before.status, before.at))
        self.table[reference] = replace(before, status=status, at=self._moment(before.at), labels=labels, earlier=earlier, **changed)

    def _moment(self, before: datetime = BEGINNING) -> datetime:
        """Return the time, as exactly as the vendor tells it."""
        now = clock.now()
        told = now - (now - BEGINNING) % self.resolution
        return max(told, before + self.resolution)

    def submit(self, reference: str) -> None:
        """Record that a review was asked for."""
        self.submitted.append(reference)
        self.events.append(Event(reference=reference, what="submitted", standing=self.table[reference]))

    def add_image(self, **described: Any) -> Image:
        image = Image(number=1_000_001 + len(self.images), **described)
        self.images.append(image)
        return image

    def describe(self) -> dict[str, Any]:
        """Return everything, for `GET /play/<vendor>`."""
        return {
            "applicants": statuses(self),
            "users": {name: standing.user for name, standing in self.table.items()},
            "levels": {name: standing.level for name, standing in self.table.items()},
            "credits": len(self.bought),
            "bought": list(self.bought),
            "submitted": list(self.submitted),
            "uploads": [asdict(image) for image in self.images],
            "requests": [asdict(one) for one in self.requests],
            "webhooks": list(self.webhooks),
            "fault": self.fault.fault,
        }


def statuses(played: Played) -> dict[str, str]:
    """Return the status of each applicant."""
    return {name: standing.status for name, standing in played.table.items()}
